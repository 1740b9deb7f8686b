# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proof claims: identity, levels, loss and time. No claim without what it rests on."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import verify_judge as judge
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.catalogue import Backup, Binlog
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.manifest import Manifest, Part
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import Stored

NAME = "bank-20260131T020000Z.sql.zst"
NOW = judge.moment("2026-01-31T12:00:00Z", "now")
WANTED: dict[str, str | None] = {"database": "bank", "environment": "production"}
MANIFEST = Manifest(
    engine="dump",
    database="bank",
    environment="production",
    file=NAME,
    compression="zstd",
    server={"flavor": "mariadb", "version": "10.11.19-MariaDB"},
    program="mariadb-dump",
    started="2026-01-31T02:00:00Z",
    taken="2026-01-31T02:00:00Z",
    tables={},
    parts=[Part(NAME, "whole", "ab", 10, 100)],
    position={"file": "binlog.000002", "position": 500, "gtid": None},
    uncompressed_bytes=100,
)


def backup(**changes: Any) -> Backup:
    return Backup(dataclasses.replace(MANIFEST, **changes), Stored(NAME, 10, 0.0), [], [])


def log(number: int, **changes: Any) -> Binlog:
    name = f"binlog.{number:06d}"
    whole = Binlog(name, f"binlog/{name}.zst", "1", 9, "cd", 4, 900, True, None, f"2026-01-31T0{number}:30:00Z")
    return dataclasses.replace(whole, **changes)


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        ({}, NAME, []),
        ({}, "bank-20260201T020000Z.sql.zst", ["its manifest is that of", "its name says 20260201"]),
        ({"environment": "staging"}, NAME, ["environment 'staging', not 'production'"]),
        ({"database": "shop"}, NAME, ["database 'shop', not 'bank'"]),
        (
            {"taken": "2026-01-29T02:00:00Z", "started": "2026-01-29T02:00:00Z"},
            NAME,
            ["its name says 20260131", "58 h"],
        ),
        ({"taken": "2026-02-03T02:00:00Z"}, NAME, ["yet to come"]),
    ],
)
def test_identity(changes: dict[str, Any], name: str, said: list[str]) -> None:
    problems = judge.identity(backup(**changes), name, WANTED, 90000, NOW)
    assert len(problems) == len(said) and all(word in text for word, text in zip(said, problems, strict=True)), problems


def test_a_day_in_the_name_may_be_the_local_one() -> None:
    late = {"file": "bank.sql", "taken": "2026-01-30T23:30:00Z", "started": "2026-01-30T23:30:00Z"}
    assert judge.identity(backup(**late), "bank.sql", {}, 0, NOW) == []
    assert judge.identity(backup(file="bank-2026-01-31.sql"), "bank-2026-01-31.sql", {}, 0, NOW) == []


def test_a_level_holds_only_on_those_below_it() -> None:
    ladder = judge.Ladder()
    assert ladder.step("L0", []) and ladder.step("L1", [])
    assert not ladder.step("L2", ["refused"])
    assert ladder.level == "L1" and ladder.broken
    assert [one.verdict for one in ladder.findings] == ["ok", "ok", "critical"]
    assert ladder.required("L1").verdict == "ok" and ladder.required("L2").verdict == "critical"


def test_what_was_not_seen_is_unknown_and_not_ok() -> None:
    ladder = judge.Ladder()
    assert not ladder.step("L0", ["the server died"], unsure=True)
    assert ladder.findings[0].verdict == "unknown" and ladder.level == "none"


REACH: list[tuple[list[Binlog], str | None, str, str]] = [
    ([], None, "2026-01-31T02:00:00Z", "backup"),
    ([log(2), log(3)], None, "2026-01-31T03:30:00Z", "binlog"),
    ([log(1), log(2), log(3)], "2026-01-31T11:58:20Z", "2026-01-31T11:58:20Z", "binlog"),
    (
        [log(2), log(4)],
        "2026-01-31T11:58:20Z",
        "2026-01-31T02:30:00Z",
        "binlog",
    ),  # 3 is missing, so nothing after 2 counts
    ([log(3)], "2026-01-31T11:58:20Z", "2026-01-31T02:00:00Z", "backup"),  # the log the position lies in is missing
    ([log(2, end_position=400)], None, "2026-01-31T02:00:00Z", "backup"),
]


@pytest.mark.parametrize(("binlogs", "covered", "to", "by"), REACH)
def test_data_reach_as_far_as_the_chain_has_no_gap(
    binlogs: list[Binlog], covered: str | None, to: str, by: str
) -> None:
    reached = judge.reach(backup(), binlogs, covered)
    assert (reached["to"], reached["by"]) == (to, by), reached
    assert bool(reached["reason"]) == (len(binlogs) < 2 or binlogs[-1].number == 4)


def test_without_a_position_logs_do_not_help() -> None:
    reached = judge.reach(backup(position=None, position_reason="log_bin is off."), [log(2)], None)
    assert reached["by"] == "backup" and "log_bin is off" in reached["reason"]


def test_a_known_loss_of_n_seconds_is_reported_as_n() -> None:
    reached = judge.reach(backup(), [log(2)], "2026-01-31T11:58:20Z")
    told = judge.loss(reached, NOW, "2026-01-31T11:00:00Z")
    assert (told["seconds"], told["last_event_seconds"]) == (100, 3600.0)
    assert judge.judge_loss(told, 100).verdict == "ok" and judge.judge_loss(told, 99).verdict == "critical"


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(10, "ok"), (75, "ok"), (76, "warning"), (100, "warning"), (101, "critical")]
)
def test_time_against_its_objective(seconds: float, verdict: str) -> None:
    assert judge.judge_time(seconds, 100).verdict == verdict


def test_a_forecast_needs_two_backups_a_day_apart() -> None:
    first = backup(taken="2026-01-21T02:00:00Z", uncompressed_bytes=1000)
    second = backup(uncompressed_bytes=2000)
    told = judge.forecast([first, second], 10.0, 5.0, 1000.0, 10)
    assert told == {"days": 10, "bytes_per_day": 100, "rto_seconds": 305.0, "exceeded_in_days": 80, "reason": ""}
    assert (
        judge.judge_forecast(told, 1000.0)[0].verdict == "ok"
        and judge.judge_forecast(told, 300.0)[0].verdict == "warning"
    )
    for known, rate in (([first], 10.0), ([second, second], 10.0), ([first, second], None)):
        told = judge.forecast(known, rate, 5.0, 1000.0, 10)
        assert told["rto_seconds"] is None and told["reason"] and judge.judge_forecast(told, 1.0) == []


def test_objectives_are_the_runbooks_unless_given() -> None:
    assert judge.objectives("database_failure", None, None) == (7200, 900)
    assert judge.objectives("application_failure", 5.0, None) == (5.0, None)


def test_times_as_people_write_them() -> None:
    assert judge.moment("2026-01-31T13:00:00+01:00", "until") == judge.moment("2026-01-31 12:00:00", "until") == NOW
    with pytest.raises(BadInput, match="until is 'noon'"):
        judge.moment("noon", "until")
