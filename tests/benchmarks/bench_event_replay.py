# SPDX-License-Identifier: GPL-3.0-or-later
"""event_replay against the package's own replay (a commit for each event, chunks by OFFSET), on stores of growing size.

All go to one private MariaDB with its default durability, one after the other, so a busy machine slows all of them. The projector
makes one UPDATE an event. The module runs as Ansible runs it on a host, as a Python process of its own: "applying" is the time that it
tells for the events alone, "in all" is the whole process, with the scratch database, the proof that the application went there, and the
comparison of every row with the live table, which the package's command does not have. The CPU is that of the server and of all
programs in all, so it tells also on a busy machine.
"growth" is the cost of an event against that in the smallest store: more than 1.0 and it grows with the store.

The bank's serializer is cheaper than the package's own, which makes Symfony's serializer anew for every event and which the driver
makes once: with the real package both ratios are higher.

Where the time of one worker goes, by a profile on a busy machine: 74 parts of a hundred wait for the projector's own statement, 5 make
it (the query builder), 5 find the projector's method, 6 make the event, and about 4 are the driver's: reading events and committing.

Usage: python tests/benchmarks/bench_event_replay.py [EVENTS ...]
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from integration.bank import Bank, deploy
from integration.servers import MysqlServer, start_mariadb, start_redis

MODULE = "ansible_collections.finaegis.runbook.plugins.modules.event_replay"
PROJECTOR = "App\\Projectors\\AccountProjector"
PER_AGGREGATE = 100
#: What MariaDB does when nobody sets anything; the test servers are faster and less safe.
DEFAULTS = (
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-doublewrite=1",
    "--skip-log-bin",
    "--innodb-buffer-pool-size=1G",
)
WAYS: dict[str, dict[str, Any]] = {
    "driver, 1 worker": {},
    "driver, 2 workers": {"workers": 2, "aggregate_safe": [PROJECTOR]},
    "artisan engine": {"engine": "artisan"},
}


def fill(server: MysqlServer, events: int) -> None:
    """Aggregates written in turns, each opened first."""
    aggregates = max(events // PER_AGGREGATE, 1)
    hexed = f"MD5(MOD(seq, {aggregates}))"
    parts = ((1, 8, ""), (9, 4, ""), (14, 3, "4"), (18, 3, "a"), (21, 12, ""))
    uuid = "CONCAT_WS('-', " + ", ".join(f"CONCAT('{lead}', MID({hexed}, {at}, {n}))" for at, n, lead in parts) + ")"
    numbers = (
        f"SELECT seq, {uuid} AS u, (seq - 1) DIV {aggregates} + 1 AS v, FROM_UNIXTIME(1700000000 + seq) AS at "
        f"FROM seq_1_to_{events}"
    )
    meta = (
        'CONCAT(\'{"aggregate-root-uuid":"\', u, \'","created-at":"\', at, \'","aggregate-root-version":\', v, '
        "',\"stored-event-id\":', seq, '}')"
    )
    deposit = "CONCAT('{\"amount\":', MOD(seq, 100000), ',\"reference\":\"D-', seq, '\"}')"
    with server.connect(database="bench_bank") as connection, connection.cursor() as cursor:
        for table in ("stored_events", "snapshots", "accounts"):
            cursor.execute(f"DELETE FROM {table}")
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(
            "INSERT INTO stored_events SELECT seq, u, v, 1, IF(v = 1, %s, %s), "
            f'IF(v = 1, \'{{"owner":"Owner","currency":"EUR"}}\', {deposit}), {meta}, at FROM ({numbers}) x',
            ["App\\Events\\AccountOpened", "App\\Events\\MoneyDeposited"],
        )
        cursor.execute("ANALYZE TABLE stored_events")
        cursor.fetchall()


def cpu(server: MysqlServer) -> float:
    """Seconds of CPU that the server, and the programs that were run and have ended, have used."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") + children.ru_utime + children.ru_stime


def shipped(bank: Bank) -> float:
    start = time.perf_counter()
    subprocess.run(
        ["php", "artisan", "event-sourcing:replay", PROJECTOR, "-n"],
        cwd=bank.home,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return time.perf_counter() - start


def ours(
    bank: Bank, server: MysqlServer, directory: Path, events: int, more: dict[str, Any]
) -> tuple[float, float, float, float]:
    """Seconds of applying, seconds in all, MiB of one php, MiB of the module."""
    options = {
        **server.options,
        **bank.options,
        "login_db": "bench_bank",
        "projectors": [PROJECTOR],
        "projection_tables": ["accounts"],
        "settle_seconds": 0,
        **more,
    }
    arguments = directory / "arguments.json"
    arguments.touch(0o600)
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    environment = dict(os.environ, PYTHONPATH=str(ROOT / ".collections"))
    start = time.perf_counter()
    with open(directory / "result.json", "w+") as answer:
        module = subprocess.Popen([sys.executable, "-m", MODULE, str(arguments)], env=environment, stdout=answer)
        usage = os.wait4(module.pid, 0)[2]
        seconds = time.perf_counter() - start
        answer.seek(0)
        result: dict[str, Any] = json.load(answer)
    assert (result.get("verdict"), result.get("events")) == ("ok", events), result
    return result["seconds"], seconds, result["memory_bytes"] / 2**20, usage.ru_maxrss / 1024


@dataclass
class Cost:
    """Seconds of the clock and of CPU for one event."""

    clock: float
    cpu: float


def told(way: str, events: int, seconds: float, used: float, smallest: dict[str, Cost]) -> str:
    cost = Cost(seconds / events, used / events)
    first = smallest.setdefault(way, cost)
    return (
        f"    {way:20} {seconds:8.1f} s  {cost.clock * 1e6:6.0f} us an event, {cost.cpu * 1e6:5.0f} of CPU"
        f"  growth {cost.clock / first.clock:4.2f}, of CPU {cost.cpu / first.cpu:4.2f}"
    )


def main() -> None:
    sizes = [int(value) for value in sys.argv[1:]] or [50000, 200000, 500000]
    smallest: dict[str, Cost] = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        redis = start_redis(directory / "redis")
        server = start_mariadb(directory / "server", *DEFAULTS)
        try:
            bank = deploy(directory / "bank", redis, server, "bench-bank")
            print(f"event_replay, {os.cpu_count()} cores, one UPDATE an event")
            for events in sizes:
                fill(server, events)
                print(f"  {events} events, load {os.getloadavg()[0]:.1f}", flush=True)
                before = cpu(server)
                base = shipped(bank)
                base_cpu = cpu(server) - before
                print(told("the package itself", events, base, base_cpu, smallest), flush=True)
                for way, more in WAYS.items():
                    before = cpu(server)
                    applying, in_all, php, python = ours(bank, server, directory, events, more)
                    used = cpu(server) - before
                    print(
                        told(way, events, applying, used, smallest),
                        f" {base / applying:5.1f}x applying {base / in_all:5.1f}x in all ({in_all:.1f} s), {base_cpu / used:4.1f}x in CPU,"
                        f" php {php:.0f} MiB, module {python:.0f} MiB, load {os.getloadavg()[0]:.1f}",
                        flush=True,
                    )
        finally:
            server.stop()
            redis.stop()


if __name__ == "__main__":
    main()
