# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads, plans and carries out the care of tables, one statement at a time, and looks again after each rebuild."""

from __future__ import annotations

import time
from typing import Callable, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Refused
from . import care
from .care import Policy, Row
from .connection import Connection, SqlError
from .dialect import Server
from .processlist import WHAT_TO_DO, Process
from .read import Reader
from .tables import Disk, Settings, Table, choose, missing
from .tables_read import read_settings, read_tables

_CONNECTION_LOST = (2006, 2013)


def prepare(
    connection: Connection, server: Server, schema: str, names: Sequence[str], patterns: Sequence[str], policy: Policy
) -> Tuple[List[Tuple[Table, Row]], Settings]:
    """The plan, from what the server says now.

    :raises BadInput: when a table that was named, or the database, is not there; nothing was done then.
    """
    known = read_tables(connection, server, schema)
    if not known and not connection.rows("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", [schema]):
        raise BadInput(
            "There is no database '%s' at %s that this user may see. Nothing was done." % (schema, connection.place),
            "Check the option database, and the user's rights.",
        )
    absent = missing(known, names)
    if absent:
        raise BadInput(
            "Database '%s' at %s has no table %s that this user may see. Nothing was done."
            % (schema, connection.place, ", ".join("'%s'" % name for name in absent)),
            "Check the option tables: names are compared exactly.",
        )
    settings = read_settings(connection)
    return care.plan(choose(known, names, patterns), policy, server, settings), settings


def refuse(
    connection: Connection, server: Server, rows: Sequence[Row], policy: Policy, settings: Settings, disk: Disk
) -> None:
    """Look at everything that forbids the plan as a whole.

    :raises Refused: when something does; nothing was done then.
    """
    care.refuse_bad_conditions(rows, policy, settings, disk)
    if any(row.outcome == care.PLANNED and care.needs_quiet(row.operation, server) for row in rows):
        found = blockers(connection, server, policy)
        if found:
            raise Refused(
                "Transactions are open that would make a rebuild wait, and every other statement on the table behind it: %s. "
                "Nothing was done." % care.explain_blockers(found, policy),
                "Wait for them, end them (mysql_kill_idle with open_transactions), or raise max_transaction_seconds.",
                blockers=[{**each.as_dict(), "seconds_open": care.seconds_open(each)} for each in found],
            )


def blockers(connection: Connection, server: Server, policy: Policy) -> List[Process]:
    """Connections whose transactions or locks are too old.

    :raises Refused: when they can't be known.
    """
    snapshot = Reader(connection, server).snapshot()
    if snapshot.unknown:
        raise Refused(
            "It can't be told at %s whether a rebuild would stop other statements: %s. Nothing was done."
            % (connection.place, snapshot.unknown),
            "%s Or leave optimize out of operations." % WHAT_TO_DO[snapshot.unknown],
        )
    others = [each for each in snapshot.processes if each.id != snapshot.own_id]
    ownerless = [
        Process(0, "", "", None, "no connection", each.seconds, transaction=each) for each in snapshot.ownerless
    ]
    return care.blockers(others + ownerless, policy)


def apply(
    connection: Connection,
    server: Server,
    plan: Sequence[Tuple[Table, Row]],
    policy: Policy,
    stop_after_seconds: Optional[int],
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Carry the plan out; what became of each row is written into it. After a rebuild that failed no other is tried."""
    started = clock()
    stop, failed_rebuild, broken = "", "", set()
    for table, row in plan:
        if row.outcome != care.PLANNED:
            continue
        if stop_after_seconds is not None and clock() - started >= stop_after_seconds:
            stop = stop or "stop_after_seconds was over"
        reason = stop or ("its check failed" if table.full_name in broken else "")
        if row.operation == care.OPTIMIZE:
            reason = reason or failed_rebuild
        if reason:
            row.outcome, row.reason = care.SKIPPED, reason
            continue
        try:
            _do(connection, server, table, row, policy, clock)
        except SqlError as error:
            row.outcome, row.reason = care.FAILED, error.message
            if error.code in _CONNECTION_LOST:
                stop = "the connection was lost"
                row.reason += " Whether the server still works on it, its process list shows."
        if row.outcome == care.FAILED and row.operation == care.CHECK:
            broken.add(table.full_name)
        if row.outcome == care.FAILED and row.operation == care.OPTIMIZE:
            failed_rebuild = "the rebuild of %s failed" % row.table


def _do(
    connection: Connection, server: Server, table: Table, row: Row, policy: Policy, clock: Callable[[], float]
) -> None:
    if care.needs_quiet(row.operation, server):
        found = blockers(connection, server, policy)
        if found:
            row.outcome, row.reason = care.SKIPPED, care.explain_blockers(found, policy)
            return
    begun = clock()
    try:
        row.outcome, reason, row.messages = care.judge(connection.rows(care.statement(row, table, policy)))
        row.reason = reason or row.reason
    finally:
        row.seconds = round(clock() - begun, 2)
    if row.operation == care.OPTIMIZE:
        row.bytes_after = read_tables(connection, server, table.schema, table.name)[0].bytes


def open_session(connection: Connection, server: Server, lock_wait_timeout: int) -> None:
    """How this session waits: briefly for others' locks, as long as it takes for its own statements."""
    connection.rows("SET SESSION lock_wait_timeout = %d" % lock_wait_timeout)
    if server.is_mariadb:
        connection.rows("SET SESSION max_statement_time = 0")  # a limit meant for queries would end a rebuild half-way
