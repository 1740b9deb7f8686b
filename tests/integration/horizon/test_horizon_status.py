# SPDX-License-Identifier: GPL-3.0-or-later
"""horizon_status as users run it, against recordings loaded into a real Redis. One play runs all tasks: starting Ansible is slow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.connection import Wire
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.discovery import Wanted
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.observe import Watcher
from fixtures.redis import keyspace
from fixtures.redis.expected import EXPECTED, Expected
from integration.runner import Result, call_modules, run_tasks
from integration.servers import RedisServer, free_port, start_redis

pytestmark = pytest.mark.timeout(900)  # all tasks of a play count for the first test that needs it
MODULE = "finaegis.runbook.horizon_status"
NAMES = list(EXPECTED)
HOUR = 3600


def load(server: RedisServer, name: str, first: int) -> None:
    """Load a recording into the databases from ``first`` on, as if made ten minutes from now.

    So no heartbeat expires, no reservation ends and no job grows old while a slow machine works through the table.
    """
    databases = keyspace.load(name)
    moved = keyspace.shifted(databases, time.time() + 600 - keyspace.recorded_at(databases))
    for number, keys in moved.items():
        keyspace.fill(server.client(first + number), keys, HOUR)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Each recording in four databases of its own, in the order of ``keyspace.NAMES``; the last holds two applications."""
    running = start_redis(tmp_path_factory.mktemp("redis"), "databases 128")
    for index, name in enumerate(keyspace.NAMES):
        load(running, name, 4 * index)
    databases = keyspace.load("27-after-queue-flush")
    for number in (0, 2):
        keyspace.fill(running.client(120), databases[number], HOUR)
    for user, rights in (
        ("nobody", ["+@connection"]),
        ("reader", ["+@read", "+@connection", "+@transaction", "+time"]),
    ):
        running.client().execute_command("ACL", "SETUSER", user, "on", ">" + running.password, "~*", *rights)
    running.client(121).set("ref_bank_horizon:masters", "not a list of masters")
    yield running
    running.stop()


def of(name: str, application: int = 0) -> dict[str, int]:
    number = 4 * keyspace.NAMES.index(name) + application
    return {"redis_db": number, "cache_redis_db": number + 1}


@pytest.fixture(scope="module")
def table(server: RedisServer) -> dict[tuple[str, int], Result]:
    results = call_modules([{MODULE: {**server.options, **of(*case)}} for case in NAMES])
    return dict(zip(NAMES, results, strict=True))


@pytest.mark.parametrize(("case", "expected"), EXPECTED.items(), ids=str)
def test_every_recording(table: dict[tuple[str, int], Result], case: tuple[str, int], expected: Expected) -> None:
    result = table[case]
    assert not result.get("failed"), result
    assert result["changed"] is False
    assert (result["status"], result["verdict"]) == (expected.status, expected.verdict)
    assert {f["check"] for f in result["findings"] if f["verdict"] != "ok"} == expected.checks
    assert {m["name"]: m["status"] for m in result["masters"]} == expected.masters
    assert {m["name"]: m["stale"] for m in result["masters"]} == {n: s is None for n, s in expected.masters.items()}
    counts = {q["name"]: (q["ready"], q["delayed"], q["reserved"], q["processes"]) for q in result["queues"]}
    assert counts == expected.queues
    assert all(q["length"] == q["ready"] + q["delayed"] + q["reserved"] for q in result["queues"])
    assert {q["paused"] for q in result["queues"]} <= {expected.paused}
    failed = result["failed_jobs"]
    assert (failed["last_hour"], failed["total"], failed["retrying"], failed["listed"]) == expected.failed
    assert result["round_trips"] <= 4


CANARY = "canary-in-the-password"
RUNNING, PAUSED = of("03-running-2-supervisors-backlog"), of("04-paused")
EMPTY = of("00-empty-redis")

