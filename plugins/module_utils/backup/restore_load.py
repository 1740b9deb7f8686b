# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading SQL text: rows over several connections at once, secondary keys built after the rows, warnings counted.

Of a dump in one piece, one connection runs everything but rows in the dump's order; the rows of one table at a time go to the row
connections, and its keys are built while the rows of the next table come in. A dump in several parts brings its order with it.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
from typing import Any, Callable, ContextManager, Dict, Iterable, List, Optional, Sequence, Set

from ..core.errors import Failed, RunbookError
from ..mysql import connection as mysql
from ..mysql.dialect import quote_identifier
from ..mysql.login import Login
from .restore_text import CREATE, ROWS, Statement, defer_keys, statements

#: Warnings that say nothing of rows: syntax or settings that are deprecated, and that the value of a generated column, which the dump has
#: too, is computed again.
_HARMLESS = {1287, 1681, 1906, 3719, 3778, 4166}
_SHOWN = 20
#: A table with fewer rows is made with its keys: building them later costs more than it saves.
SMALL_ROWS = 20000

Reader = Callable[[], ContextManager[Iterable[bytes]]]


@dataclasses.dataclass
class Loaded:
    """``rows`` are those the server said it inserted. ``warnings`` are the first ones, ``warning_count`` all but harmless ones."""

    tables: List[str] = dataclasses.field(default_factory=list)
    statements: int = 0
    bytes: int = 0
    rows: int = 0
    warning_count: int = 0
    warnings: List[Dict[str, Any]] = dataclasses.field(default_factory=list)


class Loader:
    """Loads one backup into one database. ``streams`` connections insert rows, ``small`` are tables to make with their keys.

    ``progress`` is called after every statement of rows. All methods raise Failed with the table whose rows or keys the server refused,
    SqlError with what it said to another statement.
    """

    def __init__(
        self,
        login: Login,
        database: str,
        small: Set[str],
        streams: int = 2,
        progress: Optional[Callable[[Loaded], None]] = None,
    ) -> None:
        self._login = dataclasses.replace(login, database=database)
        self._small = small
        self._streams = streams
        self._progress = progress
        self._lock = threading.Lock()
        self._error: Optional[BaseException] = None
        self._alters: Dict[str, Statement] = {}
        self._open: List[mysql.Connection] = []
        self.loaded = Loaded()

    def load_whole(self, lines: Iterable[bytes]) -> Loaded:
        """A dump in one piece."""
        rows: queue.Queue[Optional[Statement]] = queue.Queue(self._streams)
        keys: queue.Queue[Optional[Statement]] = queue.Queue()
        threads = [self._thread(self._serve, rows) for _number in range(self._streams)] + [
            self._thread(self._serve, keys)
        ]
        try:
            with self._connection() as connection:
                for statement in statements(lines):
                    self._raise_error()
                    if statement.kind == ROWS:
                        rows.put(statement)
                        continue
                    rows.join()  # what follows the rows of a table may need all of them, as its triggers do
                    self._raise_error()
                    self._queue_keys(keys)
                    self._run_definition(connection, statement)
                rows.join()
                self._queue_keys(keys)
                keys.join()
                self._raise_error()
        except BaseException as error:
            self._give_up(error)
            if isinstance(error, RunbookError):
                self._raise_error()  # the first one; this may be its consequence
            raise
        finally:
            for _number in range(self._streams):
                rows.put(None)
            keys.put(None)
            for thread in threads:
                thread.join()
        return self.loaded

    def load_definitions(self, lines: Iterable[bytes]) -> None:
        """The part with the tables, or the one with everything that comes after the rows."""
        with self._connection() as connection:
            for statement in statements(lines):
                self._run_definition(connection, statement)

    def load_rows(self, readers: Sequence[Reader]) -> None:
        """The parts with rows, several side by side; the keys afterwards."""
        work: queue.Queue[Optional[Reader]] = queue.Queue()
        for reader in [*readers, *[None] * self._streams]:
            work.put(reader)
        self._wait([self._thread(self._read_rows, work) for _number in range(self._streams)])
        keys: queue.Queue[Optional[Statement]] = queue.Queue()
        self._queue_keys(keys)
        for _number in range(self._streams):
            keys.put(None)
        self._wait([self._thread(self._serve, keys) for _number in range(self._streams)])

    def _wait(self, threads: List[threading.Thread]) -> None:
        try:
            for thread in threads:
                thread.join()
        except BaseException as error:
            self._give_up(error)
            raise
        self._raise_error()

    def _give_up(self, error: BaseException) -> None:
        """Nobody goes on with a long statement whose effect is not wanted any more."""
        self._error = self._error or error
        for connection in self._open:
            connection.abort()

    def _thread(self, work: Callable[..., None], *args: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=args, daemon=True)
        thread.start()
        return thread

    def _connection(self) -> mysql.Connection:
        connection = mysql.login(self._login)
        self._open.append(connection)
        connection.rows(
            "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 1, sql_notes = 0,"
            " time_zone = '+00:00', wait_timeout = 86400, max_error_count = 65535, net_read_timeout = 3600, net_write_timeout = 3600"
        )
        return connection

    def _run_definition(self, connection: mysql.Connection, statement: Statement) -> None:
        if statement.kind == CREATE:
            deferred = None if statement.table in self._small else defer_keys(statement.sql)
            self.loaded.tables.append(statement.table)
            if deferred is not None:
                self._alters[statement.table] = dataclasses.replace(statement, sql=deferred.alter)
                statement = dataclasses.replace(statement, sql=deferred.create)
        self._run(connection, statement)

    def _queue_keys(self, keys: queue.Queue[Optional[Statement]]) -> None:
        for table in list(self._alters):
            keys.put(self._alters.pop(table))

    def _read_rows(self, work: queue.Queue[Optional[Reader]]) -> None:
        try:
            with self._connection() as connection:
                for reader in iter(work.get, None):
                    with reader() as lines:
                        for statement in statements(lines):
                            if self._error is not None:
                                return
                            self._run(connection, statement)
        except BaseException as error:
            self._give_up(error)

    def _serve(self, work: queue.Queue[Optional[Statement]]) -> None:
        """One connection that takes work until told to end; after the first error it only empties the queue."""
        connection: Optional[mysql.Connection] = None
        try:
            while True:
                statement = work.get()
                try:
                    if statement is None:
                        return
                    if self._error is None:
                        connection = connection or self._connection()
                        self._run(connection, statement)
                except BaseException as error:
                    self._give_up(error)
                finally:
                    work.task_done()
        finally:
            if connection is not None:
                connection.close()

    def _run(self, connection: mysql.Connection, statement: Statement) -> None:
        try:
            affected, warned = connection.send(statement.sql)
        except RunbookError as error:
            if not statement.table:
                raise
            what = "The table" if statement.kind == CREATE else "Rows of the table"
            message = "%s %s can't be loaded: %s" % (what, quote_identifier(statement.table), error.message)
            raise Failed(message, error.advice) from error
        warnings = []
        if warned and statement.table:  # of views and routines the comparison tells more than a warning
            shown = connection.rows("SHOW WARNINGS")
            warnings = [dict(row, table=statement.table) for row in shown if int(row["Code"]) not in _HARMLESS]
        with self._lock:
            self.loaded.statements += 1
            self.loaded.bytes += len(statement.sql)
            if warnings:
                self.loaded.warning_count += len(warnings)
                self.loaded.warnings = (self.loaded.warnings + warnings)[:_SHOWN]
            if statement.kind == ROWS:
                self.loaded.rows += affected
                if self._progress:
                    self._progress(self.loaded)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error
