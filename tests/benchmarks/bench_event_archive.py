# SPDX-License-Identifier: GPL-3.0-or-later
"""event_archive against pt-archiver (--limit 1000 --bulk-delete --commit-each): the same events out of the same table into a file.

Both ask one private MariaDB at its default durability, one after the other in each round, each a fresh copy of the table that the
server has had time to settle. pt-archiver writes plain text. The module also compresses, hashes, makes durable, reads everything back
and compares it, locked, before it deletes; its time is the one it tells, and what it takes for Python to start is told apart. The
server's CPU is told as it was at the end and when it had cleared away what was deleted (purge), which both leave behind in part.

Usage: python tests/benchmarks/bench_event_archive.py [EVENTS] [ROUNDS]
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/benchmarks")]

from bench_event_store_verify import PER_AGGREGATE, cpu, fill
from integration.servers import MysqlServer, start_mariadb

MODULE = "ansible_collections.finaegis.runbook.plugins.modules.event_archive"
#: What MariaDB does when nobody sets anything, but with a binary log; the test servers are faster and less safe.
DEFAULTS = (
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-doublewrite=1",
    "--innodb-log-file-size=96M",
    "--innodb-buffer-pool-size=1G",
)
#: The snapshots' version: what is above it stays.
COVERED = PER_AGGREGATE - 5
SNAPSHOTS = """CREATE TABLE snapshots (id bigint unsigned AUTO_INCREMENT PRIMARY KEY, aggregate_uuid uuid NOT NULL,
    aggregate_version bigint unsigned NOT NULL, state longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL CHECK (json_valid(state)),
    KEY (aggregate_uuid))"""


def execute(server: MysqlServer, *statements: str) -> Any:
    with server.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall()


def fresh(server: MysqlServer) -> int:
    """A copy of the events and their snapshots in the database archived; how many events may go."""
    execute(
        server,
        "DROP DATABASE IF EXISTS archived",
        "CREATE DATABASE archived",
        "CREATE TABLE archived.stored_events LIKE bench.stored_events",
        "INSERT INTO archived.stored_events SELECT * FROM bench.stored_events",
        SNAPSHOTS.replace("TABLE snapshots", "TABLE archived.snapshots"),
        "INSERT INTO archived.snapshots (aggregate_uuid, aggregate_version, state) SELECT aggregate_uuid, aggregate_version, "
        f"'{{\"balance\":1}}' FROM bench.stored_events WHERE aggregate_version = {COVERED}",
        "ANALYZE TABLE archived.stored_events",
    )
    settle(server)
    return int(execute(server, f"SELECT COUNT(*) FROM bench.stored_events WHERE aggregate_version <= {COVERED}")[0][0])


def settle(server: MysqlServer) -> None:
    """Wait until the server hardly works any more for what was done before (30 s at most)."""
    before = cpu(server)
    for _ in range(30):
        time.sleep(1)
        now = cpu(server)
        if now - before < 0.05:
            return
        before = now


def left(server: MysqlServer) -> int:
    return int(execute(server, "SELECT COUNT(*) FROM archived.stored_events")[0][0])


def ours(server: MysqlServer, directory: Path, expected: int) -> tuple[float, float, float, int]:
    """Seconds of the move, CPU seconds of the process, its most memory in MiB, bytes of the files."""
    dest = directory / "archive"
    shutil.rmtree(dest, ignore_errors=True)
    dest.mkdir()
    options = {
        **server.options,
        "login_db": "archived",
        "tables": ["stored_events"],
        "dest": str(dest),
        "keep_latest": 1,
    }
    arguments = directory / "arguments.json"
    arguments.touch(0o600)
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    environment = dict(os.environ, PYTHONPATH=str(ROOT / ".collections"))
    with open(directory / "result.json", "w+") as answer:
        module = subprocess.Popen([sys.executable, "-m", MODULE, str(arguments)], env=environment, stdout=answer)
        usage = os.wait4(module.pid, 0)[2]
        answer.seek(0)
        result: dict[str, Any] = json.load(answer)
    assert result.get("moved") == expected, result
    size = sum(path.stat().st_size for path in dest.rglob("*.gz"))
    return result["seconds"], usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, size


def pt_archiver(server: MysqlServer, directory: Path) -> tuple[float, float, float, int]:
    """The same of pt-archiver; the password is in a file."""
    login, out = directory / "login.cnf", directory / "pt.txt"
    login.touch(0o600)
    login.write_text(f"[client]\nuser={server.user}\npassword={server.password}\nsocket={server.unix_socket}\n")
    out.unlink(missing_ok=True)
    argv = [
        "pt-archiver",
        "--source",
        f"F={login},D=archived,t=stored_events",
        "--where",
        f"aggregate_version <= {COVERED}",
        "--limit",
        "1000",
        "--bulk-delete",
        "--commit-each",
        "--file",
        str(out),
        "--no-check-charset",
        "--no-version-check",
    ]
    start = time.perf_counter()
    program = subprocess.Popen(argv)
    status, usage = os.wait4(program.pid, 0)[1:]
    seconds = time.perf_counter() - start
    assert status == 0, f"pt-archiver ended with {status}"
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.stat().st_size


def main() -> None:
    events, rounds = (int(value) for value in (sys.argv[1:] + ["200000", "3"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        server = start_mariadb(directory / "server", *DEFAULTS)
        try:
            fill(server, events)
            expected = fresh(server)
            print(f"event_archive, {expected} of {events} events, {rounds} rounds, {os.cpu_count()} cores")
            ways = {"event_archive": lambda: ours(server, directory, expected)}
            if shutil.which("pt-archiver"):
                ways = {"pt-archiver": lambda: pt_archiver(server, directory), **ways}
            else:
                print("  pt-archiver is not installed (percona-toolkit): nothing to compare with")
            taken: dict[str, list[tuple[float, ...]]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, go in ways.items():
                    fresh(server)
                    before = cpu(server)
                    measured = go()
                    used = cpu(server) - before
                    assert left(server) == events - expected, way
                    settle(server)
                    taken[way].append((*measured, used, cpu(server) - before))
            base = [times[0] for times in taken.get("pt-archiver", taken["event_archive"])]
            for way, times in taken.items():
                seconds, client, memory, size, used, settled = (
                    statistics.median(column) for column in zip(*times, strict=True)
                )
                ratio = statistics.median(b / one[0] for b, one in zip(base, times, strict=True))
                print(
                    f"  {way:14} {seconds:6.2f} s  {expected / seconds:8.0f} rows/s  {ratio:4.2f}x  CPU {client:5.1f} s client + "
                    f"{used:5.1f} s server ({settled:.1f} s with purge)  {memory:4.0f} MiB memory  {size / 2**20:6.1f} MiB written"
                )
        finally:
            server.stop()


if __name__ == "__main__":
    main()
