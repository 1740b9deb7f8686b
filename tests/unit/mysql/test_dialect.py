# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.dialect import parse_version, quote_identifier


@pytest.mark.parametrize(
    ("text", "flavor", "version"),
    [
        ("10.11.19-MariaDB-0+deb12u1-log", "mariadb", (10, 11, 19)),
        ("5.5.5-10.6.12-MariaDB", "mariadb", (10, 6, 12)),
        ("5.5.5-m3", "mysql", (5, 5, 5)),
        ("11.8.2-MariaDB", "mariadb", (11, 8, 2)),
        ("8.0.40", "mysql", (8, 0, 40)),
        ("8.4.3-0ubuntu0.24.10.1", "mysql", (8, 4, 3)),
        ("8.0.mysql_aurora.3.05.2", "mysql", (8, 0, 0)),
        ("9.1-log", "mysql", (9, 1, 0)),
        ("unheard of", "mysql", (0, 0, 0)),
    ],
)
def test_versions_are_read(text: str, flavor: str, version: tuple[int, int, int]) -> None:
    server = parse_version(text)
    assert (server.flavor, server.version, server.text) == (flavor, version, text)


def test_a_release_is_written_as_people_write_it() -> None:
    assert parse_version("5.5.5-10.6.12-MariaDB").release == "10.6.12"


def test_names_can_not_leave_their_quotes() -> None:
    assert quote_identifier("a`; DROP TABLE b; --") == "`a``; DROP TABLE b; --`"