TASKS: dict[str, dict[str, Any]] = {
    "wrong password": {"redis_password": CANARY},
    "wrong password in a url": {"redis_url": f"redis://:{CANARY}@127.0.0.1:PORT/0"},
    "a user without rights": {**of("03-running-2-supervisors-backlog"), "redis_username": "nobody"},
    "a user with the rights documented": {**of("03-running-2-supervisors-backlog"), "redis_username": "reader"},
    "away": {"redis_port": "AWAY"},
    "wrong prefix": {**RUNNING, "horizon_prefix": "nobody_horizon:"},
    "wrong prefix, expected inactive": {**RUNNING, "horizon_prefix": "nobody_horizon:", "expect": "inactive"},
    "several applications": {"redis_db": 120},
    "one of several": {"redis_db": 120, "app": "Ref Bank 13"},
    "none of several": {"redis_db": 120, "app": "Shop"},
    "key of another type": {"redis_db": 121},
    "no such database": {"redis_db": 4000},
    "discovery off without prefixes": {**RUNNING, "discover": False},
    "discovery off": {
        **RUNNING,
        "discover": False,
        "horizon_prefix": "ref_bank_horizon:",
        "queue_prefix": "ref_bank_database_",
    },
    "by url": {"redis_url": "URL", "cache_redis_db": RUNNING["cache_redis_db"]},
    "by socket": {**RUNNING, "redis_unix_socket": "SOCKET"},
    "expected and so": {**RUNNING, "expect": "running"},
    "expected otherwise": {**PAUSED, "expect": "running"},
    "expected on empty": {**EMPTY, "expect": "inactive"},
    "verdict fails": {**PAUSED, "fail_on": ["warning", "critical"]},
    "verdict does not fail": {**PAUSED, "fail_on": ["critical", "unknown"]},
    "own limits": {**RUNNING, "queue_length_warning": 3, "queue_length_critical": 6, "fail_on": ["critical"]},
    "waits in vain": {**PAUSED, "wait_for": "running", "wait_timeout": 1, "wait_sleep": 0.2},
    "waits for what is": {**PAUSED, "wait_for": "drained", "wait_timeout": 1},
    "two looks": {**RUNNING, "observe_seconds": 0.1},
    "named queue": {**RUNNING, "queues": ["mail"]},
    "bad limit": {**RUNNING, "failed_jobs_limit": 0},
}


@pytest.fixture(scope="module")
def done(server: RedisServer) -> dict[str, Result]:
    words = {"PORT": str(server.port), "URL": server.url_of_db(RUNNING["redis_db"]), "SOCKET": server.unix_socket}
    words["AWAY"] = str(free_port())

    def put(value: Any) -> Any:
        if isinstance(value, str):
            for word, real in words.items():
                value = value.replace(word, real)
        return value

    tasks = [{MODULE: {**server.options, **{k: put(v) for k, v in given.items()}}} for given in TASKS.values()]
    return dict(zip(TASKS, call_modules(tasks), strict=True))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong password", "refused the login"),
        ("wrong password in a url", "refused the login"),
        ("a user without rights", "refused SCAN 0: this user has no permissions"),
        ("away", "can't be used: Error 111 connecting to 127.0.0.1"),
        (
            "several applications",
            "holds the keys of 2 Horizons: app 'ref_bank_13' with prefix 'ref_bank_13_horizon:', app 'ref_bank' with",
        ),
        ("none of several", "No Horizon of the application 'Shop' is in this Redis database. Found: app"),
        ("key of another type", "refused ZRANGE ref_bank_horizon:masters: WRONGTYPE"),
        ("no such database", "DB index is out of range"),
        ("discovery off without prefixes", "discover=false needs horizon_prefix and queue_prefix"),
        ("expected otherwise", "Horizon is paused, expected running: 0 of 1 masters running; paused: vm-W7nP."),
        ("expected on empty", "Horizon is inactive, expected inactive: No key of Horizon was found"),
        ("wrong prefix, expected inactive", "Horizon is inactive, expected inactive: No key of Horizon was found"),
        ("verdict fails", "The verdict on Horizon is warning: status is warning"),
        ("own limits", "The verdict on Horizon is critical: queue_length is warning: Queue default holds 6 jobs"),
        (
            "waits in vain",
            "Horizon was not running within 1 seconds: master vm-W7nP is paused; supervisor vm-W7nP:supervisor-default is paused",
        ),
        ("bad limit", "failed_jobs_limit must be 1 or more"),
    ],
)
def test_failures_say_what_and_why(done: dict[str, Result], name: str, message: str) -> None:
    assert done[name]["failed"]
    assert message in done[name]["msg"]
    assert "Traceback" not in done[name]["msg"]


def test_a_failure_by_judgement_still_brings_what_was_seen(done: dict[str, Result]) -> None:
    for name in ("expected otherwise", "verdict fails", "waits in vain"):
        assert done[name]["status"] == "paused"
        assert len(done[name]["queues"]) == 3


