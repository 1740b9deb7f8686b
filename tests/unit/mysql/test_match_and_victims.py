# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision, on process lists made of rows as the servers give them."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.match import Policy, protected, unmatched
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.processlist import (
    NO_RIGHT,
    STALE,
    Process,
    Snapshot,
    Threads,
    Transaction,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.victims import changed_hands, choose
from hypothesis import given
from hypothesis import strategies as st

IDLE = Process(7, "app", "10.0.0.1:5000", "bank", "Sleep", 400.0, query_id=70)
BUSY = Process(8, "app", "10.0.0.1:5001", "bank", "Query", 400.0, "Sending data", "SELECT ?", True, 80)


def snapshot(*processes: Process, connected: int = 100, maximum: int = 100, unknown: str = "") -> Snapshot:
    return Snapshot("now", "10.11", "x", 1, unknown, Threads(connected, 1, maximum), list(processes))


@pytest.mark.parametrize(
    ("changes", "policy", "reason"),
    [
        ({}, {}, None),
        ({"seconds": 300.0}, {}, None),
        ({"seconds": 299.9}, {}, "idle for less than idle_seconds"),
        ({"command": "Query"}, {}, "not idle"),
        ({"command": "Execute"}, {}, "not idle"),
        ({"command": "Binlog Dump"}, {}, "not idle"),
        ({}, {"users": ["a*"]}, None),
        ({}, {"users": ["A*"]}, "user not wanted"),
        ({}, {"users": ["b", "app"]}, None),
        ({}, {"users": ["app"], "exclude_users": ["ap?"]}, "user excluded"),
        ({}, {"hosts": ["10.0.0.*"]}, None),
        ({}, {"hosts": ["10.0.0.1:5000"]}, "host not wanted"),
        ({}, {"exclude_hosts": ["10.0.0.1"]}, "host excluded"),
        ({}, {"databases": ["other"]}, "database not wanted"),
        ({"database": None}, {"databases": ["bank"]}, "database not wanted"),
        ({"database": None}, {"databases": ["*"]}, None),
        ({}, {"exclude_databases": ["b*"]}, "database excluded"),
        ({}, {"users": ["app"], "hosts": ["10.9.*"]}, "host not wanted"),
    ],
)
def test_every_criterion_must_hold(changes: dict[str, Any], policy: dict[str, Any], reason: str | None) -> None:
    assert unmatched(dataclasses.replace(IDLE, **changes), Policy(**policy)) == reason


@pytest.mark.parametrize(
    ("changes", "policy", "reason"),
    [
        ({}, {}, None),
        ({"command": "Sleep"}, {}, "not running a statement"),
        ({"seconds": 10}, {}, "running for less than query_seconds"),
        ({"reads_only": False}, {}, "its statement may write (include_writes)"),
        ({"reads_only": False}, {"include_writes": True}, None),
    ],
)
def test_statements_are_matched_by_their_own_rules(
    changes: dict[str, Any], policy: dict[str, Any], reason: str | None
) -> None:
    assert unmatched(dataclasses.replace(BUSY, **changes), Policy(mode="long_running", **policy)) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"id": 1},
        *({"user": user} for user in ("system user", "event_scheduler", "unauthenticated user", "mysql.session")),
        *({"user": user} for user in ("rdsadmin", "rdsrepladmin", "azure_superuser", "cloudsqladmin", "mariadb.sys")),
        *({"command": command} for command in ("Daemon", "Binlog Dump", "Binlog Dump GTID", "Connect", "Slave_IO")),
        *(
            {"command": command}
            for command in ("Slave_SQL", "Slave_worker", "Group Replication Module", "Clone", "Killed")
        ),
    ],
)
def test_some_are_never_ended_whatever_is_asked(changes: dict[str, Any]) -> None:
    process = dataclasses.replace(IDLE, **changes)
    policy = Policy(users=[process.user], open_transactions="kill", include_writes=True)
    assert protected(process, policy, own_id=1)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"user": "mysqldump"}, "mysqldump"),
        ({"user": "backup_ro"}, "backup_ro"),
        ({"program": "mydumper"}, "app"),
        ({"statement": "SELECT /*!40001 SQL_NO_CACHE */ * FROM `a`"}, "app"),
    ],
)
def test_backups_are_spared_unless_named(changes: dict[str, Any], named: str) -> None:
    process = dataclasses.replace(IDLE, **changes)
    assert "a backup" in (protected(process, Policy(), 1) or "")
    assert "a backup" in (protected(process, Policy(users=["*"]), 1) or "")
    assert protected(process, Policy(users=[named]), 1) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"transaction": Transaction(9, 1, 1)}, "a transaction is open"),
        ({"locks": ["User lock a"]}, "it holds locks: User lock a"),
    ],
)
def test_what_is_held_spares_unless_kill_is_said(changes: dict[str, Any], reason: str) -> None:
    process = dataclasses.replace(IDLE, **changes)
    assert protected(process, Policy(), 1) == protected(process, Policy(open_transactions="report"), 1) == reason
    assert protected(process, Policy(open_transactions="kill"), 1) is None
    assert protected(dataclasses.replace(process, command="Query"), Policy(mode="long_running"), 1) is None


