# SPDX-License-Identifier: GPL-3.0-or-later
"""What horizon:status can't say, as tables: the healthy recording with one thing changed, and the finding that must follow."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.verdict import OK, worst
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.judge import Limits, judge, unmet
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.model import (
    Failed,
    Master,
    Queue,
    Snapshot,
    Supervisor,
)
from hypothesis import given
from hypothesis import strategies as st

MASTER = Master("web-1-aaaa", "web-1", False, 1, "production", "running", ("web-1-aaaa:s",), 0.5)
SUPERVISOR = Supervisor(
    "web-1-aaaa:s",
    "web-1-aaaa",
    False,
    2,
    "running",
    {"redis:default": 1},
    {"connection": "redis", "queues": ["default"]},
    0.5,
)
QUEUE = Queue("default", "redis", 0, 0, 0, 0, 0, None, None, 1, 20.0, 5, 0, True, False)
HEALTHY = Snapshot(1e9, True, (MASTER,), (SUPERVISOR,), (QUEUE,), Failed(0, 0, 0, 0, 0), 5)
SECOND = dataclasses.replace(MASTER, name="web-2-bbbb", host="web-2", supervisors=("web-2-bbbb:s",))
SECOND_SUPERVISOR = dataclasses.replace(SUPERVISOR, name="web-2-bbbb:s", master="web-2-bbbb")


def master(**changed: Any) -> Snapshot:
    return dataclasses.replace(HEALTHY, masters=(dataclasses.replace(MASTER, **changed),))


def supervisor(**changed: Any) -> Snapshot:
    return dataclasses.replace(HEALTHY, supervisors=(dataclasses.replace(SUPERVISOR, **changed),))


def queue(**changed: Any) -> Snapshot:
    return dataclasses.replace(HEALTHY, queues=(dataclasses.replace(QUEUE, **changed),))


def fleet(second: Master, *supervisors: Supervisor) -> Snapshot:
    return dataclasses.replace(HEALTHY, masters=(MASTER, second), supervisors=(SUPERVISOR, *supervisors))


def bad(snapshot: Snapshot, **more: Any) -> dict[str, str]:
    return {f.check: f.verdict for f in judge(snapshot, Limits(), **more) if f.verdict != OK}


GONE = Master("web-1-aaaa", "web-1", True)
LOST = Supervisor("web-1-aaaa:s", "web-1-aaaa", True)

CASES: dict[str, tuple[Snapshot, dict[str, str]]] = {
    "healthy": (HEALTHY, {}),
    "nothing found": (Snapshot(1e9, False, (), (), (), Failed(0, 0, 0, 0, 0), None), {"status": "unknown"}),
    "no master": (dataclasses.replace(HEALTHY, masters=(), supervisors=()), {"status": "critical"}),
    "one of two masters paused": (
        fleet(dataclasses.replace(SECOND, status="paused"), dataclasses.replace(SECOND_SUPERVISOR, status="paused")),
        {"status": "warning"},
    ),
    "master dead beside a live one": (
        fleet(dataclasses.replace(GONE, name="web-3-cccc")),
        {"stale_masters": "warning"},
    ),
    "all masters dead": (
        dataclasses.replace(HEALTHY, masters=(GONE,), supervisors=(LOST,)),
        {"status": "critical", "stale_masters": "warning"},
    ),
    "late heartbeat": (master(heartbeat_age=10.1), {"heartbeat": "warning"}),
    "heartbeat at the limit": (master(heartbeat_age=10.0), {}),
    "record without end": (master(heartbeat_age=None), {"heartbeat": "warning"}),
    "master without supervisors, others work": (
        fleet(dataclasses.replace(SECOND, supervisors=())),
        {"masters_without_supervisors": "warning"},
    ),
    "master without supervisors, nobody works": (
        dataclasses.replace(master(supervisors=()), supervisors=()),
        {"masters_without_supervisors": "critical"},
    ),
    "supervisor died": (fleet(SECOND), {"supervisors_missing": "warning"}),
    "supervisor paused alone": (supervisor(status="paused"), {"supervisors_paused": "warning"}),
    "supervisor outlives its master": (
        dataclasses.replace(HEALTHY, masters=(GONE,)),
        {"status": "critical", "stale_masters": "warning", "supervisors_without_master": "warning"},
    ),
    "command for the dead": (
        dataclasses.replace(HEALTHY, commands={"master:web-9-zzzz": 1, "master:web-1-aaaa": 1, "web-1-aaaa:s": 0}),
        {"commands_left": "warning"},
    ),
    "command for the living": (dataclasses.replace(HEALTHY, commands={"master:web-1-aaaa": 1}), {}),
    "long queue": (queue(ready=500, delayed=501), {"queue_length": "warning"}),
    "queue at the limit": (queue(ready=1000), {}),
    "very long queue": (queue(ready=5001), {"queue_length": "critical"}),
    "failures": (dataclasses.replace(HEALTHY, failed=Failed(11, 11, 0, 11, 11)), {"failed_jobs": "warning"}),
    "failures at the limit": (dataclasses.replace(HEALTHY, failed=Failed(10, 900, 0, 910, 910)), {}),
    "many failures": (dataclasses.replace(HEALTHY, failed=Failed(51, 51, 0, 51, 51)), {"failed_jobs": "critical"}),
    "jobs nobody serves": (queue(ready=1, served=False, connection=None), {"queue_unserved": "critical"}),
    "due jobs nobody serves": (queue(delayed=1, due=1, served=False, connection=None), {"queue_unserved": "critical"}),
    "later jobs nobody serves": (queue(delayed=1, served=False, connection=None), {"queue_unserved": "warning"}),
    "empty queue nobody serves": (queue(served=False, connection=None), {}),
    "lost job": (queue(reserved=1, lost=1), {"jobs_lost": "warning"}),
    "paused queue": (queue(paused=True, ready=1, oldest_job_age=999.0), {"queue_paused": "warning"}),
    "job overlooked": (queue(ready=1, oldest_job_age=61.0), {"queue_stalled": "warning"}),
    "job overlooked but for a lost one": (
        queue(ready=1, oldest_job_age=61.0, reserved=1, lost=1),
        {"queue_stalled": "warning", "jobs_lost": "warning"},
    ),
    "job waits its turn": (queue(ready=1, oldest_job_age=999.0, reserved=1), {}),
    "fresh job": (queue(ready=1, oldest_job_age=59.0), {}),
    "more in hand than hands": (queue(reserved=2), {"workers_dying": "warning"}),
    "in hand and nobody there": (
        dataclasses.replace(queue(reserved=1, served=False), masters=(), supervisors=()),
        {"status": "critical", "draining": "warning"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_look(name: str) -> None:
    snapshot, expected = CASES[name]
    assert bad(snapshot) == expected
    verdicts = [finding.verdict for finding in judge(snapshot, Limits())]
    assert worst(verdicts) == worst([*expected.values(), OK] if expected else [OK])


def later(snapshot: Snapshot) -> Snapshot:
    return dataclasses.replace(snapshot, taken_at=snapshot.taken_at + 5)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # Workers crash as they start: the same job is first, nothing done, nothing in hand. The status is "running".
        (queue(ready=7, head="a"), queue(ready=7, head="a"), {"queue_stalled": "critical"}),
        (queue(ready=7, head="a"), queue(ready=9, head="a"), {"queue_stalled": "critical"}),
        (queue(ready=7, head="a"), queue(ready=7, head="b"), {}),  # it moves, though not faster than it grows
        (queue(ready=7, head="a"), queue(ready=6, head="a", throughput=6), {}),
        (queue(ready=7, head="a"), queue(ready=7, head="a", reserved=1), {}),  # one is being worked on
        (queue(ready=0), queue(ready=1, head="a"), {}),
        (queue(ready=1, head="a", oldest_job_age=999.0), queue(ready=1, head="b", oldest_job_age=999.0), {}),
        # Workers die in the middle of jobs: more and more are in hand, none is done.
        (queue(reserved=2), queue(reserved=3), {"workers_dying": "critical"}),
        (queue(reserved=2), queue(reserved=3, throughput=6), {"workers_dying": "warning"}),
    ],
)
def test_two_looks(before: Snapshot, after: Snapshot, expected: dict[str, str]) -> None:
    assert bad(later(after), earlier=before) == expected


PAUSED_ALL = dataclasses.replace(
    HEALTHY,
    masters=(dataclasses.replace(MASTER, status="paused"),),
    supervisors=(dataclasses.replace(SUPERVISOR, status="paused"),),
)
NOBODY = dataclasses.replace(HEALTHY, masters=(), supervisors=())


@pytest.mark.parametrize(
    ("snapshot", "reached"),
    [
        (HEALTHY, {"running"}),
        (PAUSED_ALL, {"paused", "drained"}),
        (dataclasses.replace(PAUSED_ALL, queues=queue(reserved=1).queues), {"paused"}),
        (NOBODY, {"inactive", "drained"}),
        (dataclasses.replace(NOBODY, queues=queue(reserved=1).queues), {"inactive"}),
        (supervisor(status="paused"), set()),  # horizon:status says running
        (fleet(dataclasses.replace(SECOND, status="paused")), set()),  # horizon:status says paused
        (fleet(SECOND), set()),  # a supervisor is missing
        (dataclasses.replace(HEALTHY, supervisors=()), set()),
        (dataclasses.replace(NOBODY, found=False), set()),  # a wrong prefix looks like this
        (dataclasses.replace(HEALTHY, masters=(GONE,), supervisors=(LOST,)), {"inactive", "drained"}),
    ],
)
def test_states_hold_for_all_or_not_at_all(snapshot: Snapshot, reached: set[str]) -> None:
    states = ("running", "paused", "inactive", "drained")
    assert {state for state in states if not unmet(snapshot, state)} == reached


@pytest.mark.parametrize("state", ["running", "paused", "inactive"])
def test_expectation_decides_the_status(state: str) -> None:
    for snapshot, _ in CASES.values():
        if snapshot.found:
            finding = judge(snapshot, Limits(), expect=state)[0]
            assert (finding.verdict == OK) == (not unmet(snapshot, state))
            assert finding.threshold == state


@given(st.integers(0, 20000), st.integers(0, 20000), st.integers(0, 20000), st.none() | st.integers(0, 20000))
def test_a_longer_queue_is_never_better(ready: int, more: int, warning: int, critical: int | None) -> None:
    order = ["ok", "warning", "critical"]
    limits = Limits(queue_length_warning=warning, queue_length_critical=critical)

    def verdict(length: int) -> int:
        found = judge(queue(ready=length), limits)
        return order.index(next(f.verdict for f in found if f.check == "queue_length"))

    assert verdict(ready) <= verdict(ready + more)
