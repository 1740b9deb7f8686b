# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables are meant, how fragmented they are, what rebuilding them blocks."""

from __future__ import annotations

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.dialect import Server, parse_version
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.tables import (
    VIRTUAL,
    Settings,
    Table,
    choose,
    missing,
    parse_settings,
    rebuild,
    space_needed,
)
from hypothesis import given
from hypothesis import strategies as st

MIB = 1024 * 1024
MARIADB = parse_version("10.11.19-MariaDB-0+deb12u1-log")
MYSQL = parse_version("8.4.8-0ubuntu1")


def table(name: str = "t", **more: object) -> Table:
    return Table("bank", name, **{"file_bytes": 100 * MIB, **more})


@pytest.mark.parametrize(
    ("variables", "settings"),
    [
        ({}, Settings()),
        ({"old_alter_table": "ON"}, Settings(copies=True)),
        ({"old_alter_table": "OFF"}, Settings()),
        ({"old_alter_table": "DEFAULT", "alter_algorithm": "DEFAULT"}, Settings()),
        ({"old_alter_table": "COPY", "alter_algorithm": "COPY"}, Settings(copies=True)),
        ({"innodb_optimize_fulltext_only": "ON"}, Settings(fulltext_only=True)),
        ({"innodb_page_size": "65536", "innodb_online_alter_log_max_size": "1"}, Settings(65536, online_log_bytes=1)),
        ({"read_only": "ON"}, Settings(read_only=True)),
        ({"read_only": "NO_LOCK_NO_ADMIN"}, Settings(read_only=True)),
        ({"read_only": "OFF"}, Settings()),
    ],
)
def test_settings(variables: dict[str, str], settings: Settings) -> None:
    assert parse_settings(variables) == settings


@pytest.mark.parametrize(
    ("server", "what", "settings", "mode"),
    [
        (MYSQL, table(), Settings(), "online"),
        (MARIADB, table(), Settings(), "online"),
        (MYSQL, table(indexes=("BTREE", "FULLTEXT")), Settings(), "blocks_writes"),
        (MARIADB, table(indexes=("FULLTEXT",)), Settings(), "blocks_writes"),
        (MYSQL, table(indexes=("SPATIAL",)), Settings(), "blocks_writes"),
        (MARIADB, table(indexes=("SPATIAL",)), Settings(), "blocks_writes"),
        (MYSQL, table(indexes=("BTREE", VIRTUAL)), Settings(), "online"),
        (MARIADB, table(indexes=("BTREE", VIRTUAL)), Settings(), "blocks_writes"),
        (MYSQL, table(), Settings(copies=True), "blocks_writes"),
        (MARIADB, table(), Settings(copies=True), "blocks_writes"),
        (MYSQL, table(engine="MyISAM"), Settings(), "blocks_all"),
        (MARIADB, table(engine="Aria"), Settings(), "blocks_all"),
        (MYSQL, table(engine="MEMORY"), Settings(), None),
    ],
)
def test_how_a_table_is_rebuilt(server: Server, what: Table, settings: Settings, mode: str | None) -> None:
    found = rebuild(what, server, settings)
    assert found.mode == mode
    assert bool(found.why) is (mode != "online")


@pytest.mark.parametrize(
    ("what", "page", "reclaimable"),
    [
        (table(free_bytes=8 * MIB), 16384, 0),
        (table(free_bytes=8 * MIB + 1), 16384, 1),
        (table(free_bytes=50 * MIB), 16384, 42 * MIB),
        (table(free_bytes=50 * MIB, files=4), 16384, 18 * MIB),
        (table(free_bytes=50 * MIB), 4096, 42 * MIB),
        (table(free_bytes=50 * MIB), 32768, 34 * MIB),
        (table(free_bytes=50 * MIB), 65536, 18 * MIB),
        (table(free_bytes=50 * MIB, file_bytes=None), 16384, 0),
        (table(free_bytes=5, engine="MyISAM", file_bytes=None), 16384, 5),
        (table(kind="VIEW", engine="", free_bytes=0, file_bytes=None), 16384, 0),
    ],
)
def test_what_can_be_won_back(what: Table, page: int, reclaimable: int) -> None:
    assert what.reclaimable(page) == reclaimable


@given(st.integers(0, 2**50), st.integers(1, 100), st.sampled_from([4096, 8192, 16384, 32768, 65536]))
def test_never_more_than_is_free_is_won_back(free: int, files: int, page: int) -> None:
    assert 0 <= table(free_bytes=free, files=files).reclaimable(page) <= free


@pytest.mark.parametrize(
    ("what", "size"),
    [
        (table(data_bytes=1, index_bytes=2, free_bytes=4), 100 * MIB),
        (table(data_bytes=1, index_bytes=2, free_bytes=4, file_bytes=None), 3),
        (table(data_bytes=1, index_bytes=2, free_bytes=4, file_bytes=None, engine="MyISAM"), 7),
    ],
)
def test_size(what: Table, size: int) -> None:
    assert what.bytes == size


def test_space_needed_is_a_copy_and_the_log_of_changes() -> None:
    settings = Settings(online_log_bytes=10)
    what = table(data_bytes=100, index_bytes=20, file_bytes=150, free_bytes=40)
    assert space_needed(what, "online", settings) == 130
    assert space_needed(what, "blocks_writes", settings) == 120
    assert space_needed(what, None, settings) == 0


def test_old_statistics_do_not_hide_what_is_in_the_file() -> None:
    assert space_needed(table(data_bytes=1, file_bytes=500, free_bytes=100), "blocks_writes", Settings()) == 400


KNOWN = [table("accounts"), table("Orders"), table("orders_log"), table("seen", kind="VIEW"), table("a[b]")]


@pytest.mark.parametrize(
    ("names", "patterns", "chosen"),
    [
        ([], [], ["accounts", "Orders", "orders_log", "a[b]"]),
        (["seen", "accounts"], [], ["accounts", "seen"]),
        ([], ["*"], ["accounts", "Orders", "orders_log", "a[b]"]),
        ([], ["orders*"], ["orders_log"]),
        ([], ["?rders"], ["Orders"]),
        (["accounts"], ["*_log", "acc*"], ["accounts", "orders_log"]),
        (["a[b]"], [], ["a[b]"]),
        (["acc*"], [], []),
        ([], ["nothing"], []),
    ],
)
def test_which_tables_are_meant(names: list[str], patterns: list[str], chosen: list[str]) -> None:
    assert [each.name for each in choose(KNOWN, names, patterns)] == chosen


def test_names_that_are_not_there() -> None:
    assert missing(KNOWN, ["accounts", "orders", "seen"]) == ["orders"]
