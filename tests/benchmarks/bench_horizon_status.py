# SPDX-License-Identifier: GPL-3.0-or-later
"""horizon_status against what the runbook does by hand: `php artisan horizon:status` and one `redis-cli LLEN` a queue.

Both ask the same private Redis, one after the other in each round, so a busy machine slows both. The module runs as Ansible runs
it on a host, as a Python process of its own; the rest of a task's cost is Ansible's and the same for every module. "reading" is
the part of it that talks to Redis and judges; what remains is Python starting and importing its libraries.

Usage: python tests/benchmarks/bench_horizon_status.py [ROUNDS]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / ".collections")]

from ansible_collections.finaegis.runbook.plugins.modules import horizon_status
from integration.horizon.bank import HORIZON_PREFIX, QUEUE_PREFIX, Bank
from integration.servers import RedisServer, start_redis

MODULE = "ansible_collections.finaegis.runbook.plugins.modules.horizon_status"
SIZES = (10, 100, 1000)
JOBS = 3


def fill(server: RedisServer, queues: int) -> None:
    """A running master whose supervisor serves all queues, each with a few jobs, a delayed one and one in hand."""
    client, names = server.client(), [f"queue-{number}" for number in range(queues)]
    client.flushall()
    master, supervisor, now = "web-1-aaaa", "web-1-aaaa:supervisor-default", time.time()
    options = {"connection": "redis", "queue": ",".join(names), "balance": "auto", "maxProcesses": "10"}
    pipeline = client.pipeline()
    record = {"name": master, "pid": "1", "status": "running", "supervisors": json.dumps([supervisor])}
    pipeline.hset(f"{HORIZON_PREFIX}master:{master}", mapping=record)
    record = {"name": supervisor, "master": master, "pid": "2", "status": "running", "options": json.dumps(options)}
    record["processes"] = json.dumps({f"redis:{name}": 1 for name in names})
    pipeline.hset(f"{HORIZON_PREFIX}supervisor:{supervisor}", mapping=record)
    pipeline.zadd(f"{HORIZON_PREFIX}masters", {master: now + 3600})
    pipeline.zadd(f"{HORIZON_PREFIX}supervisors", {supervisor: now + 3600})
    for name in names:
        job = json.dumps(
            {"uuid": name, "displayName": "App\\Jobs\\PostPayment", "pushedAt": str(now), "data": "x" * 500}
        )
        pipeline.rpush(f"{QUEUE_PREFIX}queues:{name}", *[job] * JOBS)
        pipeline.zadd(f"{QUEUE_PREFIX}queues:{name}:delayed", {job: now + 3600})
        pipeline.zadd(f"{QUEUE_PREFIX}queues:{name}:reserved", {job: now + 3600})
    pipeline.execute()


def ours(directory: Path, server: RedisServer) -> dict[str, Any]:
    arguments = directory / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": dict(server.options)}))
    environment = dict(os.environ, PYTHONPATH=str(ROOT / ".collections"))
    command = [sys.executable, "-m", MODULE, str(arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def reading(server: RedisServer) -> dict[str, Any]:
    defaults = {name: option.get("default") for name, option in horizon_status.argument_spec().items()}
    return horizon_status.run({**defaults, **server.options})


def by_hand(bank: Bank, server: RedisServer, queues: int) -> tuple[str, list[int]]:
    status = bank.artisan("horizon:status")
    environment = dict(os.environ, REDISCLI_AUTH=server.password)
    lengths = []
    for number in range(queues):
        command = ["redis-cli", "-p", str(server.port), "LLEN", f"{QUEUE_PREFIX}queues:queue-{number}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        lengths.append(int(done.stdout))
    return status, lengths


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = work()
    return time.perf_counter() - started, answer


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        server = start_redis(directory / "redis")
        try:
            bank = Bank(directory, server)
            print(
                "horizon_status against horizon:status and one LLEN a queue; medians of", rounds, "rounds, in seconds"
            )
            print(
                f"{'queues':>6} {'module':>8} {'reading':>8} {'by hand':>8} {'ratio':>7}  {'round trips':>11} {'with discovery':>14}"
            )
            for queues in SIZES:
                fill(server, queues)
                times: list[tuple[float, float, float]] = []
                for _ in range(rounds):
                    mine, answer = seconds(lambda: ours(directory, server))
                    theirs, (status, lengths) = seconds(lambda n=queues: by_hand(bank, server, n))
                    # Comparing speed is only fair when both saw the same.
                    assert "running" in status
                    assert answer["status"] == "running"
                    assert lengths == [JOBS] * queues == [queue["ready"] for queue in answer["queues"]]
                    times.append((mine, seconds(lambda: reading(server))[0], theirs))
                mine, read, theirs = (statistics.median(column) for column in zip(*times, strict=True))
                trips, found = answer["round_trips"], answer["discovery_round_trips"]
                print(
                    f"{queues:>6} {mine:>8.2f} {read:>8.3f} {theirs:>8.2f} {theirs / mine:>6.1f}x  {trips:>11} {trips + found:>14}"
                )
        finally:
            server.stop()


if __name__ == "__main__":
    main()
