# SPDX-License-Identifier: GPL-3.0-or-later
"""Which binary logs to ship and to replay: tables of records in, a plan or a refusal out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import binlog_plan
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.catalogue import Binlog
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Refused

POSITION = {"file": "binlog.000002", "position": 500, "gtid": None}
COVERED = "2026-01-31T09:00:00Z"


def log(number: int, **changes: Any) -> Binlog:
    name = f"binlog.{number:06d}"
    whole = Binlog(name, f"binlog/{name}.zst", "1", 9, "cd", 4, 900, True, None, f"2026-01-31T0{number}:30:00Z")
    return dataclasses.replace(whole, **changes)


LOGS = [log(number) for number in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("since", "rotates"), [(None, True), (1000.0, False), (761.0, False), (759.0, True), (0.0, True)]
)
def test_a_log_is_closed_when_the_next_run_would_be_too_late(since: float | None, rotates: bool) -> None:
    assert binlog_plan.must_rotate(since, 1000.0, 60, 300) is rotates


@pytest.mark.parametrize(
    ("archived", "ships"),
    [
        ([], ["binlog.000001", "binlog.000002"]),
        ([log(1)], ["binlog.000002"]),
        ([log(1), log(2, closed=False, end_position=100)], ["binlog.000002"]),
        ([log(1), log(2)], []),
    ],
)
def test_closed_logs_that_are_not_archived_whole_are_shipped(archived: list[Binlog], ships: list[str]) -> None:
    server = [(f"binlog.{number:06d}", 900) for number in (1, 2, 3)]
    assert [name for name, _ in binlog_plan.to_ship(server, archived)] == ships


@pytest.mark.parametrize("server", [[("binlog.000001", 901), ("binlog.000002", 5)], [("binlog.000001", 5)]])
def test_logs_that_began_anew_are_refused(server: list[tuple[str, int]]) -> None:
    with pytest.raises(Refused, match="began anew"):
        binlog_plan.to_ship(server, [log(1)])


@pytest.mark.parametrize(
    ("until", "names"),
    [
        ("latest", [2, 3, 4]),
        ("2026-01-31T03:10:00Z", [2, 3]),
        ("2026-01-31T03:30:00Z", [2, 3]),
        ("2026-01-31T08:59:59Z", [2, 3, 4]),
        ("binlog.000003:800", [2, 3]),
        ("0-1-17", [2, 3, 4]),
    ],
)
def test_the_logs_that_a_moment_needs(until: str, names: list[int]) -> None:
    found = binlog_plan.plan(POSITION, "", LOGS, until, COVERED)
    assert ([one.number for one in found.logs], found.start) == (names, 500)


@pytest.mark.parametrize(
    ("position", "logs", "until", "said"),
    [
        (None, LOGS, "latest", "no position in the binary log"),
        (POSITION, [LOGS[1], LOGS[3]], "latest", "is broken"),
        (POSITION, LOGS[2:], "latest", "is broken"),
        (POSITION, [], "latest", "is broken"),
        (POSITION, LOGS, "2026-01-31T09:00:01Z", "reach to 2026-01-31T09:00:00Z"),
        (POSITION, LOGS, "binlog.000002:499", "lies before the backup"),
        (POSITION, LOGS, "binlog.000004:901", "archived up to 900"),
        (POSITION, LOGS, "binlog.000005:4", "is not archived"),
    ],
)
def test_a_chain_that_does_not_lead_there_is_refused(position: Any, logs: list[Binlog], until: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        binlog_plan.plan(position, "log_bin is off", logs, until, COVERED)


def test_what_is_no_moment() -> None:
    with pytest.raises(BadInput, match="until is 'yesterday'"):
        binlog_plan.parse_until("yesterday")


@pytest.mark.parametrize(("covered", "verdict"), [(900.0, "ok"), (699.0, "critical"), (None, "unknown")])
def test_the_age_of_what_is_not_archived(covered: float | None, verdict: str) -> None:
    chain, unshipped = binlog_plan.judge_archive(LOGS, covered, 1000.0, 300)
    assert (chain.verdict, unshipped.verdict) == ("ok", verdict)
    assert binlog_plan.judge_archive([LOGS[0], LOGS[2]], covered, 1000.0, 300)[0].verdict == "critical"