def test_a_wrong_prefix_is_unknown_not_inactive(done: dict[str, Result]) -> None:
    result = done["wrong prefix"]
    assert (result["verdict"], result["findings"][0]["verdict"], result["status"]) == ("unknown", "unknown", "inactive")


@pytest.mark.parametrize(
    "name",
    [
        "by url",
        "by socket",
        "a user with the rights documented",
        "discovery off",
        "expected and so",
        "two looks",
        "named queue",
    ],
)
def test_ways_to_the_same(done: dict[str, Result], name: str) -> None:
    assert done[name]["status"] == "running"
    assert {"default", "events", "payments"} <= {queue["name"] for queue in done[name]["queues"]}


def test_details(done: dict[str, Result]) -> None:
    assert done["one of several"]["horizon_prefix"] == "ref_bank_13_horizon:"
    assert [q["name"] for q in done["named queue"]["queues"]] == ["default", "events", "mail", "payments"]
    assert done["discovery off"]["discovery_round_trips"] == 0
    assert done["waits for what is"]["waited_seconds"] < 1
    assert done["verdict does not fail"]["verdict"] == "warning"


def test_no_secret_is_printed(server: RedisServer) -> None:
    with_canary = f"redis://:{CANARY}@127.0.0.1:{server.port}/0"
    *refused, read = run_tasks(
        [
            {MODULE: {**server.options, "redis_password": CANARY}},
            {MODULE: {"redis_url": with_canary}},
            {MODULE: {**server.options, **RUNNING}},
        ],
        verbose=True,
    )
    assert [one["failed"] for one in refused] == [True, True]
    assert read["status"] == "running"
    assert CANARY not in read.output
    assert server.password not in read.output


def test_check_mode_is_the_same(server: RedisServer) -> None:
    task = {MODULE: {**server.options, **RUNNING}}
    (real,), (checked,) = run_tasks([task]), run_tasks([task], check=True)
    for result in (real, checked):
        del result["taken_at"]
    assert real == checked


def test_queue_pause_is_seen(server: RedisServer) -> None:
    """As Laravel writes it: the prefix of the connection, that of the cache, `b:1;` serialised."""
    flags, client = "ref_bank_database_ref_bank_cache_illuminate:queue", server.client(RUNNING["cache_redis_db"])
    client.set(f"{flags}:paused:redis:payments", "b:1;")
    watcher = Watcher(Wire(options(server, RUNNING["redis_db"])), Wanted(cache_database=RUNNING["cache_redis_db"]))
    assert {q.name: q.paused for q in watcher.look().queues} == {"default": False, "events": False, "payments": True}
    client.set(f"{flags}s:paused", "b:1;")
    assert {q.paused for q in watcher.look().queues} == {True}
    client.delete(f"{flags}s:paused", f"{flags}:paused:redis:payments")


def options(server: RedisServer, database: int) -> dict[str, Any]:
    unset = dict.fromkeys(("redis_url", "redis_username", "redis_unix_socket", "redis_ca_cert"))
    return {
        **unset,
        **server.options,
        "redis_host": "127.0.0.1",
        "redis_db": database,
        "redis_tls": False,
        "redis_timeout": 20.0,
    }


@pytest.mark.parametrize("queues", [10, 1000])
def test_four_round_trips_whatever_the_number_of_queues(
    server: RedisServer, queues: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted where the library writes to the socket, not only by ourselves."""
    client = server.client(124)
    client.flushdb()
    databases = keyspace.load("03-running-2-supervisors-backlog")
    keyspace.fill(client, databases[0], HOUR)
    server.client(125).flushdb()
    keyspace.fill(server.client(125), databases[1], HOUR)
    pipeline = client.pipeline()
    for number in range(queues):
        pipeline.rpush(f"ref_bank_database_queues:q{number}", "{}")
        pipeline.zadd("ref_bank_horizon:failed_jobs", {f"failed-{number}": -1795421000.0})
        pipeline.hset(f"ref_bank_horizon:failed-{number}", mapping={"status": "failed"})
    pipeline.execute()
    watcher = Watcher(Wire(options(server, 124)), Wanted(cache_database=125))
    sent, write = [], redis.connection.AbstractConnection.send_packed_command

    def count(self: Any, command: Any, check_health: bool = True) -> Any:
        sent.append(command)
        return write(self, command, check_health)

    monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", count)
    snapshot = watcher.look()
    assert len(snapshot.queues) == queues + 3
    assert snapshot.failed.total == queues
    assert watcher.trips == len(sent) == 4
