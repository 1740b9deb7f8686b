# SPDX-License-Identifier: GPL-3.0-or-later
"""environment_lock as users run it: through ansible-playbook, against a real Redis and a real directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.modules.environment_lock import argument_spec
from integration.runner import BIN, CHECKOUT, call_module, call_modules, environment, run_module, run_tasks
from integration.servers import RedisServer, start_redis

KEY = "finaegis:runbook:lock:production"


@pytest.fixture(params=["redis", "file"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The options of either backend, with nothing recorded yet."""
    if request.param == "redis":
        server = request.getfixturevalue("clean_redis")
        yield {"environment": "production", **server.options}
    else:
        yield {"environment": "production", "backend": "file", "path": str(tmp_path)}


def task(args: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"finaegis.runbook.environment_lock": {**args, **more}}


def test_take_refuse_extend_release(backend: dict[str, Any]) -> None:
    token = "{{ taken.token }}"
    taken, refused, extended, seen, released, again, late = run_tasks(
        [
            {**task(backend, owner="alice", reason="Window", ticket="CHG-1"), "register": "taken"},
            task(backend, owner="bob", reason="Deploy"),
            task(backend, token=token, ttl_seconds=1800),
            task(backend, state="queried"),
            task(backend, state="released", token=token),
            task(backend, state="released", token=token),
            task(backend, token=token),
        ],
        own_process=True,
    )
    assert taken["changed"] and taken["held"] and len(taken["token"]) == 32
    assert taken["process"]["pid"] > 1 and not Path(f"/proc/{taken['process']['pid']}").exists(), (
        "the playbook, now ended"
    )
    assert (taken["owner"], taken["reason"], taken["ticket"]) == ("alice", "Window", "CHG-1")
    assert refused["failed"] and not refused["changed"]
    for part in ("held by alice since " + taken["since"], "until " + taken["until"], "Window", "CHG-1"):
        assert part in refused["msg"]
    assert refused["owner"] == "alice" and taken["token"] not in json.dumps({**refused, "invocation": None})
    assert extended["renewed"] and not extended["changed"] and extended["token"] == taken["token"]
    assert extended["until"] > taken["until"] and extended["fence"] == taken["fence"]
    assert (seen["changed"], seen["held"], seen["owner"], seen["token"]) == (False, True, "alice", None)
    assert released["changed"] and not released["held"] and released["previous"]["owner"] == "alice"
    assert not again["changed"] and not again.get("failed")
    assert late["failed"] and "released at" in late["msg"] and "held by nobody" in late["msg"]


def test_break_tells_the_holder(backend: dict[str, Any]) -> None:
    _, broken, nothing, renewal, taken = run_tasks(
        [
            {**task(backend, owner="alice", reason="Window"), "register": "taken"},
            task(backend, state="broken", owner="carol", break_reason="Her laptop is lost"),
            task(backend, state="broken", owner="carol", break_reason="Again"),
            task(backend, token="{{ taken.token }}"),
            task(backend, owner="bob", reason="Deploy"),
        ]
    )
    assert broken["changed"] and not broken["held"] and broken["previous"]["owner"] == "alice"
    assert not nothing["changed"] and "nothing to break" in nothing["message"]
    assert renewal["failed"] and "by carol because: Her laptop is lost" in renewal["msg"]
    assert renewal["last_broken"]["by"] == "carol"
    assert taken["changed"] and taken["last_broken"]["reason"] == "Her laptop is lost"


def test_a_crashed_holders_lock_runs_out(backend: dict[str, Any]) -> None:
    _, waited, renewal = run_tasks(
        [
            {**task(backend, owner="alice", reason="Window", ttl_seconds=2), "register": "taken"},
            task(backend, owner="bob", reason="Deploy", wait_timeout=30),
            task(backend, token="{{ taken.token }}"),
        ]
    )
    assert waited["owner"] == "bob" and waited["previous"]["owner"] == "alice" and not waited["taken_over"]
    assert renewal["failed"] and "taken by bob" in renewal["msg"]


