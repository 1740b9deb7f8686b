# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads of a server what tells how it is. A right that is missing raises SqlError; nothing is left out in silence."""

from __future__ import annotations

import datetime
import re
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..core.times import iso
from .connection import Connection
from .dialect import Server
from .health import parse_channel
from .processlist import Process, without_literals
from .waits import UNKNOWN, Lock, Wait, of_metadata

#: Newest entries of mysql.slow_log to look at; it has no index.
_SLOW_LOG_ENTRIES = 10000
#: States of the process list, the same in both servers.
_WAITS_FOR_LOCK = re.compile(r"Waiting for .* lock$|User lock$")


def read_variables(connection: Connection) -> Dict[str, str]:
    """Global variables and status counters together, names in lower case; every user may read them."""
    rows = connection.rows("SHOW GLOBAL STATUS") + connection.rows("SHOW GLOBAL VARIABLES")
    return {row["Variable_name"].lower(): row["Value"] for row in rows}


def read_connections(connection: Connection, values: Dict[str, str], now: float) -> Dict[str, Any]:
    """:param values: from ``read_variables``. Only MySQL tells when the peak was."""
    peak_at = values.get("max_used_connections_time")  # in the time zone of the session, as UNIX_TIMESTAMP takes it
    maximum, used, peak = (
        int(values[name]) for name in ("max_connections", "threads_connected", "max_used_connections")
    )
    return {
        "used": used,
        "running": int(values["threads_running"]),
        "maximum": maximum,
        "percent": round(100.0 * used / maximum, 1),
        "peak": peak,
        "peak_percent": round(100.0 * peak / maximum, 1),
        "peak_at": iso(float(connection.value("SELECT UNIX_TIMESTAMP(%s)", [peak_at]))) if peak_at else None,
        "refused": int(values["connection_errors_max_connections"]),
        "failed_logins": int(values["aborted_connects"]),
        "since": iso(now - int(values["uptime_since_flush_status"])),
    }


def read_waits(connection: Connection, server: Server, processes: Sequence[Process]) -> List[Wait]:
    """Who waits for row locks, metadata locks and GET_LOCK. Where the server does not tell for whom, the blocker is UNKNOWN."""
    found = _row_waits(connection, server) + ([] if server.is_mariadb else _metadata_waits(connection))
    waiters = {wait.waiter for wait in found}
    blocked = connection.rows(
        "SELECT trx_mysql_thread_id AS id FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
    )
    states = {int(row["id"]): "row lock" for row in blocked}
    states.update({each.id: each.state for each in processes if _WAITS_FOR_LOCK.match(each.state)})
    return found + [Wait(each, UNKNOWN, what) for each, what in sorted(states.items()) if each not in waiters]


def _row_waits(connection: Connection, server: Server) -> List[Wait]:
    if server.is_mariadb:
        sql = (
            "SELECT r.trx_mysql_thread_id AS waiter, b.trx_mysql_thread_id AS blocker, REPLACE(l.lock_table, '`', '') AS name"
            " FROM information_schema.innodb_lock_waits w"
            " JOIN information_schema.innodb_trx r ON r.trx_id = w.requesting_trx_id"
            " JOIN information_schema.innodb_trx b ON b.trx_id = w.blocking_trx_id"
            " LEFT JOIN information_schema.innodb_locks l ON l.lock_id = w.requested_lock_id"
        )
    else:
        sql = (
            "SELECT COALESCE(r.processlist_id, 0) AS waiter, COALESCE(b.processlist_id, 0) AS blocker,"
            " CONCAT(l.object_schema, '.', l.object_name) AS name FROM performance_schema.data_lock_waits w"
            " JOIN performance_schema.data_locks l ON l.engine_lock_id = w.requesting_engine_lock_id AND l.engine = w.engine"
            " LEFT JOIN performance_schema.threads r ON r.thread_id = w.requesting_thread_id"
            " LEFT JOIN performance_schema.threads b ON b.thread_id = w.blocking_thread_id"
        )
    rows = connection.rows(sql)
    return [Wait(int(row["waiter"]), int(row["blocker"]), "row of %s" % (row["name"] or "a table")) for row in rows]


def _metadata_waits(connection: Connection) -> List[Wait]:
    rows = connection.rows(
        "SELECT t.processlist_id AS id, LOWER(l.object_type) AS kind, CONCAT_WS('.', l.object_schema, l.object_name) AS name,"
        " l.lock_type AS mode, l.lock_status = 'GRANTED' AS granted FROM performance_schema.metadata_locks l"
        " JOIN performance_schema.threads t ON t.thread_id = l.owner_thread_id"
        " WHERE t.processlist_id IS NOT NULL AND l.lock_status IN ('GRANTED', 'PENDING')"
    )
    return of_metadata(
        [Lock(int(row["id"]), ("%(kind)s %(name)s" % row).strip(), row["mode"], bool(row["granted"])) for row in rows]
    )


def read_channels(connection: Connection, server: Server) -> List[Dict[str, Any]]:
    """What the server replicates from others; needs REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL)."""
    statement = "SHOW ALL SLAVES STATUS" if server.is_mariadb else "SHOW REPLICA STATUS"
    return [parse_channel(row) for row in connection.rows(statement)]


