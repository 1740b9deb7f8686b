# SPDX-License-Identifier: GPL-3.0-or-later
"""What the numbers of a server mean."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import health
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.health import Limits
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.tables import Table

LIMITS = Limits(80, 95, 300, 3600, 10, 60, 60, 600)
MIB = 1024 * 1024


def connections(used: int, peak: int, refused: int = 0) -> dict[str, Any]:
    return {
        "used": used,
        "running": 1,
        "maximum": 100,
        "percent": float(used),
        "peak": peak,
        "peak_percent": float(peak),
        "peak_at": None,
        "refused": refused,
        "failed_logins": 0,
        "since": "2026-01-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    ("used", "peak", "verdicts"),
    [
        (80, 95, ["ok", "ok"]),
        (81, 81, ["warning", "ok"]),
        (95, 95, ["warning", "ok"]),
        (96, 96, ["critical", "warning"]),
        (101, 101, ["critical", "warning"]),
        (10, 100, ["ok", "warning"]),
    ],
)
def test_connections(used: int, peak: int, verdicts: list[str]) -> None:
    found = health.judge_connections(connections(used, peak, refused=7), LIMITS)
    assert [finding.verdict for finding in found] == verdicts
    assert "7 were refused" in found[1].message


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(None, "ok"), (300, "ok"), (301, "warning"), (3600, "warning"), (3601, "critical")]
)
def test_transactions(seconds: int | None, verdict: str) -> None:
    longest = None
    if seconds is not None:
        transaction = {"seconds": seconds, "rows_changed": 2, "rows_locked": 0, "blocks": []}
        longest = {"id": 7, "user": "app", "host": "web:1", "command": "Sleep", "transaction": transaction}
    assert health.judge_transactions(longest, LIMITS).verdict == verdict


def node(identity: int | None, seconds: float | None, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"id": identity, "seconds": seconds, "command": "Query", "blocks": list(blocks)}


@pytest.mark.parametrize(
    ("roots", "verdict", "said"),
    [
        ([], "ok", "No connection waits"),
        ([node(1, 5000, node(2, 10))], "ok", "1 connections wait"),
        ([node(1, 0, node(2, 3, node(3, 11)))], "warning", "2 connections wait for locks, the longest for 11.0 s"),
        ([node(1, 0, node(3, 61)), node(2, 0, node(3, 61))], "critical", "1 connections wait"),
        ([node(None, None, node(3, 61))], "critical", "behind one not told"),
    ],
)
def test_lock_waits(roots: list[dict[str, Any]], verdict: str, said: str) -> None:
    finding = health.judge_locks(roots, LIMITS)
    assert finding.verdict == verdict
    assert said in finding.message


MYSQL_CHANNEL = {
    "Channel_Name": "",
    "Source_Host": "db1",
    "Replica_IO_Running": "Yes",
    "Replica_SQL_Running": "Yes",
    "Seconds_Behind_Source": 0,
    "Last_IO_Error": "",
    "Last_SQL_Error": "",
}
MARIADB_CHANNEL = {
    "Connection_name": "",
    "Master_Host": "db1",
    "Slave_IO_Running": "Yes",
    "Slave_SQL_Running": "Yes",
    "Seconds_Behind_Master": 0,
    "Last_IO_Error": "",
    "Last_SQL_Error": "",
}


def test_both_dialects_say_the_same() -> None:
    assert health.parse_channel(MYSQL_CHANNEL) == health.parse_channel(MARIADB_CHANNEL)


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({}, "ok", "0.0 s behind"),
        ({"Seconds_Behind_Source": 61}, "warning", "1 min 1 s behind"),
        ({"Seconds_Behind_Source": 601}, "critical", "behind"),
        ({"Seconds_Behind_Source": None}, "unknown", "does not tell"),
        ({"Replica_SQL_Running": "No", "Last_SQL_Error": "Duplicate entry"}, "critical", "Duplicate entry"),
        ({"Replica_IO_Running": "Connecting"}, "critical", "receiving is 'Connecting'"),
        (
            {"Replica_IO_Running": "No", "Replica_SQL_Running": "No", "Seconds_Behind_Source": None},
            "critical",
            "does not run",
        ),
        ({"Channel_Name": "eu"}, "ok", "'eu' from db1"),
    ],
)
def test_replication(change: dict[str, Any], verdict: str, said: str) -> None:
    (finding,) = health.judge_replication([health.parse_channel({**MYSQL_CHANNEL, **change})], LIMITS)
    assert finding.verdict == verdict
    assert said in finding.message


def test_a_server_that_replicates_nothing_is_fine() -> None:
    assert [finding.verdict for finding in health.judge_replication([], LIMITS)] == ["ok"]


def test_tables() -> None:
    tables = [
        Table("bank", "small", file_bytes=MIB),
        Table("bank", "half", file_bytes=100 * MIB, free_bytes=58 * MIB),
        Table("bank", "big", file_bytes=500 * MIB, free_bytes=7 * MIB),
        Table("bank", "seen", kind="VIEW", engine=""),
    ]
    told = health.summarize_tables(tables, 16384, 2)
    assert (told["count"], told["bytes"], told["reclaimable_bytes"]) == (3, 601 * MIB, 50 * MIB)
    assert [entry["table"] for entry in told["biggest"]] == ["bank.big", "bank.half"]
    assert [(entry["table"], entry["reclaimable_ratio"]) for entry in told["most_fragmented"]] == [("bank.half", 0.5)]


@pytest.mark.parametrize(
    ("requests", "reads", "hit"), [("1000", "10", 99.0), ("0", "0", None), ("10", "20", 0.0), ("3", "1", 66.667)]
)
def test_buffer_pool(requests: str, reads: str, hit: float | None) -> None:
    status = {
        "innodb_buffer_pool_pages_total": "100",
        "innodb_buffer_pool_pages_free": "25",
        "innodb_buffer_pool_pages_dirty": "5",
        "innodb_buffer_pool_read_requests": requests,
        "innodb_buffer_pool_reads": reads,
        "innodb_buffer_pool_wait_free": "3",
    }
    assert health.summarize_pool(status, 16384) == {
        "bytes": 100 * 16384,
        "used_percent": 75.0,
        "dirty_percent": 5.0,
        "hit_percent": hit,
        "waits_for_free_page": 3,
    }