def test_check_mode_predicts_and_writes_nothing(
    backend: dict[str, Any], clean_redis: RedisServer, tmp_path: Path
) -> None:
    tasks = [
        {**task(backend, owner="alice", reason="Window"), "register": "taken"},
        task(backend, owner="alice", reason="Window", token="{{ taken.token }}"),
        task(backend, owner="alice", state="released", token="{{ taken.token }}"),
    ]
    predicted = run_tasks(tasks, check=True, diff=True)
    assert not clean_redis.client().keys() and not list(tmp_path.iterdir())
    done = run_tasks(tasks, diff=True)
    for before, after in zip(predicted, done, strict=True):
        assert set(before) == set(after)
        assert not before.get("failed")
        for key in ("changed", "renewed", "held", "owner", "reason", "taken_over"):
            assert before[key] == after[key], key
    assert done[0]["diff"]["before"]["owner"] is None and done[0]["diff"]["after"]["owner"] == "alice"
    run_module("environment_lock", {**backend, "owner": "bob", "reason": "Deploy"})
    refused = run_module("environment_lock", {**backend, "owner": "alice", "reason": "Window"}, check=True)
    assert refused["failed"] and "held by bob" in refused["msg"]


def test_of_several_playbooks_at_once_one_wins(backend: dict[str, Any]) -> None:
    def compete(name: str) -> dict[str, Any]:
        return run_module("environment_lock", {**backend, "owner": name, "reason": "Race"})

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(compete, ["a", "b", "c", "d"]))
    winners = [result for result in results if not result.get("failed")]
    assert len(winners) == 1
    for result in results:
        if result.get("failed"):
            assert f"held by {winners[0]['owner']} since" in result["msg"]


