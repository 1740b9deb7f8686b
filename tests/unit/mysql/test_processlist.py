# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.processlist import (
    Process,
    Snapshot,
    Threads,
    Transaction,
    is_read,
    parse_snapshot,
    without_literals,
)
from hypothesis import given
from hypothesis import strategies as st

SNAPSHOT = Snapshot(
    taken="2026-01-31T02:00:00Z",
    server="10.11.19-MariaDB",
    source="information_schema.processlist",
    own_id=9,
    unknown="",
    threads=Threads(3, 1, 151),
    processes=[
        Process(1, "app", "10.0.0.1:5000", "bank", "Sleep", 400.5, transaction=Transaction(5, 2, 3, [8]), locks=["x"]),
        Process(8, "äpp", "localhost", None, "Query", 1.0, "Sending data", "SELECT ?", True, 77, "php"),
    ],
    blind_spots=["something"],
)


def test_a_snapshot_is_read_back_as_it_was() -> None:
    assert parse_snapshot(SNAPSHOT.render(), "f") == SNAPSHOT


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', SNAPSHOT.render()[:-9], '{"format": 1, "x": 1}'])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="^f "):
        parse_snapshot(text, "f")


def test_the_quick_dict_is_the_thorough_one() -> None:
    for process, thorough in zip(SNAPSHOT.processes, json.loads(SNAPSHOT.render())["processes"], strict=True):
        assert process.as_dict() == thorough


@pytest.mark.parametrize(("host", "machine"), [("10.0.0.1:5000", "10.0.0.1"), ("localhost", "localhost"), ("", "")])
def test_the_machine_is_the_host_without_port(host: str, machine: str) -> None:
    assert Process(1, "u", host, None, "Sleep", 1).machine == machine


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        (None, ""),
        ("SELECT 1", "SELECT ?"),
        ("SELECT * FROM t2 WHERE a='it''s' AND b=\"x\\\"y\" AND c=0xAB -- secret\n AND d=1.5", None),
        ("ALTER USER x IDENTIFIED BY 'geheim", "ALTER USER x IDENTIFIED BY ?"),
        ("SELECT `a'b` FROM `c`", "SELECT `a'b` FROM `c`"),
        ("SELECT '/* no comment */'", "SELECT ?"),
        ("SELECT /* 'x */ a # it's\n, b", "SELECT a , b"),
        ("x" * 300, "x" * 197 + "..."),
    ],
)
def test_statements_are_shown_without_values(sql: str | None, shown: str | None) -> None:
    expected = "SELECT * FROM t2 WHERE a=? AND b=? AND c=? AND d=?" if shown is None else shown
    assert without_literals(sql) == expected


@given(st.text(max_size=20).filter(lambda text: "canary" not in text), st.sampled_from(["'", '"']))
def test_no_value_is_ever_shown(text: str, quote: str) -> None:
    escaped = text.replace("\\", "\\\\").replace(quote, quote * 2)
    assert "canary" not in without_literals(f"SELECT {quote}{escaped}canary{quote}, a FROM b")


@pytest.mark.parametrize(
    "sql",
    [
        "select * from a",
        "  (SELECT 1) UNION (SELECT 2)",
        "/* a comment */ SELECT a FROM b WHERE c = 'UPDATE'",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SHOW PROCESSLIST",
        "EXPLAIN SELECT 1",
        "SELECT /*!40001 SQL_NO_CACHE */ * FROM `a`",
        "-- note\nSELECT 1",
    ],
)
def test_what_reads(sql: str) -> None:
    assert is_read(sql)


@pytest.mark.parametrize(
    "sql",
    [
        None,
        "",
        "UPDATE a SET b = 1",
        "SELECT * FROM a FOR UPDATE",
        "select a from b lock in share mode",
        "SELECT * FROM a INTO OUTFILE '/x'",
        "WITH x AS (SELECT 1) DELETE FROM a",
        "CALL p()",
        "/*!50000 DELETE */ FROM a",
        "SELECT /*!50000 1 INTO @x */",
        "EXPLAIN ANALYZE UPDATE a SET b = 1",
        "ANALYZE TABLE a",
        "OPTIMIZE TABLE a",
        "SELECTED",
        "COMMIT",
    ],
)
def test_what_may_write(sql: Any) -> None:
    assert not is_read(sql)


def test_percent_is_of_the_maximum() -> None:
    assert Threads(148, 4, 151).as_dict() == {"connected": 148, "running": 4, "maximum": 151, "percent": 98.0}
