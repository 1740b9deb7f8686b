# SPDX-License-Identifier: GPL-3.0-or-later
"""The bank's Horizon takes orders over Redis as the real one was seen to, and survives what a night brings."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest
from integration.bank import Bank
from integration.sandbox.contract import Horizon, command_line, run, wait_until


@pytest.fixture(scope="module", autouse=True)
def master(bank: Bank, horizon: Horizon) -> Iterator[str]:
    """The name of the one master."""
    horizon.start()
    yield next(iter(horizon.masters))
    horizon.kill_all()


def pids(horizon: Horizon) -> dict[str, str]:
    return {name: record["pid"] for name, record in horizon.supervisors.items()}


def test_pause_and_continue_reach_the_supervisors(horizon: Horizon, master: str) -> None:
    horizon.order(f"master:{master}", "Pause", [])
    wait_until("paused", lambda: horizon.status() == {"paused"})
    waiting = horizon.dispatch("default", "--count=2")
    horizon.order(f"master:{master}", "ContinueWorking", {})
    horizon.wait_for_jobs(waiting, "completed")
    # The other supervisor may hear of it a second later.
    wait_until("running", lambda: horizon.status() == {"running"})


def test_one_supervisor_alone(horizon: Horizon, master: str) -> None:
    name = f"{master}:supervisor-default"
    horizon.order(name, "Pause", "anything")
    wait_until("paused", lambda: horizon.supervisors[name]["status"] == "paused")
    assert horizon.masters[master]["status"] == "running"
    horizon.order(name, "ContinueWorking", [])
    wait_until("running", lambda: horizon.status() == {"running"})


def test_restart_keeps_the_names_and_unpauses(horizon: Horizon, master: str) -> None:
    before, own = pids(horizon), horizon.masters[master]["pid"]
    horizon.order(f"master:{master}", "Pause", [])
    wait_until("paused", lambda: horizon.status() == {"paused"})
    horizon.order(f"master:{master}", "Restart", [])
    wait_until(
        "new supervisors of the same names",
        lambda: (now := pids(horizon)).keys() == before.keys() and not set(now.values()) & set(before.values()),
    )
    wait_until("running", lambda: horizon.status() == {"running"})
    assert horizon.masters[master]["pid"] == own


def test_restart_of_a_supervisor_replaces_its_workers(horizon: Horizon, master: str) -> None:
    name = f"{master}:supervisor-payments"
    supervisor = horizon.supervisors[name]["pid"]

    def own_workers() -> set[int]:
        return {pid for pid in horizon.workers() if f"--supervisor={name} " in command_line(pid)}

    before = wait_until("a worker", own_workers)
    horizon.order(name, "Restart", [])
    wait_until("another worker", lambda: own_workers() and not own_workers() & before)
    assert horizon.supervisors[name]["pid"] == supervisor


@pytest.mark.parametrize(
    ("element", "logged"),
    [
        ("not json", "Undefined property: stdClass::$command"),
        ("42", "Undefined property: stdClass::$command"),
        ("{}", "Undefined property: stdClass::$command"),
        ('{"command":"Laravel\\\\Horizon\\\\SupervisorCommands\\\\Pause"}', "Undefined property: stdClass::$options"),
        ('{"command":"No\\\\Such","options":[]}', "Target class [No\\Such] does not exist."),
        (
            '{"command":"Laravel\\\\Horizon\\\\SupervisorCommands\\\\Scale","options":{"scale":2}}',
            "must be of type App\\Horizon\\Supervisor",
        ),
    ],
)
def test_what_stands_behind_a_malformed_order_is_lost(
    bank: Bank, horizon: Horizon, master: str, element: str, logged: str
) -> None:
    log = bank.home / "storage/logs/laravel.log"
    before = log.read_text(encoding="utf-8") if log.exists() else ""
    own = horizon.masters[master]["pid"]
    key = f"{horizon.prefix}commands:master:{master}"
    pause = json.dumps({"command": "Laravel\\Horizon\\SupervisorCommands\\Pause", "options": []})
    horizon.client.rpush(key, element, pause)
    wait_until("drained", lambda: not horizon.client.exists(key))
    wait_until("a word in the log", lambda: logged in log.read_text(encoding="utf-8")[len(before) :])
    # The next order is obeyed, by the same master, and the lost one never was.
    assert horizon.masters[master]["status"] == "running"
    horizon.order(f"master:{master}", "Pause", [])
    wait_until("paused", lambda: horizon.status() == {"paused"})
    horizon.order(f"master:{master}", "ContinueWorking", [])
    wait_until("running", lambda: horizon.status() == {"running"})
    assert horizon.masters[master]["pid"] == own


def test_scale_and_balance(horizon: Horizon, master: str) -> None:
    name = f"{master}:supervisor-default"
    horizon.order(name, "Scale", {"scale": 6})
    wait_until("more allowed", lambda: json.loads(horizon.supervisors[name]["options"])["maxProcesses"] == 6)
    horizon.order(name, "Balance", {"default": 2, "nope": 9})
    wait_until("two", lambda: json.loads(horizon.supervisors[name]["processes"])["redis:default"] == 2)


def test_a_dead_target_keeps_its_orders_for_ever(horizon: Horizon, master: str) -> None:
    horizon.order("master:vm-dead", "Pause", [])
    horizon.order(f"master:{master}", "Pause", [])
    wait_until("the living paused", lambda: horizon.status() == {"paused"})
    assert horizon.waiting_orders("master:vm-dead") == 1
    assert horizon.client.ttl(f"{horizon.prefix}commands:master:vm-dead") == -1
    horizon.client.delete(f"{horizon.prefix}commands:master:vm-dead")
    horizon.order(f"master:{master}", "ContinueWorking", [])
    wait_until("running", lambda: horizon.status() == {"running"})


def test_a_killed_worker_is_replaced(horizon: Horizon, master: str) -> None:
    """The only one of its queue; that of a balanced queue may have been one too many."""

    def workers() -> list[int]:
        return [pid for pid in horizon.workers() if "--queue=payments" in command_line(pid)]

    (victim,) = wait_until("a worker", workers)
    os.kill(victim, signal.SIGKILL)
    wait_until("another one", lambda: len(found := workers()) == 1 and victim not in found)


def test_a_killed_supervisor_comes_back_under_its_name(horizon: Horizon, master: str) -> None:
    name = f"{master}:supervisor-payments"
    before = pids(horizon)[name]
    os.kill(int(before), signal.SIGKILL)
    wait_until("another pid", lambda: pids(horizon).get(name, before) != before)
    horizon.wait_for_jobs(horizon.dispatch("payments"), "completed")


def test_workers_take_nothing_while_the_application_is_down(bank: Bank, horizon: Horizon, master: str) -> None:
    bank.artisan("down")
    # An idle worker looks at the maintenance state before each look at the queue, 3 seconds apart.
    waiting = horizon.dispatch("default", "--count=1")
    bank.artisan("queue:restart")
    assert horizon.job(waiting[0])["status"] == "pending"
    assert run(bank, "horizon:status").returncode == 0
    bank.artisan("up")
    horizon.wait_for_jobs(waiting, "completed")


def test_live_events_reach_the_queued_projector(bank: Bank, horizon: Horizon, master: str) -> None:
    before = horizon.client.hget(f"{horizon.prefix}queue:events", "throughput") or 0
    bank.artisan("bank:deposit", "--count=3")
    bank.artisan("bank:smoke")
    wait_until(
        "three projected",
        lambda: int(horizon.client.hget(f"{horizon.prefix}queue:events", "throughput") or 0) >= int(before) + 3,
    )


def test_terminated_supervisor_stays_away_until_the_master_restarts(horizon: Horizon, master: str) -> None:
    name = f"{master}:supervisor-payments"
    gone = int(pids(horizon)[name])
    horizon.order(name, "Terminate", {"status": 0})
    wait_until("gone", lambda: name not in horizon.supervisors and gone not in horizon.bank.pids())
    horizon.order(f"master:{master}", "Restart", [])
    before = pids(horizon)
    wait_until(
        "the other one restarted", lambda: (now := pids(horizon)) and now.keys() == before.keys() and now != before
    )
    assert name not in horizon.supervisors
    assert json.loads(horizon.masters[master]["supervisors"]) == [f"{master}:supervisor-default"]


def test_purge_ends_the_workers_that_a_killed_supervisor_left(bank: Bank, horizon: Horizon, master: str) -> None:
    name = f"{master}:supervisor-default"

    def own_workers() -> list[int]:
        return [pid for pid in horizon.workers() if f"--supervisor={name} " in command_line(pid)]

    orphans = wait_until("workers", own_workers)
    before = pids(horizon)[name]
    os.kill(int(before), signal.SIGKILL)
    wait_until("another supervisor", lambda: pids(horizon).get(name, before) != before)
    assert set(orphans) <= set(horizon.workers())
    done = run(bank, "horizon:purge")
    assert f"Sending TERM signal to orphaned processes of [{master}]." in done.stdout
    wait_until("orphans gone", lambda: not set(orphans) & set(horizon.workers()))
    assert name in horizon.supervisors


def test_terminate_over_redis_ends_this_master_alone(bank: Bank, horizon: Horizon, master: str) -> None:
    horizon.client.delete(f"{horizon.bank.queue_prefix}ref_bank_cache_illuminate:queue:restart")
    process = bank.children[-1]
    horizon.order(f"master:{master}", "Terminate", {"status": 0})
    assert process.wait(60) == 0
    assert horizon.masters == horizon.supervisors == {}
    assert bank.pids() == []
    # Unlike horizon:terminate it tells the workers of no other host to end.
    assert not list(horizon.client.scan_iter("*illuminate:queue:restart"))


def test_supervisors_end_when_their_master_was_killed(bank: Bank, horizon: Horizon, master: str) -> None:
    process = horizon.start()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until("all gone", lambda: bank.pids() == [])
