# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.dialect import parse_version
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.read import source_of


@pytest.mark.parametrize(
    ("version", "performance_schema", "schema"),
    [
        ("10.11.19-MariaDB", False, "information_schema"),
        ("11.8.2-MariaDB", True, "information_schema"),
        ("5.7.44", True, "information_schema"),
        ("8.0.21", True, "information_schema"),
        ("8.0.22", True, "performance_schema"),
        ("8.0.22", False, "information_schema"),
        ("8.4.3", True, "performance_schema"),
        ("9.7.4-2", True, "performance_schema"),
    ],
)
def test_the_right_source_for_each_server(version: str, performance_schema: bool, schema: str) -> None:
    assert source_of(parse_version(version), performance_schema) == f"{schema}.processlist"
