# SPDX-License-Identifier: GPL-3.0-or-later
"""mysql_kill_idle against the runbook's pipeline and pt-kill (percona-toolkit): 2,000 idle connections on a private MariaDB.

Beside the idle ones there are 20 in an open transaction with changes, which nobody should end. All act on the same server, one
after the other in each round, so a busy machine slows all. "work" is the module's own part, from connecting to having seen that
they are gone; "process" is with Python starting and importing, as Ansible runs it on a host. The pipeline and pt-kill are
processes too; pt-kill sleeps one second of its time (--interval). A statement is one of the server's Questions. "cpu" are the
seconds of the client and the server together, the ending of the connections included; busy neighbours do not change them much.

Usage: python tests/benchmarks/bench_mysql_kill_idle.py [ROUNDS [CONNECTIONS]]
"""

from __future__ import annotations

import json
import os
import resource
import shutil
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

import pymysql
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import kill_idle
from ansible_collections.finaegis.runbook.plugins.modules import mysql_kill_idle
from integration.servers import MysqlServer, start_mariadb

MODULE = "ansible_collections.finaegis.runbook.plugins.modules.mysql_kill_idle"
IN_TRANSACTION = 20
IDLE_SECONDS = 2
Connection = pymysql.connections.Connection
POLICY = {"idle_seconds": IDLE_SECONDS, "max_kills": 100_000, "users": ["app"]}


def open_clients(server: MysqlServer, number: int) -> tuple[list[Connection], list[Connection]]:
    """The idle ones and those in a transaction, all idle for long enough."""
    login: dict[str, Any] = {"unix_socket": server.unix_socket, "user": "app", "password": "app", "ssl_disabled": True}
    idle = [pymysql.connect(**login) for _ in range(number)]
    working = [pymysql.connect(**login, database="bank") for _ in range(IN_TRANSACTION)]
    for place, connection in enumerate(working):
        connection.begin()
        connection.query(f"UPDATE accounts SET balance = balance + 1 WHERE id = {place}")
    time.sleep(IDLE_SECONDS + 1.1)
    return idle, working


def pipeline(server: MysqlServer, before: str = "") -> None:
    """The runbook's: a SELECT that writes KILL statements, fed to another client."""
    client = f"mariadb --no-defaults -S {server.unix_socket} -u {server.user}"
    select = (
        "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist"
        f" WHERE command = 'Sleep' AND time > {IDLE_SECONDS} - 1 AND id <> CONNECTION_ID()"
    )
    subprocess.run(
        f'{{ echo "{before}"; {client} -Ne "{select}"; }} | {client}',
        shell=True,
        env=dict(os.environ, MYSQL_PWD=server.password),
        stderr=subprocess.DEVNULL,
        check=False,
    )


def pt_kill(server: MysqlServer, *options: str) -> None:
    login = server.directory / "pt-kill.cnf"
    login.touch(0o600)
    login.write_text(f"[client]\nuser={server.user}\npassword={server.password}\nsocket={server.unix_socket}\n")
    subprocess.run(
        ["pt-kill", "-F", str(login), "--idle-time", str(IDLE_SECONDS - 1), "--kill", "--interval", "1", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


def work(server: MysqlServer) -> None:
    defaults = {name: option.get("default") for name, option in mysql_kill_idle.argument_spec().items()}
    kill_idle.run({**defaults, **server.options, **POLICY}, check_mode=False)


def process(server: MysqlServer) -> None:
    arguments = server.directory / "arguments.json"
    arguments.touch(0o600)
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": {**server.options, **POLICY}}))
    environment = dict(os.environ, PYTHONPATH=str(ROOT / ".collections"))
    subprocess.run(
        [sys.executable, "-m", MODULE, str(arguments)], env=environment, stdout=subprocess.DEVNULL, check=True
    )


def look(server: MysqlServer) -> tuple[int, set[int]]:
    """The server's count of statements, and the connections there are."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        questions = int(cursor.fetchall()[0][1])
        cursor.execute("SELECT id FROM information_schema.processlist WHERE command <> 'Killed'")
        return questions, {row[0] for row in cursor.fetchall()}


def cpu(server: MysqlServer) -> float:
    """Seconds that this process, its children and the server have used."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return used + sum(os.times()[:4])


def measure(server: MysqlServer, number: int, act: Callable[[], None]) -> dict[str, float]:
    idle, working = open_clients(server, number)
    questions, _ = look(server)
    used, start = cpu(server), time.perf_counter()
    act()
    seconds = time.perf_counter() - start
    time.sleep(1)
    used = cpu(server) - used
    after, left = look(server)
    counted = {
        "seconds": seconds,
        "cpu": used,
        "statements": after - questions - 4,
        "left": sum(one.thread_id() in left for one in idle),
        "wrong": sum(one.thread_id() not in left for one in working),
    }
    for connection in (*idle, *working):
        connection._force_close()
    until = time.monotonic() + 60
    while len(look(server)[1]) > 20 and time.monotonic() < until:
        time.sleep(0.1)
    return counted


def gone_first(server: MysqlServer) -> Callable[[], None]:
    """The pipeline when the first connection it found has ended before its KILL."""
    with server.connect() as connection:
        number = connection.thread_id()
    return lambda: pipeline(server, f"KILL {number};")


def main(rounds: int, number: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as directory:
        server = start_mariadb(Path(directory), f"--max-connections={number + 200}", "--thread-stack=192K")
        try:
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute("CREATE DATABASE bank")
                cursor.execute("CREATE TABLE bank.accounts (id INT PRIMARY KEY, balance INT)")
                values = ",".join(f"({place}, 0)" for place in range(IN_TRANSACTION))
                cursor.execute(f"INSERT INTO bank.accounts VALUES {values}")
                cursor.execute("CREATE USER app@localhost IDENTIFIED BY 'app'")
                cursor.execute("GRANT ALL ON bank.* TO app@localhost")
            ways: dict[str, Callable[[], None]] = {
                "runbook's pipeline": lambda: pipeline(server),
                "mysql_kill_idle, work": lambda: work(server),
                "mysql_kill_idle, process": lambda: process(server),
            }
            if shutil.which("pt-kill"):
                ways["pt-kill --victims all"] = lambda: pt_kill(server, "--victims", "all", "--run-time", "1")
                ways["pt-kill as it comes"] = lambda: pt_kill(server, "--run-time", "2")
            else:
                print("pt-kill is not installed (Debian: percona-toolkit): left out")
            ways["runbook's, one id gone"] = gone_first(server)
            found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
            for _ in range(rounds):
                for name, act in ways.items():
                    found[name].append(measure(server, number, act))
            report(found, number)
        finally:
            server.stop()


def report(found: dict[str, list[dict[str, float]]], number: int) -> None:
    base = [one["seconds"] for one in found["runbook's pipeline"]]
    print(f"{number} idle connections and {IN_TRANSACTION} in open transactions; {len(base)} rounds, medians")
    print(f"{'':28}{'seconds':>9}{'ratio':>8}{'cpu':>7}{'statements':>12}{'left':>7}{'wrongly ended':>15}")
    for name, results in found.items():
        ratio = statistics.median(one["seconds"] / first for one, first in zip(results, base, strict=True))
        seconds, used, statements, left, wrong = (
            statistics.median(one[key] for one in results) for key in ("seconds", "cpu", "statements", "left", "wrong")
        )
        print(f"{name:28}{seconds:9.2f}{ratio:8.2f}{used:7.2f}{statements:12.0f}{left:7.0f}{wrong:15.0f}")


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:]]
    main(given[0] if given else 3, given[1] if len(given) > 1 else 2000)
