# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bank's Horizon leaves in Redis is what the recorded one left: keys, types, fields, lifetimes, values.

The tests are one story and run in order: running with a backlog, paused, failed jobs, a snapshot, terminated, killed.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from integration.bank import Bank
from integration.sandbox.contract import (
    FIXTURES,
    UUID,
    Horizon,
    dump,
    recorded_keyspace,
    run,
    shapes,
    wait_until,
)
from integration.servers import RedisServer

#: There or not by what happened long before the recording, not by its state.
HISTORY = {
    "horizon:last_snapshot_at",
    "horizon:metrics:snapshot",
    "horizon:monitor:time-to-clear",
    "horizon:notification:HASH",
    "database_ref_bank_cache_illuminate:queue:restart",
}


@cache
def ever_recorded() -> dict[str, set[tuple]]:
    """Every kind of key in any recording, with all the shapes it was seen in."""
    found: dict[str, set[tuple]] = {}
    for file in (FIXTURES / "redis").glob("*.json"):
        for kind, shape in shapes(recorded_keyspace(file.stem)).items():
            found.setdefault(kind, set()).add(shape)
    return found


def assert_as_recorded(keyspace: dict[str, dict[str, Any]], name: str) -> None:
    """All that was recorded in this state is there, in the same shape; and nothing that was never recorded."""
    ours = shapes(keyspace)
    recorded = {kind: shape for kind, shape in shapes(recorded_keyspace(name)).items() if kind not in HISTORY}
    assert {kind: ours.get(kind) for kind in recorded} == recorded
    strange = {kind: shape for kind, shape in ours.items() if shape not in ever_recorded().get(kind, set())}
    assert strange == {}


def one(keyspace: dict[str, dict[str, Any]], part: str) -> Any:
    """The value of the first key, in order, that holds this text."""
    return next(keyspace[key]["value"] for key in sorted(keyspace) if part in key)


def of_master(options: str) -> dict[str, Any]:
    return {key: value for key, value in json.loads(options).items() if key not in ("name", "parentId")}


@pytest.fixture(scope="module")
def keyspace(redis_server: RedisServer) -> Any:
    return lambda: dump(redis_server.client)


def reserved(horizon: Horizon, queue: str) -> int:
    return horizon.client.zcard(f"{horizon.bank.queue_prefix}queues:{queue}:reserved")


def test_backlog_before_the_first_start(bank: Bank, horizon: Horizon, keyspace: Any) -> None:
    horizon.dispatch("default", "--count=2")
    horizon.dispatch("payments", "--count=1")
    horizon.dispatch("payments", "--count=3", "--seconds=15")
    horizon.dispatch("payments", "--count=2", "--delay=3600")
    ours = keyspace()
    assert_as_recorded(ours, "02-backlog-before-start")
    theirs = recorded_keyspace("02-backlog-before-start")
    payload, expected = (json.loads(one(k, "queues:payments")[0]) for k in (ours, theirs))
    assert list(payload) == list(expected)
    assert payload["id"] == payload["uuid"]
    assert UUID.fullmatch(payload["uuid"])
    assert payload["tags"] == ["bank", "n:1"]
    assert {type(payload[key]) for key in ("pushedAt", "displayName", "type")} == {str}


def test_running_with_a_backlog(bank: Bank, horizon: Horizon, keyspace: Any) -> None:
    horizon.start()
    wait_until("the fast ones done", lambda: horizon.client.zcard(f"{horizon.prefix}completed_jobs") == 3)
    horizon.dispatch("default", "--count=6", "--seconds=15")
    wait_until("jobs in hand", lambda: reserved(horizon, "default") and reserved(horizon, "payments"))
    ours = wait_until("a dump with heartbeats", keyspace)
    assert_as_recorded(ours, "03-running-2-supervisors-backlog")
    theirs = recorded_keyspace("03-running-2-supervisors-backlog")
    for supervisor in ("supervisor-default", "supervisor-payments"):
        record, expected = (one(k, f":{supervisor}") for k in (ours, theirs))
        assert of_master(record["options"]) == of_master(expected["options"])
        assert list(json.loads(record["options"])) == list(json.loads(expected["options"]))
        assert list(json.loads(record["processes"])) == list(json.loads(expected["processes"]))
        assert (record["status"], record["master"] + f":{supervisor}") == (expected["status"], record["name"])
    master, expected = (one(k, "horizon:master:") for k in (ours, theirs))
    assert (master["environment"], master["status"]) == (expected["environment"], expected["status"])
    assert [n.split(":")[1] for n in json.loads(master["supervisors"])] == [
        n.split(":")[1] for n in json.loads(expected["supervisors"])
    ]
    assert all(score == int(score) > 0 for _, score in one(ours, "horizon:masters"))
    assert all(score < 0 for _, score in one(ours, "recent_jobs"))
    held = json.loads(one(ours, "queues:payments:reserved")[0][0])
    assert set(held) == set(json.loads(one(theirs, "queues:payments:reserved")[0][0]))
    assert held["attempts"] == 1


