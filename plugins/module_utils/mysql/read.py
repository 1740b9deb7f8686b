# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a server's connections with what they hold. Takes three to six statements whatever their number."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Sequence, Set, Tuple

from ..core.times import iso
from ..core.waiting import wait_until
from .connection import Connection, SqlError
from .dialect import Server
from .processlist import NO_RIGHT, STALE, Process, Snapshot, Threads, Transaction, is_read, without_literals

#: The right that the statement needs is missing, or this server has no such table or plugin.
_DENIED = (1142, 1227)
_ABSENT = (1109, 1146)
UNSEEN_LOCKS = "holders of LOCK TABLES and GET_LOCK (%s)"
#: InnoDB makes the list anew when nobody has read it for 0.1 s (``CACHE_MIN_IDLE_TIME`` in its trx0i_s.cc).
_LIST_RESTS = 0.13
_LIST_PATIENCE = 2.0
_TRANSACTIONS = (
    "SELECT trx_mysql_thread_id AS id, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS seconds, trx_rows_modified AS changed,"
    " trx_rows_locked AS locked FROM information_schema.innodb_trx"
)


def source_of(server: Server, performance_schema: bool) -> str:
    """The process list that is right for the server: information_schema's takes a lock that stalls MySQL, and goes away there."""
    if not server.is_mariadb and server.version >= (8, 0, 22) and performance_schema:
        return "performance_schema.processlist"
    return "information_schema.processlist"


