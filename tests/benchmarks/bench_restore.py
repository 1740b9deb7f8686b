# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to restore a generated bank and to prove it: our ways against the runbook's pipeline and myloader, in one run.

Restores of the peers go to a server with default durability and a binary log, as the runbook's do; ours to the scratch server of a
verification. Every result is compared with the source before its time counts. Seconds of wall and of the server's CPU.

  .venv/bin/python tests/benchmarks/bench_restore.py [--events 1600000]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / ".collections"), str(CHECKOUT / "tests"), str(CHECKOUT / "tests" / "benchmarks")]

import generated_bank
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import binlog_ship, create, verify
from ansible_collections.finaegis.runbook.plugins.module_utils.events.restored import event_rules
from ansible_collections.finaegis.runbook.plugins.modules import backup_create, backup_verify, binlog_archive
from integration.servers import MysqlServer, start_mariadb

SAFE = ["--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--innodb-doublewrite=1"]
MEMORY = 1 << 30
TABLES = "bank.accounts, bank.stored_events, bank.transactions, bank.ledger_entries"


def cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def options(module: Any, **wanted: Any) -> dict[str, Any]:
    found = ArgumentSpecValidator(module.argument_spec()).validate(wanted)
    assert not found.error_messages, found.error_messages
    return dict(found.validated_parameters)


def checksums(server: MysqlServer) -> Any:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CHECKSUM TABLE {TABLES}")
        return cursor.fetchall()


class Bench:
    def __init__(self, directory: Path, events: int) -> None:
        self.directory = directory
        self.memory = [f"--innodb-buffer-pool-size={MEMORY}", "--innodb-log-file-size=256M", "--max-allowed-packet=1G"]
        self.source = start_mariadb(directory / "source", *self.memory)
        with self.source.connect() as connection:
            generated_bank.fill(connection, "bank", events)
        self.backups = directory / "backups"
        self.backups.mkdir()

    def take(self, engine: str) -> Path:
        wanted = options(
            backup_create,
            **self.source.options,
            database="bank",
            dest=f"{self.backups}/",
            engine=engine,
            min_free_bytes=0,
        )
        return Path(create.run(wanted, False)["path"])

    def ours(self, path: Path, **more: Any) -> dict[str, Any]:
        wanted = options(
            backup_verify,
            src=str(path),
            scratch_dir=str(self.directory),
            scratch_memory_bytes=MEMORY,
            proof=False,
            **more,
        )
        result = verify.run(wanted, False, event_rules({}))
        assert result["level"] == "L4", result["findings"]
        return result

    def peer(self, name: str, load: Callable[[MysqlServer], None]) -> float:
        """Restore by a peer to a fresh server with default durability; the data must be the source's."""
        server = start_mariadb(self.directory / "peer", *self.memory, *SAFE)
        try:
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE bank")
            before, began = cpu(server.pid), time.monotonic()
            load(server)
            seconds, used = time.monotonic() - began, cpu(server.pid) - before
            assert checksums(server) == checksums(self.source), f"{name} did not restore the data"
            print(f"{name:34} {seconds:8.1f} s   server CPU {used:7.1f} s", flush=True)
            return seconds
        finally:
            server.stop()
            shutil.rmtree(server.directory)


def shell(command: str, server: MysqlServer) -> None:
    environment = {**os.environ, "MYSQL_PWD": server.password, "SOCKET": server.unix_socket}
    subprocess.run(["bash", "-o", "pipefail", "-c", command], env=environment, check=True, stdout=subprocess.DEVNULL)


def restores(bench: Bench) -> None:
    gz = bench.directory / "runbook.sql.gz"
    shell(
        f'mariadb-dump --no-defaults -S "$SOCKET" -u admin --single-transaction --routines --triggers bank | gzip > {gz}',
        bench.source,
    )
    runbook = bench.peer(
        "gunzip | mysql (runbook)",
        lambda server: shell(f'gunzip < {gz} | mariadb --no-defaults -S "$SOCKET" -u admin bank', server),
    )
    if shutil.which("mydumper") and shutil.which("myloader"):
        files = bench.directory / "mydumper"
        shell(f'mydumper --socket "$SOCKET" -u admin -p "$MYSQL_PWD" -B bank -o {files} -t 2', bench.source)
        bench.peer(
            "myloader -t 2",
            lambda server: shell(
                f'myloader --socket "$SOCKET" -u admin -p "$MYSQL_PWD" -B bank -d {files} -t 2 -o', server
            ),
        )
    engines = {"dump": "mariadb-dump", "mydumper": "mydumper", "physical": "mariadb-backup"}
    for engine in (name for name, program in engines.items() if shutil.which(program)):
        result = bench.ours(bench.take(engine))
        phases = result["rto"]["phases"]
        proof = sum(phases.get(name, 0) for name in ("compare", "invariants"))
        ready = phases["restore"]
        print(
            f"{'ours, ' + engine:34} {ready:8.1f} s   {runbook / ready:5.1f}x the runbook's; proof L3-L4 {proof:.1f} s, "
            f"whole verification {(ready + proof) / ready:.2f}x the restore; {result['gib_per_minute']} GiB/min",
            flush=True,
        )


def replays(bench: Bench, transactions: int) -> None:
    """Small transactions after the backup, brought forward by the runbook's pipe and by the scratch server's own applier."""
    path = bench.take("dump")
    with bench.source.connect() as connection, connection.cursor() as cursor:
        cursor.execute("USE bank")
        for number in range(transactions):
            cursor.execute(f"UPDATE accounts SET balance = balance + 1 WHERE id = {1 + number % 1000}")
    archive = options(
        binlog_archive,
        **bench.source.options,
        dest=f"{bench.backups}/",
        work_dir=str(bench.directory),
        max_age_seconds=1,
    )
    binlog_ship.run(archive, False)
    manifest = verify.catalogue.read(verify.open_storage(str(bench.backups), {})).backups[-1].manifest
    position = manifest.position or {}
    first = int(str(position["file"]).rpartition(".")[2])
    logs = [
        str(one) for one in sorted((bench.directory / "source/data").glob("binlog.0*")) if int(one.suffix[1:]) >= first
    ]

    def by_hand(server: MysqlServer) -> None:
        shell(f'zstd -dc {path} | mariadb --no-defaults -S "$SOCKET" -u admin bank', server)
        began = time.monotonic()
        shell(
            f"mariadb-binlog --no-defaults --start-position={position['position']} {' '.join(logs)} "
            '| mariadb --no-defaults -S "$SOCKET" -u admin',
            server,
        )
        by_pipe.append(time.monotonic() - began)

    by_pipe: list[float] = []
    bench.peer("restore and mysqlbinlog | mysql", by_hand)
    result = bench.ours(path, until="latest", require_level="L4")
    replayed = result["replayed"]
    print(
        f"replay of {replayed['transactions']} transactions: mysqlbinlog | mysql {by_pipe[0]:.1f} s, "
        f"ours {replayed['seconds']:.1f} s, {by_pipe[0] / replayed['seconds']:.1f}x",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--events",
        type=int,
        default=generated_bank.EVENTS_OF_A_GIB,
        help="default: about 1 GiB of SQL",
    )
    parser.add_argument("--transactions", type=int, default=20000, help="small transactions to replay")
    wanted = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="bench-restore-"))
    try:
        bench = Bench(directory, wanted.events)
        try:
            restores(bench)
            replays(bench, wanted.transactions)
        finally:
            bench.source.stop()
    finally:
        shutil.rmtree(directory)
    print(f"peak memory of our process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
