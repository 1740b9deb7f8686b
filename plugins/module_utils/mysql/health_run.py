# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at one section of a server's health after the other; what may not be looked at becomes a finding, not a gap."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Any, Callable, Dict, Iterator, List

from ..core.errors import Failed
from ..core.verdict import Finding, explain, summary
from . import health
from .connection import Connection, SqlError, server
from .dialect import Server
from .enter import enter
from .health import Limits
from .health_read import read_channels, read_connections, read_statements, read_variables, read_waits
from .processlist import WHAT_TO_DO
from .read import Reader
from .tables_read import count_hidden, read_tables
from .waits import tree

#: For each answer: a server that stopped answering must not hold us for ever.
_ANSWER_SECONDS = 300
_DENIED = (1044, 1142, 1227)
#: The right that each section needs beyond a login.
_NEEDS = {
    health.TRANSACTIONS: "PROCESS",
    health.LOCKS: "PROCESS, and in MySQL SELECT on performance_schema",
    health.REPLICATION: "REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL)",
    health.STATEMENTS: "SELECT on performance_schema, or on mysql.slow_log",
    health.TABLES: "PROCESS, and SELECT on the databases",
}


def examine(params: Dict[str, Any]) -> Dict[str, Any]:
    """What ``mysql_health_info`` returns.

    :raises Failed: when ``fail_on`` has the verdict; with all of it.
    """
    connection, way, unused = enter(params)
    with connection:
        connection.time_limit(_ANSWER_SECONDS)
        kind = server(connection)
        limits = Limits(**{field.name: params[field.name] for field in dataclasses.fields(Limits)})
        seen = Examination(connection, kind, limits, params)
        seen.look()
    result = {**summary(seen.findings), "server_version": kind.text, "connected_by": way, **seen.result}
    if result["verdict"] in params["fail_on"]:
        reasons = explain(seen.findings) or "nothing is wrong"
        raise Failed(
            "The verdict on the server at %s is %s: %s" % (connection.place, result["verdict"], reasons), **result
        )
    return result


class Examination:
    """What one look at a server gave: ``result`` has a key for each section, None where it could not be seen."""

    def __init__(self, connection: Connection, server: Server, limits: Limits, params: Dict[str, Any]) -> None:
        self.result: Dict[str, Any] = {}
        self.findings: List[Finding] = []
        self._connection = connection
        self._server = server
        self._limits = limits
        self._params = params

    def look(self, now: Callable[[], float] = time.time) -> None:
        wanted = self._params["gather"]
        self._values = read_variables(self._connection)
        self._page_bytes = int(self._values["innodb_page_size"])
        if health.CONNECTIONS in wanted:
            self.result["connections"] = read_connections(self._connection, self._values, now())
            self.findings += health.judge_connections(self.result["connections"], self._limits)
        if health.TRANSACTIONS in wanted or health.LOCKS in wanted:
            self._look_at_sessions(wanted)
        if health.REPLICATION in wanted:
            with self._allowed(health.REPLICATION, "replication"):
                self._look_at_replication()
        if health.STATEMENTS in wanted:
            with self._allowed(health.STATEMENTS, "slow_statements"):
                self.result["slow_statements"] = read_statements(
                    self._connection,
                    self._values,
                    self._params["slow_seconds"],
                    self._params["slow_window_seconds"],
                    self._params["limit"],
                )
        if health.TABLES in wanted:
            with self._allowed(health.TABLES, "tables"):
                self._look_at_tables()
        if health.BUFFER_POOL in wanted:
            self.result["buffer_pool"] = health.summarize_pool(self._values, self._page_bytes)

    @contextlib.contextmanager
    def _allowed(self, check: str, key: str) -> Iterator[None]:
        self.result[key] = None
        try:
            yield
        except SqlError as error:
            if error.code not in _DENIED:
                raise
            self._unseen(check, error.message)

    def _unseen(self, check: str, why: str) -> None:
        self.findings.append(health.unseen(check, why, "Grant this user %s." % _NEEDS[check]))

    def _look_at_sessions(self, wanted: List[str]) -> None:
        snapshot = Reader(self._connection, self._server).snapshot()
        keys = {health.TRANSACTIONS: "transactions", health.LOCKS: "lock_waits"}
        if snapshot.unknown:
            for check in wanted:
                if check in keys:
                    self.result[keys[check]] = None
                    why = "Not known: %s." % snapshot.unknown
                    self.findings.append(health.unseen(check, why, WHAT_TO_DO[snapshot.unknown]))
            return
        others = [each for each in snapshot.processes if each.id != snapshot.own_id]
        if health.TRANSACTIONS in wanted:
            opened = sorted(
                (each for each in others if each.transaction),
                key=lambda each: -each.transaction.seconds if each.transaction else 0,
            )
            shown = [each.as_dict() for each in opened[: self._params["limit"]]]
            self.result["transactions"] = shown
            self.findings.append(health.judge_transactions(shown[0] if shown else None, self._limits))
        if health.LOCKS in wanted:
            with self._allowed(health.LOCKS, "lock_waits"):
                waits = read_waits(self._connection, self._server, others)
                self.result["lock_waits"] = tree(waits, {each.id: each for each in others})
                self.findings.append(health.judge_locks(self.result["lock_waits"], self._limits))

    def _look_at_replication(self) -> None:
        channels = read_channels(self._connection, self._server)
        self.result["replication"] = {
            "read_only": self._values["read_only"].upper() not in ("OFF", "0"),
            "channels": channels,
        }
        self.findings += health.judge_replication(channels, self._limits)

    def _look_at_tables(self) -> None:
        tables = read_tables(self._connection, self._server)
        hidden = count_hidden(self._connection, self._server, tables)
        self.result["tables"] = health.summarize_tables(tables, self._page_bytes, self._params["limit"])
        self.result["tables"]["hidden"] = hidden
        if hidden:
            self._unseen(health.TABLES, "%d tables of InnoDB are in databases that this user may not see." % hidden)