def test_of_many_processes_one_at_a_time_and_fences_grow(
    backend: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path_factory.mktemp("shared") / "fences.json"
    shared.write_text("[]")
    parameters = {
        **{name: spec.get("default") for name, spec in argument_spec().items()},
        "reason": "Race",
        "shared": str(shared),
        "rounds": 80,
        **backend,
    }
    processes = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("competitor.py"))],
            env={**os.environ, "PYTHONPATH": str(CHECKOUT / ".collections")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    with ThreadPoolExecutor(len(processes)) as pool:
        answers = pool.map(
            lambda item: item[1].communicate(json.dumps({**parameters, "owner": f"operator{item[0]}"})),
            enumerate(processes),
        )
        own = [json.loads(out) for out, _ in answers]
    seen = json.loads(shared.read_text())
    assert len(seen) >= 80
    assert seen == sorted(set(seen)), "each fence is higher than all before"
    assert seen == sorted(sum(own, [])), "no line was lost, so no two were there at the same time"
    assert sum(1 for fences in own if fences) > 1, "nobody competed"


def test_killed_anywhere_run_it_again(backend: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("killed")
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "tasks": [
                task(backend, owner="alice", reason="Window"),
                {"ansible.builtin.copy": {"dest": str(directory / "holding"), "content": "x"}},
                {"ansible.builtin.wait_for": {"path": str(directory / "go"), "timeout": 60, "sleep": 1}},
            ],
        }
    ]
    (directory / "play.yml").write_text(json.dumps(play))
    holder = subprocess.Popen(
        [str(BIN / "ansible-playbook"), str(directory / "play.yml")],
        cwd=CHECKOUT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while not (directory / "holding").exists():
            assert holder.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        alive = run_module("environment_lock", {**backend, "owner": "alice", "reason": "Window"})
        assert alive["failed"] and f"pid {holder.pid} on" in alive["msg"]
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        other, again = run_tasks(
            [task(backend, owner="bob", reason="Deploy"), task(backend, owner="alice", reason="Window")]
        )
    finally:
        (directory / "go").touch()
        holder.kill()
        holder.wait()
    assert other["failed"] and "held by alice" in other["msg"]
    assert again["changed"] and again["taken_over"]
    assert again["previous"]["process"]["pid"] == holder.pid
    assert again["fence"] > again["previous"]["fence"]


def test_redis_that_lost_its_data_is_told_and_not_trusted(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    args = {"environment": "production", **server.options}
    try:
        first = call_module("environment_lock", {**args, "owner": "alice", "reason": "Window"})
        server.client().flushall()
        lost = call_module("environment_lock", {**args, "token": first["token"]})
        assert lost["failed"] and "The store lost its data" in lost["msg"] and "held by nobody" in lost["msg"]
        again = call_module("environment_lock", {**args, "owner": "alice", "reason": "Window"})
        assert again["fence"] > first["fence"]
        server.stop()
        away = call_module("environment_lock", {**args, "token": again["token"]})
        assert away["failed"] and f"127.0.0.1:{server.port}" in away["msg"]
    finally:
        server.stop()


def test_redis_that_restarts_with_its_data_keeps_the_lock(tmp_path: Path) -> None:
    server = start_redis(tmp_path, "appendonly yes", "appendfsync always")
    try:
        args = {"environment": "production", "owner": "alice", "reason": "Window"}
        taken = call_module("environment_lock", {**args, **server.options})
        server.stop()
        server = start_redis(tmp_path, "appendonly yes", "appendfsync always")
        renewed = call_module("environment_lock", {**args, **server.options, "token": taken["token"]})
        assert renewed["renewed"] and renewed["fence"] == taken["fence"]
    finally:
        server.stop()


def test_bad_input_fails_clearly_and_changes_nothing(clean_redis: RedisServer) -> None:
    args = {"environment": "production", "reason": "Window", **clean_redis.options}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"redis_password": "canary-wrong-password"}, "refused the login"),
        ({"redis_password": None}, "refused the login"),
        ({"redis_db": 99}, f"127.0.0.1:{clean_redis.port} db 99"),
        ({"environment": "a b"}, "name of an environment"),
        ({"reason": None}, "needs reason"),
        ({"state": "released"}, "token"),
        ({"state": "broken"}, "break_reason"),
        ({"backend": "file"}, "path"),
        ({"backend": "file", "path": "/nowhere/at/all"}, "must exist"),
    ]
    for some, check in ((cases, False), (cases[:1], True)):
        for result, (_, message) in zip(call_modules([task(args, **one) for one, _ in some], check), some, strict=True):
            assert result["failed"] and message in result["msg"], result["msg"]
    assert not clean_redis.client().keys()


def test_a_key_that_is_something_else_lets_nobody_in(clean_redis: RedisServer) -> None:
    args = {"environment": "production", "reason": "Window", **clean_redis.options}
    clean_redis.client().set(KEY, "somebody's")
    assert "not a lock of this collection" in call_module("environment_lock", args)["msg"]
    clean_redis.client().delete(KEY)
    clean_redis.client().lpush(KEY, "x")
    assert "refused a command" in call_module("environment_lock", args)["msg"]


def test_no_secret_is_shown(clean_redis: RedisServer) -> None:
    args = {"environment": "production", "reason": "Window"}
    place = f"127.0.0.1:{clean_redis.port}/0"
    taken, _, wrong, wrong_url = run_tasks(
        [
            task(args, **clean_redis.options),
            task(args, redis_url=clean_redis.url),
            task(args, redis_port=clean_redis.port, redis_password="canary-9f8e7d"),
            task(args, redis_url=f"redis://:canary-9f8e7d@{place}"),
        ],
        diff=True,
        verbose=True,
    )
    assert taken["changed"] and "refused the login" in wrong["msg"] and place in wrong_url["msg"]
    for secret in (clean_redis.password, "canary-9f8e7d"):
        assert secret not in taken.output