class Reader:
    """One server seen through one connection."""

    def __init__(
        self,
        connection: Connection,
        server: Server,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._connection = connection
        self._server = server
        self._now = now
        self._sleep = sleep
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
        rows, unknown = self._new_transactions()
        transactions = self._transactions(rows)
        locks, self._locks_unseen = self._locks()
        programs = self._programs()
        processes = [
            self._process(row, transactions, locks.get(row[0], []), programs.get(row[0])) for row in self._rows("")
        ]
        return Snapshot(
            taken=iso(self._now()),
            server=self._server.text,
            source=self.source,
            own_id=self._connection.id,
            threads=self.threads(),
            processes=processes,
            blind_spots=self._locks_unseen,
            unknown=unknown,
            ownerless=[_transaction(row, []) for row in rows if not row["id"]],
        )

    def at_rest(self, processes: Sequence[Process]) -> Set[int]:
        """The ids of those that are seen to have done nothing at all since they were read; ``again`` tells about the others.

        MariaDB numbers all statements, so there one short text tells that a connection is the same, its last statement is,
        and with that its database, transaction and locks. MySQL does not; there none is in the answer.
        """
        if not self._server.is_mariadb:
            return set()
        among = ",".join(str(process.id) for process in processes)
        mark = "CONCAT_WS(' ', id, query_id, command, user, host)"
        rows = self._connection.tuples("SELECT %s FROM %s WHERE id IN (%s)" % (mark, self.source, among))
        seen = {row[0] for row in rows}
        return {
            each.id
            for each in processes
            if "%d %s %s %s %s" % (each.id, each.query_id, each.command, each.user, each.host) in seen
        }

    def again(self, ids: Sequence[int]) -> Dict[int, Process]:
        """These connections as they are now, with their transactions and, where the server shows them, locks."""
        among = " WHERE id IN (%s)" % ",".join(map(str, ids))
        transactions = self._transactions(self._optional(_TRANSACTIONS)[0])
        locks = {} if self._locks_unseen else self._locks()[0]
        rows = self._rows(among)
        return {row[0]: self._process(row, transactions, locks.get(row[0], []), None) for row in rows}

    def present(self, ids: Sequence[int]) -> List[int]:
        """Those of the ids that are in the list; much cheaper than ``again``."""
        among = ",".join(map(str, ids))
        return [row[0] for row in self._connection.tuples("SELECT id FROM %s WHERE id IN (%s)" % (self.source, among))]

    def _rows(self, among: str) -> List[Tuple[Any, ...]]:
        """As ``_process`` takes them."""
        extra = "time_ms, query_id" if self._server.is_mariadb else "NULL, NULL"
        columns = "id, user, host, db, command, time, state, info, %s" % extra
        return self._connection.tuples("SELECT %s FROM %s%s" % (columns, self.source, among))

    def _process(
        self, row: Tuple[Any, ...], transactions: Dict[int, Transaction], locks: List[str], program: Any
    ) -> Process:
        number, user, host, database, command, seconds, state, info, milliseconds, query_id = row
        return Process(
            id=number,
            user=user or "",
            host=host or "",
            database=database,
            command=command or "",
            seconds=round(float(milliseconds) / 1000, 3) if milliseconds is not None else float(seconds or 0),
            state=state or "",
            statement=without_literals(info),
            reads_only=len(info or "") < self._info_limit and is_read(info),
            query_id=query_id,
            program=program,
            transaction=transactions.get(number),
            locks=locks,
        )

    def _new_transactions(self) -> Tuple[List[Dict[str, Any]], str]:
        """The open transactions of others, and why they can't be known. One of our own tells whether the list is a new one.

        The right to this list is the right to the whole process list.
        """
        self._connection.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        try:
            looked = wait_until(
                lambda: self._connection.rows(_TRANSACTIONS),
                lambda rows: any(int(row["id"]) == self._connection.id for row in rows),
                _LIST_PATIENCE,
                _LIST_RESTS,
                sleep=self._sleep,
            )
        except SqlError as error:
            if error.code not in _DENIED:
                raise
            return [], NO_RIGHT
        finally:
            self._connection.rows("ROLLBACK")
        others = [row for row in looked.value if int(row["id"]) != self._connection.id]
        return others, "" if looked.reached else STALE

    def _transactions(self, rows: Sequence[Dict[str, Any]]) -> Dict[int, Transaction]:
        """By connection id."""
        waiting = self._waiting() if any(row["locked"] for row in rows) else {}
        return {int(row["id"]): _transaction(row, waiting.get(int(row["id"]), [])) for row in rows}

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
        rows, problem = self._locks_in_performance_schema()
        if problem and self._server.is_mariadb:
            rows, absent = self._optional(
                "SELECT thread_id AS id, lock_type AS kind, lock_mode AS mode, table_schema AS db, table_name AS name"
                " FROM information_schema.metadata_lock_info WHERE thread_id <> CONNECTION_ID()"
            )
            problem = "the plugin metadata_lock_info is not loaded" if absent else ""
        found: Dict[int, List[str]] = {}
        for row in rows:
            where = ".".join(filter(None, (row["db"], row["name"])))
            found.setdefault(int(row["id"]), []).append(" ".join(filter(None, (row["kind"], row["mode"], where))))
        return found, [UNSEEN_LOCKS % problem] if problem else []

    def _locks_in_performance_schema(self) -> Tuple[List[Dict[str, Any]], str]:
        """The rows, and why there are none to be had."""
        if not self._performance_schema:
            return [], "performance_schema is off"
        instrument = " FROM performance_schema.setup_instruments WHERE name = 'wait/lock/metadata/sql/mdl'"
        enabled, denied = self._optional("SELECT enabled AS enabled" + instrument)
        if denied or not enabled or enabled[0]["enabled"] != "YES":
            return (
                [],
                "performance_schema may not be read" if denied else "its instrument wait/lock/metadata/sql/mdl is off",
            )
        rows, denied = self._optional(
            "SELECT t.processlist_id AS id, m.object_type AS kind, m.lock_type AS mode, m.object_schema AS db,"
            " m.object_name AS name FROM performance_schema.metadata_locks m"
            " JOIN performance_schema.threads t ON t.thread_id = m.owner_thread_id"
            " WHERE m.lock_status = 'GRANTED' AND t.processlist_id <> CONNECTION_ID()"
        )
        return rows, "performance_schema may not be read" if denied else ""

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


def _transaction(row: Dict[str, Any], blocks: Sequence[int]) -> Transaction:
    return Transaction(int(row["seconds"] or 0), int(row["changed"]), int(row["locked"]), sorted(blocks))
