# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a server's connections with what they hold. Takes three to six statements whatever their number."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Sequence, Tuple

from ..core.times import iso
from .connection import Connection, SqlError
from .dialect import Server, quote_identifier
from .processlist import Process, Snapshot, Threads, Transaction, is_read, without_literals

#: The right that the statement needs is missing, or this server has no such table or plugin.
_DENIED = (1142, 1227)
_ABSENT = (1109, 1146)
UNSEEN_LOCKS = "holders of LOCK TABLES and GET_LOCK (%s)"


def source_of(server: Server, performance_schema: bool) -> str:
    """The process list that is right for the server: information_schema's takes a lock that stalls MySQL, and goes away there."""
    if not server.is_mariadb and server.version >= (8, 0, 22) and performance_schema:
        return "performance_schema.processlist"
    return "information_schema.processlist"


class Reader:
    """One server seen through one connection."""

    def __init__(self, connection: Connection, server: Server, now: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._server = server
        self._now = now
        self._performance_schema = bool(connection.value("SELECT @@performance_schema"))
        self.source = source_of(server, self._performance_schema)
        # performance_schema cuts statements; what the rest of one does can't be told.
        self._info_limit = 1000 if self.source.startswith("performance_schema") else 1 << 30
        self._locks_unseen: List[str] = []

    def threads(self) -> Threads:
        rows = self._connection.rows(
            "SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_connected', 'Threads_running')"
        )
        found = {row["Variable_name"].lower(): int(row["Value"]) for row in rows}
        maximum = int(self._connection.value("SELECT @@max_connections"))
        return Threads(found["threads_connected"], found["threads_running"], maximum)

    def snapshot(self) -> Snapshot:
        transactions, complete = self._transactions()
        locks, self._locks_unseen = self._locks()
        programs = self._programs()
        processes = [
            self._process(row, transactions, locks.get(int(row["id"]), []), programs.get(int(row["id"])))
            for row in self._rows("")
        ]
        return Snapshot(
            taken=iso(self._now()),
            server=self._server.text,
            source=self.source,
            own_id=self._connection.id,
            complete=complete,
            threads=self.threads(),
            processes=processes,
            blind_spots=self._locks_unseen,
        )

    def again(self, ids: Sequence[int]) -> Dict[int, Process]:
        """These connections as they are now, with their transactions and, where the server shows them, locks."""
        among = " WHERE id IN (%s)" % ",".join(map(str, ids))
        transactions = self._transactions()[0]
        locks = {} if self._locks_unseen else self._locks()[0]
        rows = self._rows(among)
        return {int(row["id"]): self._process(row, transactions, locks.get(int(row["id"]), []), None) for row in rows}

    def _rows(self, among: str) -> List[Dict[str, Any]]:
        extra = ("time_ms", "query_id") if self._server.is_mariadb else ()
        # Named here, because a server gives back the names in the case that its own table has.
        names = ("id", "user", "host", "db", "command", "time", "state", "info")
        columns = ", ".join("%s AS %s" % (name, quote_identifier(name)) for name in names + extra)
        return self._connection.rows("SELECT %s FROM %s%s" % (columns, self.source, among))

    def _process(
        self, row: Dict[str, Any], transactions: Dict[int, Transaction], locks: List[str], program: Any
    ) -> Process:
        milliseconds = row.get("time_ms")
        return Process(
            id=int(row["id"]),
            user=row["user"] or "",
            host=row["host"] or "",
            database=row["db"],
            command=row["command"] or "",
            seconds=round(float(milliseconds) / 1000, 3) if milliseconds is not None else float(row["time"] or 0),
            state=row["state"] or "",
            statement=without_literals(row["info"]),
            reads_only=len(row["info"] or "") < self._info_limit and is_read(row["info"]),
            query_id=row.get("query_id"),
            program=program,
            transaction=transactions.get(int(row["id"])),
            locks=locks,
        )

    def _transactions(self) -> Tuple[Dict[int, Transaction], bool]:
        """By connection id, and whether we may see those of others: the right to this is the right to the whole list."""
        try:
            rows = self._connection.rows(
                "SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS seconds,"
                " trx_rows_modified AS changed, trx_rows_locked AS locked FROM information_schema.innodb_trx"
            )
        except SqlError as error:
            if error.code not in _DENIED:
                raise
            return {}, False
        waiting = self._waiting() if any(row["locked"] for row in rows) else {}
        return {
            int(row["id"]): Transaction(
                int(row["seconds"] or 0),
                int(row["changed"]),
                int(row["locked"]),
                sorted(waiting.get(int(row["id"]), [])),
            )
            for row in rows
        }, True

    def _waiting(self) -> Dict[int, List[int]]:
        """Who waits for the row locks of whom, by connection ids."""
        if self._server.is_mariadb or self._server.version < (8, 0, 1):
            sql = (
                "SELECT b.trx_mysql_thread_id AS blocker, r.trx_mysql_thread_id AS waiter"
                " FROM information_schema.innodb_lock_waits w"
                " JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id"
                " JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id"
            )
        else:
            sql = (
                "SELECT b.processlist_id AS blocker, r.processlist_id AS waiter FROM performance_schema.data_lock_waits w"
                " JOIN performance_schema.threads b ON b.thread_id = w.blocking_thread_id"
                " JOIN performance_schema.threads r ON r.thread_id = w.requesting_thread_id"
            )
        found: Dict[int, List[int]] = {}
        for row in self._optional(sql)[0]:
            waiters = found.setdefault(int(row["blocker"]), [])
            if int(row["waiter"]) not in waiters:
                waiters.append(int(row["waiter"]))
        return found

    def _locks(self) -> Tuple[Dict[int, List[str]], List[str]]:
        """Metadata and user locks by connection id, and what can't be seen. Those of open transactions are among them."""
        if self._performance_schema:
            rows, problem = self._optional(
                "SELECT t.processlist_id AS id, m.object_type AS kind, m.lock_type AS mode, m.object_schema AS db,"
                " m.object_name AS name FROM performance_schema.metadata_locks m"
                " JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id"
                " WHERE m.lock_status = 'GRANTED' AND t.processlist_id <> CONNECTION_ID() AND EXISTS (SELECT 1 FROM"
                " performance_schema.setup_instruments WHERE name = 'wait/lock/metadata/sql/mdl' AND enabled = 'YES')"
            )
            advice = "performance_schema may not be read"
            if not rows and not problem:
                enabled = self._connection.value(
                    "SELECT enabled FROM performance_schema.setup_instruments WHERE name = 'wait/lock/metadata/sql/mdl'"
                )
                problem, advice = enabled != "YES", "its instrument wait/lock/metadata/sql/mdl is off"
        else:
            rows, problem = self._optional(
                "SELECT thread_id AS id, lock_type AS kind, lock_mode AS mode, table_schema AS db, table_name AS name"
                " FROM information_schema.metadata_lock_info WHERE thread_id <> CONNECTION_ID()"
            )
            advice = "the plugin metadata_lock_info is not loaded"
        found: Dict[int, List[str]] = {}
        for row in rows:
            where = ".".join(filter(None, (row["db"], row["name"])))
            found.setdefault(int(row["id"]), []).append(" ".join(filter(None, (row["kind"], row["mode"], where))))
        return found, [UNSEEN_LOCKS % advice] if problem else []

    def _programs(self) -> Dict[int, str]:
        """What the clients call themselves; servers without performance_schema do not know."""
        if not self._performance_schema:
            return {}
        rows, unused = self._optional(
            "SELECT processlist_id AS id, attr_value AS name FROM performance_schema.session_connect_attrs"
            " WHERE attr_name IN ('program_name', '_client_name') ORDER BY attr_name"
        )
        return {int(row["id"]): row["name"] or "" for row in rows}

    def _optional(self, sql: str) -> Tuple[List[Dict[str, Any]], bool]:
        """The rows, and whether the server could not give them."""
        try:
            return self._connection.rows(sql), False
        except SqlError as error:
            if error.code not in _DENIED + _ABSENT:
                raise
            return [], True
