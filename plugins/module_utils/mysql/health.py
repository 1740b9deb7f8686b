# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges what was read of a server. Pure: numbers in, findings out."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Optional, Sequence

from ..core.times import words
from ..core.verdict import CRITICAL, OK, UNKNOWN, Finding, measure
from .tables import Table

CONNECTIONS = "connections"
TRANSACTIONS = "transactions"
LOCKS = "locks"
REPLICATION = "replication"
STATEMENTS = "statements"
TABLES = "tables"
BUFFER_POOL = "buffer_pool"
SECTIONS = [CONNECTIONS, TRANSACTIONS, LOCKS, REPLICATION, STATEMENTS, TABLES, BUFFER_POOL]


@dataclasses.dataclass(frozen=True)
class Limits:
    """Above the first of two is a warning, above the second critical. Percent of max_connections; the others are seconds."""

    warning_percent: float
    critical_percent: float
    transaction_warning_seconds: float
    transaction_critical_seconds: float
    lock_wait_warning_seconds: float
    lock_wait_critical_seconds: float
    lag_warning_seconds: float
    lag_critical_seconds: float


def unseen(check: str, why: str, advice: str) -> Finding:
    """What could not be looked at."""
    return Finding(check, UNKNOWN, None, None, why, advice)


def judge_connections(found: Dict[str, Any], limits: Limits) -> List[Finding]:
    """``refused`` counts since the counters were reset, so by itself it says nothing of now; it goes with the peak."""
    used = measure(
        CONNECTIONS,
        found["percent"],
        limits.warning_percent,
        limits.critical_percent,
        "%d of %d connections are in use, %d of them at work." % (found["used"], found["maximum"], found["running"]),
        "See who holds them with mysql_kill_idle in check mode, and end idle ones with it.",
    )
    peak = measure(
        "connections_peak",
        found["peak_percent"],
        limits.critical_percent,
        None,
        "At most %d of %d connections were in use since %s%s, and %d were refused because the server was full."
        % (
            found["peak"],
            found["maximum"],
            found["since"],
            " (at %s)" % found["peak_at"] if found["peak_at"] else "",
            found["refused"],
        ),
        "Look for what used so many. FLUSH STATUS starts the count anew.",
    )
    return [used, peak]


def judge_transactions(longest: Optional[Dict[str, Any]], limits: Limits) -> Finding:
    """:param longest: the longest open one as ``Process.as_dict`` gives it, None without any."""
    if longest is None:
        return Finding(TRANSACTIONS, OK, 0, limits.transaction_warning_seconds, "No transaction of others is open.")
    seconds = longest["transaction"]["seconds"]
    return measure(
        TRANSACTIONS,
        seconds,
        limits.transaction_warning_seconds,
        limits.transaction_critical_seconds,
        "Connection %d of %s@%s (%s) has a transaction open for %s, %d rows changed."
        % (
            longest["id"],
            longest["user"],
            longest["host"],
            longest["command"],
            words(seconds),
            longest["transaction"]["rows_changed"],
        ),
        "It keeps its locks and makes InnoDB keep old versions of rows. Ask its owner, or end it with mysql_kill_idle.",
    )


def judge_locks(roots: Sequence[Dict[str, Any]], limits: Limits) -> Finding:
    """:param roots: what ``waits.tree`` made."""
    waiters = {node["id"]: node for node in _below(roots)}
    if not waiters:
        return Finding(LOCKS, OK, 0, limits.lock_wait_warning_seconds, "No connection waits for another's lock.")
    longest = max(node["seconds"] or 0 for node in waiters.values())
    heads = [
        "connection %s (%s)" % (root["id"], root["command"]) if root["id"] is not None else "one not told"
        for root in roots
    ]
    return measure(
        LOCKS,
        longest,
        limits.lock_wait_warning_seconds,
        limits.lock_wait_critical_seconds,
        "%d connections wait for locks, the longest for %s, behind %s."
        % (len(waiters), words(longest), ", ".join(heads)),
        "The entries of lock_waits say who blocks whom. Ending the first of a tree lets the others go on.",
    )


def _below(nodes: Sequence[Dict[str, Any]]) -> List[Dict[str, Any]]:
    found: List[Dict[str, Any]] = []
    for node in nodes:
        found += [*node["blocks"], *_below(node["blocks"])]
    return found