@pytest.mark.parametrize(
    ("connected", "policy", "wanted", "reason"),
    [
        (100, {}, 40, ""),
        (96, {"only_above_percent": 95}, 40, ""),
        (95, {"only_above_percent": 95}, 0, "95.0 % of max_connections is not above only_above_percent"),
        (100, {"until_percent": 70}, 30, "until_percent is reached"),
        (100, {"until_percent": 60}, 40, ""),
        (100, {"until_percent": 10}, 40, ""),
        (70, {"until_percent": 70}, 0, "until_percent is reached"),
        (100, {"until_percent": 99.9}, 1, "until_percent is reached"),
        (96, {"only_above_percent": 95, "until_percent": 80}, 16, "until_percent is reached"),
    ],
)
def test_limits_by_percentage(connected: int, policy: dict[str, Any], wanted: int, reason: str) -> None:
    many = [dataclasses.replace(IDLE, id=100 + number, seconds=400.0 + number) for number in range(40)]
    random.Random(1).shuffle(many)
    choice = choose(snapshot(*many, connected=connected), Policy(**policy))
    assert (len(choice.victims), choice.reason) == (wanted, reason)
    assert [victim.id for victim in choice.victims] == [139 - place for place in range(wanted)], "the oldest first"


@pytest.mark.parametrize("why", [NO_RIGHT, STALE])
def test_who_does_not_see_the_others_ends_nobody(why: str) -> None:
    choice = choose(snapshot(IDLE, unknown=why), Policy())
    assert choice.victims == [] and choice.candidates == [IDLE]
    assert choice.reason == why


@given(
    st.lists(
        st.builds(
            Process,
            id=st.integers(1, 30),
            user=st.sampled_from(["app", "rdsadmin", "root", "backup"]),
            host=st.sampled_from(["a:1", "b:2", "localhost"]),
            database=st.sampled_from([None, "bank"]),
            command=st.sampled_from(["Sleep", "Query", "Daemon", "Binlog Dump"]),
            seconds=st.floats(0, 1000),
            transaction=st.sampled_from([None, Transaction(1, 1, 1)]),
        ),
        unique_by=lambda process: process.id,
    ),
    st.sampled_from(
        [{}, {"users": ["app"]}, {"until_percent": 95}, {"exclude_hosts": ["a"], "open_transactions": "kill"}]
    ),
)
def test_every_connection_gets_exactly_one_decision(processes: list[Process], policy: dict[str, Any]) -> None:
    choice = choose(snapshot(*processes), Policy(**policy))
    assert len(choice.candidates) + len(choice.protected) + sum(choice.unmatched.values()) == len(processes)
    for victim in choice.victims:
        assert victim.command == "Sleep" and victim.seconds >= 300 and victim.id != 1 and victim.user != "rdsadmin"


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (None, "gone"),
        ({}, None),
        ({"seconds": 400.2}, None),
        ({"host": "10.0.0.1:6000"}, "the id belongs to another connection now"),
        ({"user": "other"}, "the id belongs to another connection now"),
        ({"command": "Query"}, "it became active"),
        ({"seconds": 0.1}, "it became active"),
        ({"query_id": 71}, "it became active"),
    ],
)
def test_a_victim_that_changed_is_noticed(now: dict[str, Any] | None, reason: str | None) -> None:
    assert changed_hands(IDLE, None if now is None else dataclasses.replace(IDLE, **now)) == reason
