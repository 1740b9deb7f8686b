# SPDX-License-Identifier: GPL-3.0-or-later
"""About a thousand connections of every kind at once, on a server of their own."""

from __future__ import annotations

import contextlib
import resource
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pymysql
from ansible_collections.finaegis.runbook.plugins.modules import mysql_kill_idle
from integration.servers import MysqlServer
from pymysql.constants import COMMAND

Connection = pymysql.connections.Connection

#: kind -> (how many, user, database). Idle ones sleep; what the others do is in ``Scene._start``.
KINDS: dict[str, tuple[int, str, str | None]] = {
    "app": (400, "app", "bank"),
    "shop": (200, "app", "shop"),
    "report": (200, "report", "bank"),
    "bare": (20, "app", None),
    "fresh": (60, "app", "bank"),
    "changing": (30, "app", "bank"),
    "reading": (30, "app", "bank"),
    "running": (40, "report", "bank"),
    "writing": (5, "app", "bank"),
    "backup": (5, "backup", "bank"),
    "tables": (1, "app", "bank"),
    "named_lock": (1, "app", "bank"),
    "waiting": (1, "app", "bank"),
    "ddl": (1, "report", "shop"),
}
PASSWORD = "scene"


def params(server: MysqlServer, **given: Any) -> dict[str, Any]:
    """The module's parameters, for a run in this process; ``given`` stand for what the user wrote."""
    spec = mysql_kill_idle.argument_spec()
    return {**{name: one.get("default") for name, one in spec.items()}, **server.options, **given}


@dataclass
class Scene:
    """``fill`` brings every kind up to its number; the idle ones have then slept for more than ``IDLE_SECONDS``."""

    server: MysqlServer
    scale: float = 1.0
    held: dict[str, list[Connection]] = field(default_factory=dict)
    dump: subprocess.Popen[bytes] | None = None
    stop_pinging: threading.Event = field(default_factory=threading.Event)
    pinger: threading.Thread | None = None
    IDLE_SECONDS = 3.0

    def __post_init__(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.sql(
            "CREATE DATABASE IF NOT EXISTS bank",
            "CREATE DATABASE IF NOT EXISTS shop",
            "CREATE TABLE IF NOT EXISTS bank.accounts (id INT PRIMARY KEY, balance INT)",
            "CREATE TABLE IF NOT EXISTS bank.locked (id INT PRIMARY KEY)",
            "CREATE TABLE IF NOT EXISTS shop.t (id INT PRIMARY KEY)",
            "REPLACE INTO bank.accounts VALUES " + ",".join(f"({number}, 0)" for number in range(100)),
            "REPLACE INTO shop.t VALUES (1)",
            *(
                f"CREATE USER IF NOT EXISTS {user}@'%' IDENTIFIED BY '{PASSWORD}'"
                for user in ("app", "report", "backup")
            ),
            *(f"GRANT ALL ON {db}.* TO {user}@'%'" for user in ("app", "report", "backup") for db in ("bank", "shop")),
        )

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        with self.server.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def fill(self) -> None:
        """What waits for another kind is made anew with it, so everything that is not plainly idle is."""
        self._stop_pinging()
        for kind in [kind for kind in self.held if KINDS[kind][0] < 100]:
            for connection in self.held.pop(kind):
                _drop(connection)
        alive = self.alive()
        for kind, (number, user, database) in KINDS.items():
            kept = [one for one in self.held.get(kind, []) if one.thread_id() in alive]
            wanted = number if number < 2 else max(2, int(number * self.scale))
            kept += [self._connect(user, database) for _ in range(wanted - len(kept))]
            self.held[kind] = kept
            for place, connection in enumerate(kept):
                self._start(kind, place, connection)
        if self.dump is None and shutil.which("mariadb-binlog"):
            self._dump_the_binary_log()
        self.stop_pinging.clear()
        self.pinger = threading.Thread(target=self._ping)
        self.pinger.start()
        time.sleep(self.IDLE_SECONDS + 1.2)

    def _connect(self, user: str, database: str | None) -> Connection:
        return pymysql.connect(
            host="127.0.0.1",
            port=self.server.port,
            user=user,
            password=PASSWORD,
            database=database,
            autocommit=True,
            ssl_disabled=True,
        )

    def _start(self, kind: str, place: int, connection: Connection) -> None:
        say = {
            "changing": ["BEGIN", f"UPDATE accounts SET balance = balance + 1 WHERE id = {place}"],
            "reading": ["BEGIN", "SELECT COUNT(*) FROM shop.t"],
            "tables": ["LOCK TABLES locked WRITE"],
            "named_lock": ["SELECT GET_LOCK('nightly', 0)"],
        }.get(kind, [])
        with connection.cursor() as cursor:
            for statement in say:
                cursor.execute(statement)
        unanswered = {
            "running": "SELECT SLEEP(600), 'secret'",
            "writing": "UPDATE accounts SET balance = SLEEP(600) WHERE id = 90",
            "waiting": "UPDATE accounts SET balance = 0 WHERE id = 0",
            "ddl": "ALTER TABLE t FORCE",
        }
        if kind in unanswered:
            connection._execute_command(COMMAND.COM_QUERY, unanswered[kind])

    def _dump_the_binary_log(self) -> None:
        where = ["-h127.0.0.1", f"-P{self.server.port}", f"-u{self.server.user}", f"-p{self.server.password}"]
        self.dump = subprocess.Popen(
            ["mariadb-binlog", "--no-defaults", *where, "--read-from-remote-server", "--stop-never", "binlog.000001"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _ping(self) -> None:
        while not self.stop_pinging.wait(0.3):
            for connection in self.held["fresh"]:
                with contextlib.suppress(pymysql.err.Error, OSError):
                    connection.ping(reconnect=False)

    def _stop_pinging(self) -> None:
        self.stop_pinging.set()
        if self.pinger is not None:
            self.pinger.join()

    def ids(self, *kinds: str) -> set[int]:
        return {connection.thread_id() for kind in kinds for connection in self.held[kind]}

    def alive(self) -> set[int]:
        return {int(row[0]) for row in self.sql("SELECT id FROM information_schema.processlist")}

    def dead(self) -> set[str]:
        """The kinds of which any connection is gone."""
        alive = self.alive()
        return {kind for kind, held in self.held.items() if any(one.thread_id() not in alive for one in held)}

    def close(self) -> None:
        self._stop_pinging()
        if self.dump is not None:
            self.dump.kill()
            self.dump.wait()
        for held in self.held.values():
            for connection in held:
                _drop(connection)


def _drop(connection: Connection) -> None:
    """Without a goodbye, which a connection waiting for an answer could not say."""
    connection._force_close()
