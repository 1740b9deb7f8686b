# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_create by each engine, against the runbook's `mysqldump | gzip`, mydumper alone, and a bare copy of the data directory.

All take the same generated bank from the same private MariaDB, one after the other in each round, so a busy machine slows all of them.
CPU is that of the client programs and of the server together and is steadier than time: read it first on a busy machine. Ours includes
the manifest, which reads every row once more for its checksum; the others have none. Ours runs as a Python process of its own, as Ansible
runs it; its memory is told apart from that of the programs that it starts.

Usage: python tests/benchmarks/bench_backup.py [EVENTS] [ROUNDS]     (1,600,000 events are about 1 GiB of dump)
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

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]

from generated_bank import EVENTS_OF_A_GIB, fill
from integration.servers import MysqlServer, start_mariadb

MODULE = "ansible_collections.finaegis.runbook.plugins.modules.backup_create"
#: A Python process that runs the module and then tells the most memory that it, and each of its children, had.
WRAPPER = (
    "import resource, runpy, sys\n"
    "try:\n"
    f"    runpy.run_module('{MODULE}', run_name='__main__')\n"
    "finally:\n"
    "    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):\n"
    "        print(resource.getrusage(who).ru_maxrss, file=sys.stderr)\n"
)


def server_cpu(server: MysqlServer) -> float:
    """Seconds of CPU that the server has used so far."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu() -> float:
    used = os.times()
    return used.children_user + used.children_system


def size_of(place: Path) -> int:
    return sum(one.stat().st_size for one in place.rglob("*") if one.is_file())


def ours(server: MysqlServer, place: Path, **options: object) -> tuple[list[str], str]:
    arguments = {**server.options, "database": "bank", "dest": f"{place}/", "min_free_bytes": 0, **options}
    text = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
    return [sys.executable, "-c", WRAPPER], text


def contenders(server: MysqlServer, place: Path) -> dict[str, tuple[list[str], str]]:
    """Commands with their input."""
    login = f"-S {server.unix_socket} -u {server.user}"
    dump = f"mariadb-dump --no-defaults {login} --single-transaction --routines --triggers bank"
    mydumper = f"mydumper {login} -p {server.password} -B bank -o {place}/files -t 2 --trx-consistency-only"
    data = server.directory / "data"
    return {
        "mysqldump | gzip (runbook)": (["sh", "-c", f"{dump} | gzip > {place}/b.sql.gz"], ""),
        "mysqldump | zstd -1": (["sh", "-c", f"{dump} | zstd -q -1 > {place}/b.sql.zst"], ""),
        "mydumper -t 2": (["sh", "-c", f"{mydumper} 2> {place}/log"], ""),
        "mydumper -t 2 -c": (["sh", "-c", f"{mydumper} -c 2> {place}/log"], ""),
        "copy of the data directory": (["cp", "-a", str(data / "bank"), str(data / "ibdata1"), f"{place}/"], ""),
        "ours, dump": ours(server, place),
        "ours, mydumper": ours(server, place, engine="mydumper"),
        "ours, physical": ours(server, place, engine="physical"),
        "ours, physical, no compression": ours(server, place, engine="physical", compression="none"),
    }


def run(server: MysqlServer, argv: list[str], text: str) -> tuple[float, float, list[int]]:
    """Seconds, seconds of CPU, and the memory it told, in KiB."""
    environment = {**os.environ, "MYSQL_PWD": server.password, "PYTHONPATH": str(ROOT / ".collections")}
    cpu, start = server_cpu(server) + children_cpu(), time.monotonic()
    done = subprocess.run(argv, input=text, env=environment, capture_output=True, text=True, check=False)
    seconds, cpu = time.monotonic() - start, server_cpu(server) + children_cpu() - cpu
    if done.returncode:
        raise SystemExit(f"{argv[:3]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if text:
        told = json.loads(done.stdout)
        if told["verdict"] != "ok":
            raise SystemExit(f"not a good backup: {told['findings']}")
    return seconds, cpu, [int(line) for line in done.stderr.split()] if text else []


def main() -> None:
    events = int(sys.argv[1]) if len(sys.argv) > 1 else EVENTS_OF_A_GIB
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory() as directory:
        server = start_mariadb(Path(directory, "db"), "--innodb-buffer-pool-size=1G", "--innodb-log-file-size=256M")
        try:
            with server.connect() as connection, connection.cursor() as cursor:
                fill(connection, "bank", events)
                # What a server that was not filled a minute ago has: pages on disk rather than in the redo log.
                cursor.execute("SET GLOBAL innodb_max_dirty_pages_pct = 0")
                cursor.execute("FLUSH TABLES")
                while True:
                    cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
                    if int(cursor.fetchone()[1]) < 100:
                        break
                    time.sleep(1)
            results: dict[str, list[tuple[float, float, int, list[int]]]] = {}
            for number in range(rounds):
                for name in contenders(server, Path(directory)):
                    place = Path(directory, f"out{number}")
                    place.mkdir()
                    seconds, cpu, memory = run(server, *contenders(server, place)[name])
                    results.setdefault(name, []).append((seconds, cpu, size_of(place), memory))
                    shutil.rmtree(place)
            report(results, events)
        finally:
            server.stop()


def report(results: dict[str, list[tuple[float, float, int, list[int]]]], events: int) -> None:
    first = next(iter(results.values()))
    load = os.getloadavg()[0]
    print(
        f"{events:,} events, {len(first)} rounds, {os.cpu_count()} cores, load {load:.1f}; medians; ratios are those of each round"
    )
    print(
        f"{'':32} {'s':>7} {'CPU s':>7} {'MiB':>7} {'ratio s':>8} {'ratio CPU':>10} {'module MiB':>11} {'program MiB':>12}"
    )
    for name, rows in results.items():
        seconds, cpu, size = (statistics.median(row[place] for row in rows) for place in (0, 1, 2))
        faster = statistics.median(base[0] / row[0] for base, row in zip(first, rows, strict=True))
        cheaper = statistics.median(base[1] / row[1] for base, row in zip(first, rows, strict=True))
        memory = [f"{max(row[3][which] for row in rows) >> 10}" if rows[0][3] else "" for which in (0, 1)]
        print(
            f"{name:32} {seconds:7.1f} {cpu:7.1f} {size / (1 << 20):7.0f} {faster:8.1f} {cheaper:10.1f} {memory[0]:>11} {memory[1]:>12}"
        )


if __name__ == "__main__":
    main()