def read_statements(
    connection: Connection, values: Dict[str, str], slow_seconds: float, window_seconds: int, limit: int
) -> Dict[str, Any]:
    """Statements that once took longer than ``slow_seconds`` and ran in the last ``window_seconds``, by the time they took
    together; from performance_schema or else the slow log in its table. ``source`` is None, with the reason, if both are missing.
    """
    if values.get("performance_schema") == "ON" and _counts_statements(connection):
        return _from_digests(connection, values, slow_seconds, window_seconds, limit)
    if values["slow_query_log"] == "ON" and "TABLE" in values["log_output"].upper():
        return _from_slow_log(connection, values, slow_seconds, window_seconds, limit)
    if values["slow_query_log"] == "ON":
        why = (
            "the slow log is written to the file %s on the server, where SQL can't read it"
            % values["slow_query_log_file"]
        )
    else:
        why = "slow_query_log is OFF"
    why = "performance_schema does not count statements, and %s" % why
    return {"source": None, "since": None, "why": why, "statements": []}


def _counts_statements(connection: Connection) -> bool:
    enabled = connection.value(
        "SELECT enabled FROM performance_schema.setup_consumers WHERE name = 'statements_digest'"
    )
    return bool(enabled == "YES")


def _from_digests(
    connection: Connection, values: Dict[str, str], slow_seconds: float, window_seconds: int, limit: int
) -> Dict[str, Any]:
    rows = connection.rows(
        "SELECT schema_name AS db, digest_text AS statement, count_star AS times, sum_timer_wait / 1e12 AS total,"
        " max_timer_wait / 1e12 AS longest, sum_rows_examined AS examined, sum_rows_sent AS sent,"
        " UNIX_TIMESTAMP(first_seen) AS first_seen, UNIX_TIMESTAMP(last_seen) AS last_seen"
        " FROM performance_schema.events_statements_summary_by_digest"
        " WHERE digest IS NOT NULL AND max_timer_wait >= %s AND last_seen >= NOW() - INTERVAL %s SECOND"
        " AND COALESCE(schema_name, '') NOT IN ('mysql', 'performance_schema', 'sys', 'information_schema')"
        " ORDER BY sum_timer_wait DESC LIMIT %s",
        [int(slow_seconds * 1e12), window_seconds, limit],
    )
    since = connection.value(
        "SELECT UNIX_TIMESTAMP(MIN(first_seen)) FROM performance_schema.events_statements_summary_by_digest"
    )
    lost = int(values.get("performance_schema_digest_lost") or 0)
    return {
        "source": "performance_schema",
        "since": None if since is None else iso(float(since)),
        "why": "%d statements found no place in its table and are not counted" % lost if lost else "",
        "statements": [
            {
                "statement": row["statement"] or "",
                "database": row["db"],
                "times": int(row["times"]),
                "total_seconds": round(float(row["total"]), 3),
                "longest_seconds": round(float(row["longest"]), 3),
                "rows_examined": int(row["examined"]),
                "rows_sent": int(row["sent"]),
                "first_seen": iso(float(row["first_seen"])),
                "last_seen": iso(float(row["last_seen"])),
            }
            for row in rows
        ],
    }


def _from_slow_log(
    connection: Connection, values: Dict[str, str], slow_seconds: float, window_seconds: int, limit: int
) -> Dict[str, Any]:
    rows = connection.rows(
        "SELECT UNIX_TIMESTAMP(start_time) AS at, query_time AS took, db AS db, sql_text AS statement,"
        " rows_examined AS examined, rows_sent AS sent FROM mysql.slow_log"
        " WHERE start_time >= NOW() - INTERVAL %s SECOND ORDER BY start_time DESC LIMIT %s",
        [window_seconds, _SLOW_LOG_ENTRIES],
    )
    entries = [_log_entry(row) for row in rows]
    found: Dict[Tuple[str, Optional[str]], Dict[str, Any]] = {}
    for entry in entries:
        if entry["longest_seconds"] < slow_seconds:
            continue
        known = found.setdefault((entry["statement"], entry["database"]), entry)
        if known is not entry:
            _add(known, entry)
    worst = sorted(found.values(), key=lambda entry: -entry["total_seconds"])[:limit]
    threshold = "the log has only statements over long_query_time, %s seconds" % values["long_query_time"]
    return {
        "source": "mysql.slow_log",
        "since": min((entry["first_seen"] for entry in entries), default=None),
        "why": threshold
        + ("; it was cut to its newest %d entries" % len(rows) if len(rows) == _SLOW_LOG_ENTRIES else ""),
        "statements": worst,
    }


def _log_entry(row: Dict[str, Any]) -> Dict[str, Any]:
    took: datetime.timedelta = row["took"]
    text = row["statement"]
    seen = iso(float(row["at"]))
    return {
        "statement": without_literals(text.decode("utf-8", "replace") if isinstance(text, bytes) else text),
        "database": row["db"] or None,
        "times": 1,
        "total_seconds": round(took.total_seconds(), 3),
        "longest_seconds": round(took.total_seconds(), 3),
        "rows_examined": int(row["examined"]),
        "rows_sent": int(row["sent"]),
        "first_seen": seen,
        "last_seen": seen,
    }


def _add(known: Dict[str, Any], entry: Dict[str, Any]) -> None:
    merge: Dict[str, Callable[[Any, Any], Any]] = {"longest_seconds": max, "first_seen": min, "last_seen": max}
    for name in ("times", "total_seconds", "rows_examined", "rows_sent"):
        known[name] = round(known[name] + entry[name], 3)
    for name, better in merge.items():
        known[name] = better(known[name], entry[name])