def judge_replication(channels: Sequence[Dict[str, Any]], limits: Limits) -> List[Finding]:
    """One finding for each channel; a server that replicates nothing is fine."""
    return [_judge_channel(channel, limits) for channel in channels] or [
        Finding(REPLICATION, OK, 0, None, "The server is not a replica.")
    ]


def _judge_channel(channel: Dict[str, Any], limits: Limits) -> Finding:
    name = "Replication%s from %s" % (" '%s'" % channel["channel"] if channel["channel"] else "", channel["source"])
    if channel["receiving"] != "Yes" or channel["applying"] != "Yes":
        return Finding(
            REPLICATION,
            CRITICAL,
            None,
            None,
            "%s does not run: receiving is '%s', applying is '%s'%s."
            % (name, channel["receiving"], channel["applying"], ": " + channel["error"] if channel["error"] else ""),
            "What is read here grows older. Mend the error, or start replication again.",
        )
    if channel["lag_seconds"] is None:
        return unseen(
            REPLICATION, "%s runs, and the server does not tell how far it is behind." % name, "Look again later."
        )
    return measure(
        REPLICATION,
        channel["lag_seconds"],
        limits.lag_warning_seconds,
        limits.lag_critical_seconds,
        "%s is %s behind." % (name, words(channel["lag_seconds"])),
        "Look for a long transaction or DDL on the source.",
    )


def parse_channel(row: Dict[str, Any]) -> Dict[str, Any]:
    """One row of SHOW REPLICA STATUS, of either server and with the old or the new names of its columns."""

    def first(*names: str) -> Any:
        return next((row[name] for name in names if row.get(name) not in (None, "")), None)

    lag = first("Seconds_Behind_Source", "Seconds_Behind_Master")
    return {
        "channel": first("Channel_Name", "Connection_name") or "",
        "source": first("Source_Host", "Master_Host") or "",
        "receiving": first("Replica_IO_Running", "Slave_IO_Running") or "",
        "applying": first("Replica_SQL_Running", "Slave_SQL_Running") or "",
        "lag_seconds": None if lag is None else int(lag),
        "error": "; ".join(str(row[name]) for name in ("Last_IO_Error", "Last_SQL_Error") if row.get(name)),
    }


def summarize_tables(tables: Sequence[Table], page_bytes: int, limit: int) -> Dict[str, Any]:
    """The biggest, and those with the most bytes that OPTIMIZE could win back."""
    ours = [table for table in tables if not table.is_view]
    fragmented = [table for table in ours if table.reclaimable(page_bytes) > 0]

    def entry(table: Table) -> Dict[str, Any]:
        free = table.reclaimable(page_bytes)
        return {
            "table": table.full_name,
            "engine": table.engine,
            "bytes": table.bytes,
            "reclaimable_bytes": free,
            "reclaimable_ratio": round(free / table.bytes, 3) if table.bytes else 0.0,
        }

    return {
        "count": len(ours),
        "bytes": sum(table.bytes for table in ours),
        "reclaimable_bytes": sum(table.reclaimable(page_bytes) for table in fragmented),
        "biggest": [entry(each) for each in sorted(ours, key=lambda each: (-each.bytes, each.full_name))[:limit]],
        "most_fragmented": [
            entry(each)
            for each in sorted(fragmented, key=lambda each: (-each.reclaimable(page_bytes), each.full_name))[:limit]
        ],
    }


def summarize_pool(status: Dict[str, str], page_bytes: int) -> Dict[str, Any]:
    """InnoDB's buffer pool. ``hit_percent`` is None before the first read; all counters are since the server started."""

    def number(name: str) -> int:
        return int(status["innodb_buffer_pool_" + name])

    total, requests = number("pages_total"), number("read_requests")

    def percent(pages: int) -> float:
        return round(100.0 * pages / total, 1) if total else 0.0

    return {
        "bytes": total * page_bytes,
        "used_percent": percent(total - number("pages_free")),
        "dirty_percent": percent(number("pages_dirty")),
        "hit_percent": round(100.0 * (1 - min(1.0, number("reads") / requests)), 3) if requests else None,
        "waits_for_free_page": number("wait_free"),
    }
