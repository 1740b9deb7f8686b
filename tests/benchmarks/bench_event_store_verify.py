# SPDX-License-Identifier: GPL-3.0-or-later
"""event_store_verify against one PyMySQL cursor that reads, parses and hashes the same events, and against a bare scan of the table.

All ask the same private MariaDB, one after the other in each round, so a busy machine slows all of them. The module runs as Ansible
runs it on a host, as a Python process of its own; its time is the one it tells, from the login to the last range, and what it takes
for Python to start is told apart. It holds the events to every rule and keeps the chain of hashes; the cursor checks nothing.

Usage: python tests/benchmarks/bench_event_store_verify.py [EVENTS] [ROUNDS]
"""

from __future__ import annotations

import hashlib
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

import pymysql.cursors

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from integration.servers import MysqlServer, start_mariadb

MODULE = "ansible_collections.finaegis.runbook.plugins.modules.event_store_verify"
CLASSES = ["App\\Events\\AccountOpened", "App\\Events\\MoneyDeposited"]
PER_AGGREGATE = 60
TABLE = """CREATE TABLE stored_events (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, aggregate_uuid uuid,
    aggregate_version bigint unsigned, event_version tinyint unsigned NOT NULL DEFAULT 1, event_class varchar(255) NOT NULL,
    event_properties longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(event_properties)),
    meta_data longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(meta_data)),
    created_at timestamp NOT NULL, UNIQUE KEY versions (aggregate_uuid, aggregate_version), KEY (event_class), KEY (aggregate_uuid))
    CHARSET utf8mb4"""


def fill(server: MysqlServer, events: int) -> None:
    """Aggregates written in turns, so that a range holds few events of each: the worst case for what is cached."""
    aggregates = max(events // PER_AGGREGATE, 1)
    hexed = f"MD5(MOD(seq, {aggregates}))"
    parts = ((1, 8, ""), (9, 4, ""), (14, 3, "4"), (18, 3, "a"), (21, 12, ""))
    uuid = "CONCAT_WS('-', " + ", ".join(f"CONCAT('{lead}', MID({hexed}, {at}, {n}))" for at, n, lead in parts) + ")"
    numbers = (
        f"SELECT seq, {uuid} AS u, (seq - 1) DIV {aggregates} + 1 AS v, FROM_UNIXTIME(1700000000 + seq) AS at "
        f"FROM seq_1_to_{events}"
    )
    properties = (
        'CONCAT(\'{"amount":\', MOD(seq, 100000), \',"reference":"D-\', seq, \'","hash":"\', SHA2(seq, 512), \'"}\')'
    )
    meta = (
        'CONCAT(\'{"aggregate-root-uuid":"\', u, \'","created-at":"\', at, \'","aggregate-root-version":\', v, '
        "',\"stored-event-id\":', seq, '}')"
    )
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE bench")
        cursor.execute("USE bench")
        cursor.execute(TABLE)
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute(
            'INSERT INTO stored_events SELECT seq, u, v, 1, IF(v = 1, %s, %s), IF(v = 1, \'{"owner":"Owner","currency":"EUR"}\', '
            f"{properties}), {meta}, at FROM ({numbers}) x",
            CLASSES,
        )
        cursor.execute("ANALYZE TABLE stored_events")
        cursor.fetchall()


def ours(server: MysqlServer, directory: Path, workers: int) -> tuple[float, float, float, float]:
    """Seconds of the verification, seconds of the process besides, the most memory it had in MiB, and its CPU seconds with its start."""
    options = {
        **server.options,
        "login_db": "bench",
        "known_classes": CLASSES,
        "hash_chain": True,
        "workers": workers,
        "checkpoint": str(directory / "checkpoint.json"),
        "restart": True,
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
    assert result["verdict"] == "ok", result
    return result["seconds"], seconds - result["seconds"], usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime


def one_cursor(server: MysqlServer) -> float:
    start, digest = time.perf_counter(), hashlib.sha256()
    with (
        server.connect(database="bench", cursorclass=pymysql.cursors.SSCursor) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT * FROM stored_events ORDER BY id")
        while rows := cursor.fetchmany(2000):
            for row in rows:
                json.loads(row[5])
                json.loads(row[6])
                digest.update(repr(row).encode())
    return time.perf_counter() - start


def bare_scan(server: MysqlServer) -> float:
    start = time.perf_counter()
    with server.connect(database="bench") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT SUM(LENGTH(event_properties) + LENGTH(meta_data)) FROM stored_events")
        cursor.fetchall()
    return time.perf_counter() - start


def cpu(server: MysqlServer) -> float:
    """Seconds of CPU the server has used."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    events, rounds = (int(value) for value in (sys.argv[1:] + ["200000", "3"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        server = start_mariadb(directory / "server", "--innodb-buffer-pool-size=1G")
        try:
            start = time.perf_counter()
            fill(server, events)
            made = time.perf_counter() - start
            print(
                f"event_store_verify, {events} events (made in {made:.0f} s), {rounds} rounds, {os.cpu_count()} cores"
            )
            besides, memory = [], []

            def run(workers: int) -> tuple[float, float]:
                seconds, rest, peak, used = ours(server, directory, workers)
                besides.append(rest)
                memory.append(peak)
                return seconds, used

            def here(go: Callable[[], float]) -> tuple[float, float]:
                before = time.process_time()
                return go(), time.process_time() - before

            ways = {
                "one PyMySQL cursor": lambda: here(lambda: one_cursor(server)),
                "bare scan": lambda: here(lambda: bare_scan(server)),
                "ours, 1 worker": lambda: run(1),
                "ours, 2 workers": lambda: run(2),
            }
            taken: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
            bare_scan(server)
            for _ in range(rounds):
                for way, go in ways.items():
                    before = cpu(server)
                    taken[way].append((*go(), cpu(server) - before))
            base = [one[0] for one in taken["one PyMySQL cursor"]]
            for way, times in taken.items():
                seconds, client, used = (statistics.median(column) for column in zip(*times, strict=True))
                ratio = statistics.median(b / one[0] for b, one in zip(base, times, strict=True))
                print(
                    f"  {way:20} {seconds:7.2f} s  {events / seconds:9.0f} events/s  {ratio:5.1f}x the cursor  "
                    f"CPU an event: {client / events * 1e6:5.2f} us client + {used / events * 1e6:5.2f} us server"
                )
            print(
                f"  the module's process besides: {statistics.median(besides):.2f} s, at most {max(memory):.0f} MiB of memory"
            )
        finally:
            server.stop()


if __name__ == "__main__":
    main()
