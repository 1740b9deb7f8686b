# SPDX-License-Identifier: GPL-3.0-or-later
"""Every recorded keyspace is read as derived by hand."""

from __future__ import annotations

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.verdict import OK, worst
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.discovery import Wanted, locate
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.judge import Limits, judge
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.model import Snapshot
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.snapshot import take
from fixtures.redis import keyspace
from fixtures.redis.expected import EXPECTED, Expected
from unit.horizon.fake_wire import FakeWire


def look(name: str, database: int = 0) -> tuple[FakeWire, Snapshot]:
    databases = keyspace.load(name)
    wire = FakeWire(databases, keyspace.recorded_at(databases), database)
    place = locate(wire, Wanted(cache_database=database + 1))
    wire.trips = 0
    return wire, take(wire, place)


def test_the_table_covers_every_recording() -> None:
    assert {name for name, _ in EXPECTED} == set(keyspace.NAMES)


@pytest.mark.parametrize(("case", "expected"), EXPECTED.items(), ids=lambda case: str(case) if case else "")
def test_read_as_derived_by_hand(case: tuple[str, int], expected: Expected) -> None:
    wire, snapshot = look(*case)
    assert snapshot.status == expected.status
    assert {master.name: master.status for master in snapshot.masters} == expected.masters
    queues = {q.name: (q.ready, q.delayed, q.reserved, q.processes) for q in snapshot.queues}
    assert queues == expected.queues
    assert {q.paused for q in snapshot.queues} <= {expected.paused}
    assert {q.served for q in snapshot.queues} <= {snapshot.status != "inactive"}
    failed = snapshot.failed
    assert (failed.last_hour, failed.total, failed.retrying, failed.listed) == expected.failed
    assert snapshot.jobs_per_minute == expected.jobs_per_minute
    findings = judge(snapshot, Limits())
    assert worst(finding.verdict for finding in findings) == expected.verdict
    assert {finding.check for finding in findings if finding.verdict != OK} == expected.checks
    assert wire.trips <= 4


def test_details_of_one_recording() -> None:
    """03: PTTL of the master 14565 ms of 15 s; first ready job pushed at 1795421009.9464, recorded at 1795421103."""
    _, snapshot = look("03-running-2-supervisors-backlog")
    (master,) = snapshot.masters
    assert (master.host, master.pid, master.environment, master.heartbeat_age) == ("vm", 2948, "production", 0.435)
    assert master.supervisors == ("vm-W7nP:supervisor-default", "vm-W7nP:supervisor-payments")
    supervisor = snapshot.supervisors[0]
    assert supervisor.name == "vm-W7nP:supervisor-default"
    assert (supervisor.heartbeat_age, supervisor.processes) == (0.972, {"redis:default": 2, "redis:events": 1})
    assert supervisor.options == {
        "connection": "redis",
        "queues": ["default", "events"],
        "balance": "auto",
        "min_processes": 1,
        "max_processes": 3,
        "timeout_seconds": 60,
        "memory_mb": 128,
        "max_tries": 1,
        "auto_scaling_strategy": "time",
    }
    default, events, payments = snapshot.queues
    assert default.oldest_job_age == pytest.approx(93.0536, abs=0.001)
    assert (default.wait, default.throughput) == (0, 25)  # 4 jobs of 22 ms by 2 workers
    assert events.oldest_job_age is None
    assert payments.wait is None  # no job of it ever succeeded: nobody can know, though Horizon says 0


def test_wait_is_that_of_horizon() -> None:
    """04: 2 jobs of 10210 ms by one worker; 2 of 1407 ms by two."""
    _, snapshot = look("04-paused")
    assert {queue.name: queue.wait for queue in snapshot.queues} == {"default": 1, "events": 0, "payments": 20}


def test_due_and_lost_come_with_time() -> None:
    """06a an hour later: the reservation of 1795421318 is over, the delayed jobs of 1795424600 are due."""
    databases = keyspace.load("06a-paused-with-inflight-job")
    wire = FakeWire(databases, keyspace.recorded_at(databases) + 3600)
    queue = {q.name: q for q in take(wire, locate(wire, Wanted())).queues}["payments"]
    assert (queue.due, queue.lost, queue.waiting, queue.length) == (3, 1, 5, 5)


def test_the_failures_of_the_last_hour_go() -> None:
    databases = keyspace.load("09-failed-jobs")
    wire = FakeWire(databases, 1795421458.1 + 3600)  # one failed before that minus an hour
    failed = take(wire, locate(wire, Wanted())).failed
    assert (failed.last_hour, failed.total) == (4, 5)


def test_only_as_many_failures_as_asked_are_examined() -> None:
    databases = keyspace.load("09-failed-jobs")
    wire = FakeWire(databases, keyspace.recorded_at(databases))
    failed = take(wire, locate(wire, Wanted()), failed_limit=2).failed
    assert (failed.total, failed.listed, failed.examined) == (2, 5, 2)


def test_the_order_is_that_of_the_names_not_of_the_last_heartbeats() -> None:
    databases = keyspace.load("03-running-2-supervisors-backlog")
    (supervisors,) = [entry for key, entry in databases[0].items() if key.endswith("_horizon:supervisors")]
    names = sorted(name for name, _ in supervisors["value"])
    for score in (1, -1):
        supervisors["value"] = [(name, score * n) for n, name in enumerate(names)]
        wire = FakeWire(databases, keyspace.recorded_at(databases))
        snapshot = take(wire, locate(wire, Wanted(cache_database=1)))
        assert [supervisor.name for supervisor in snapshot.supervisors] == names