def test_paused_with_a_job_in_hand(bank: Bank, horizon: Horizon, keyspace: Any) -> None:
    run(bank, "horizon:pause")
    wait_until("paused", lambda: horizon.status() == {"paused"})
    assert_as_recorded(keyspace(), "04-paused")
    assert reserved(horizon, "payments") == 1
    run(bank, "horizon:continue")
    wait_until("running", lambda: horizon.status() == {"running"})


def test_failed_jobs(bank: Bank, horizon: Horizon, keyspace: Any) -> None:
    bank.artisan("queue:clear", "redis", "--queue=default", "--force")
    uuids = horizon.dispatch("events", "--count=2", "--fail")
    horizon.wait_for_jobs(uuids, "failed")
    ours, theirs = shapes(keyspace()), shapes(recorded_keyspace("09-failed-jobs"))
    for kind in ("job failed", "horizon:failed:TAG", "horizon:failed_jobs", "horizon:recent_failed_jobs"):
        assert ours[kind] == theirs[kind]
    assert horizon.job(uuids[0])["exception"].startswith("RuntimeException: Payment #1 was rejected in ")
    assert horizon.client.zscore(f"{horizon.prefix}completed_jobs", uuids[0]) is None
    listed = bank.artisan("queue:failed").stdout
    assert all(uuid in listed for uuid in uuids)


def test_retry_keeps_the_uuid_in_the_failed_list(bank: Bank, horizon: Horizon) -> None:
    uuid = horizon.client.zrange(f"{horizon.prefix}failed_jobs", 0, 0)[0].decode()
    before = horizon.job(uuid)["failed_at"]
    bank.artisan("queue:retry", uuid)
    wait_until("failed again", lambda: horizon.job(uuid).get("failed_at", before) != before)
    assert [member.decode() for member in horizon.client.zrange(f"{horizon.prefix}failed_jobs", 0, -1)].count(uuid) == 1


def test_metrics_and_their_snapshot(bank: Bank, horizon: Horizon, keyspace: Any) -> None:
    key = f"{horizon.prefix}queue:payments"
    wait_until("a slow payment done", lambda: int(horizon.client.hget(key, "throughput")) >= 2)
    measured = keyspace()
    # The mean, in milliseconds, of one that took no time and those that took 15 seconds.
    assert float(one(measured, "horizon:queue:payments")["runtime"]) >= 15_000 / 2
    assert int(one(measured, "horizon:queue:default")["throughput"]) >= 2
    members = {member.decode() for member in horizon.client.smembers(f"{horizon.prefix}measured_queues")}
    assert f"{horizon.prefix}queue:payments" in members
    run(bank, "horizon:snapshot")
    ours, theirs = keyspace(), recorded_keyspace("11-metrics-snapshot")
    for part in ("snapshot:job:", "snapshot:queue:payments"):
        found, expected = (json.loads(one(k, part)[0][0]) for k in (ours, theirs))
        assert list(found) == list(expected)
        assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]
    assert f"{horizon.prefix}queue:default" not in ours
    shape = shapes(ours)
    for kind in ("horizon:snapshot:job:CLASS", "horizon:snapshot:queue:payments", "horizon:last_snapshot_at"):
        assert shape[kind] in ever_recorded()[kind]


def test_terminated_with_a_job_in_hand(bank: Bank, horizon: Horizon, keyspace: Any) -> None:
    wait_until("a payment in hand", lambda: reserved(horizon, "payments"))
    held = json.loads(horizon.client.zrange(f"{bank.queue_prefix}queues:payments:reserved", 0, 0)[0])["uuid"]
    master = bank.children[-1]
    run(bank, "horizon:terminate")
    wait_until("inactive", lambda: not horizon.masters)
    # The status says inactive long before the work is done.
    assert master.poll() is None
    assert master.wait(60) == 0
    assert horizon.job(held)["status"] == "completed"
    assert bank.pids() == []
    ours = keyspace()
    kinds = {kind for kind in shapes(ours) if "MASTER" in kind or "supervisor" in kind or "commands" in kind}
    assert kinds == {kind for kind in shapes(recorded_keyspace("06-terminated-cleanly")) if "MASTER" in kind} == set()
    assert "database_ref_bank_cache_illuminate:queue:restart" in shapes(ours)


def test_all_killed(bank: Bank, horizon: Horizon, keyspace: Any) -> None:
    bank.artisan("queue:clear", "redis", "--queue=payments", "--force")
    horizon.start()
    horizon.dispatch("payments", "--count=2", "--seconds=60")
    wait_until("a payment in hand", lambda: reserved(horizon, "payments"))
    horizon.kill_all()
    alive = {kind for kind in shapes(recorded_keyspace("08-all-kill9-t1")) if "MASTER" in kind or "supervisors" in kind}
    assert {kind for kind in shapes(keyspace()) if "MASTER" in kind or "supervisors" in kind} == alive
    horizon.age()
    left = {
        kind for kind in shapes(recorded_keyspace("08-all-kill9-after-expiry")) if "master" in kind or "super" in kind
    }
    found = {kind for kind in shapes(keyspace()) if "master" in kind or "super" in kind}
    assert found == left == {"horizon:masters", "horizon:supervisors"}
    assert reserved(horizon, "payments") == 1
