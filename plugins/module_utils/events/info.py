# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an event store holds: how much, of which kind, growing how fast, and which aggregates have become slow to load."""

from __future__ import annotations

import datetime
from typing import Any, Dict, List, Optional, Sequence

from ..core.errors import Unavailable
from ..mysql.connection import Connection, SqlError
from .passes import plain
from .session import OUT_OF_TIME, STATEMENT_SECONDS
from .stores import Found, Store, Table

#: Growth is measured over this many of the newest events, so that it costs the same in every store, and told for so many days.
GROWTH_EVENTS = 100000
GROWTH_DAYS = 7
#: A time of the session's zone, the application's, as UTC.
UTC = "CONVERT_TZ(%s, @@session.time_zone, '+00:00')"


def read(connection: Connection, found: Found, min_events: int, samples: int, exact: bool) -> List[Dict[str, Any]]:
    """Every table as the module returns it. Without ``exact`` the server's estimate stands for what takes reading whole indexes.

    :raises Unavailable: when a statement takes longer than STATEMENT_SECONDS.
    """
    try:
        tables = [_events(connection, store, min_events, samples, exact) for store in found.stores()]
        return tables + [_snapshots(connection, found, table, exact) for table in found.snapshots]
    except SqlError as error:
        if error.code not in OUT_OF_TIME:
            raise
        raise Unavailable(
            "A table was not read to its end within %d seconds: %s" % (STATEMENT_SECONDS, error.message),
            "Give exact=false, or ask a replica with more memory.",
        ) from error


def _events(connection: Connection, store: Store, min_events: int, samples: int, exact: bool) -> Dict[str, Any]:
    table = store.events
    result = {**_range(connection, table, exact), "kind": "events", "growth": _growth(connection, table)}
    result.update(classes=None, aggregates=None, heavy_aggregates=None, heaviest=[])
    if exact:
        rows = connection.rows(
            "SELECT event_class AS c, COUNT(*) AS n FROM %s GROUP BY event_class ORDER BY n DESC, c" % table.sql, []
        )
        result["classes"] = {str(row["c"]): int(row["n"]) for row in rows}
        result["aggregates"] = int(connection.value("SELECT COUNT(DISTINCT aggregate_uuid) FROM %s" % table.sql, []))
        result.update(_heavy(connection, store, min_events, samples))
    result["snapshot_tables"] = [one.name for one in store.snapshots]
    return result


def _snapshots(connection: Connection, found: Found, table: Table, exact: bool) -> Dict[str, Any]:
    return {
        **_range(connection, table, exact),
        "kind": "snapshots",
        "event_tables": [one.name for one in found.events_of(table)],
    }


def _range(connection: Connection, table: Table, exact: bool) -> Dict[str, Any]:
    rows = int(connection.value("SELECT COUNT(*) FROM %s" % table.sql, [])) if exact else table.estimated_rows
    result: Dict[str, Any] = {"schema": table.schema, "table": table.name, "rows": rows, "estimated": not exact}
    ends = connection.rows(f"SELECT MIN({table.id}) AS first, MAX({table.id}) AS last FROM {table.sql}", [])[0]
    for end in ("first", "last"):
        result["%s_id" % end] = plain(ends[end])
        if "created_at" in table.columns:
            sql = f"SELECT {UTC % 'created_at'} FROM {table.sql} WHERE {table.id} = %s"
            result["%s_at" % end] = None if ends[end] is None else time_text(connection.value(sql, [ends[end]]))
    return result


def _growth(connection: Connection, table: Table) -> Dict[str, Any]:
    rows = connection.rows(
        f"SELECT DATE(at) AS day, COUNT(*) AS n, MIN(at) AS first, MAX(at) AS last FROM "
        f"(SELECT created_at AS at FROM {table.sql} ORDER BY {table.id} DESC LIMIT %s) newest WHERE at IS NOT NULL "
        "GROUP BY DATE(at) ORDER BY day",
        [GROWTH_EVENTS],
    )
    return growth([(row["day"], int(row["n"]), row["first"], row["last"]) for row in rows], GROWTH_EVENTS)


def growth(days: Sequence[Any], limit: int) -> Dict[str, Any]:
    """``days`` are (date, events, first time, last time) of the newest ``limit`` events, ascending.

    The oldest day is not told when there were more events than were looked at, because it is not whole then.
    """
    total = sum(day[1] for day in days)
    whole = days[1:] if total >= limit else days
    seconds = (max(day[3] for day in days) - min(day[2] for day in days)).total_seconds() if days else 0.0
    return {
        "events": total,
        "per_day": round((total - 1) / seconds * 86400, 1) if seconds else None,
        "days": {str(day[0]): day[1] for day in whole[-GROWTH_DAYS:]},
    }


def _heavy(connection: Connection, store: Store, min_events: int, samples: int) -> Dict[str, Any]:
    """Aggregates that load more than ``min_events`` events: all of them, or those behind the snapshot that is used, the newest."""
    table = store.events
    newest = [
        f"COALESCE((SELECT s.aggregate_version FROM {one.sql} s WHERE {one.of_uuid('s', 'e.aggregate_uuid')} "
        f"ORDER BY s.{one.id} DESC LIMIT 1), 0)"
        for one in store.snapshots
    ]
    snapshot = "0" if not newest else newest[0] if len(newest) == 1 else "GREATEST(%s)" % ", ".join(newest)
    many = (
        f"SELECT e.aggregate_uuid, COUNT(*) AS events, MAX(e.aggregate_version) AS version FROM {table.sql} e "
        "WHERE e.aggregate_uuid IS NOT NULL GROUP BY e.aggregate_uuid HAVING COUNT(*) > %s"
    )
    source = (
        f"(SELECT e.aggregate_uuid AS uuid, e.events AS events, e.version AS version, {snapshot} AS snapshot FROM ({many}) e) h "
        "WHERE CAST(h.version AS SIGNED) - CAST(h.snapshot AS SIGNED) > %s"
    )
    args = [min_events, min_events]
    count = int(connection.value("SELECT COUNT(*) FROM %s" % source, args))
    rows = connection.rows(
        "SELECT h.* FROM %s ORDER BY h.version - h.snapshot DESC, h.uuid LIMIT %%s" % source, [*args, samples]
    )
    return {
        "heavy_aggregates": count,
        "heaviest": [
            {
                "aggregate_uuid": str(row["uuid"]),
                "events": int(row["events"]),
                "version": int(row["version"]),
                "snapshot_version": int(row["snapshot"]) or None,
            }
            for row in rows
        ],
    }


def time_text(value: Optional[datetime.datetime]) -> Optional[str]:
    """A time that is UTC already."""
    return None if value is None else value.strftime("%Y-%m-%dT%H:%M:%SZ")
