# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether history still is what was verified: the segments an earlier run went through, counted or hashed again."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, Optional, Sequence

from ..mysql.connection import Connection
from .anomalies import Anomalies, found
from .passes import Outcome, Pass, Range, plain
from .row_pass import digest_of_rows, row_hash
from .stores import Table

#: [last id, rows, digest or None]; it begins behind the one before it.
Segment = List[Any]


def head(segments: Sequence[Segment]) -> Optional[str]:
    """The end of the chain: each link is the SHA-256 of the one before it and of a segment. None without hashes."""
    link = ""
    for upto, rows, digest in segments:
        if digest is None:
            return None
        link = hashlib.sha256(("%s|%s|%d|%s" % (link, upto, rows, digest)).encode()).hexdigest()
    return link or None


def compare(connection: Connection, table: Table, after: Any, segment: Segment) -> Optional[Dict[str, Any]]:
    """None when the rows of a segment are those that were verified, else a sample for the rule ``history``."""
    upto, rows, digest = segment
    part = Range(after, upto, True)
    if digest is None:
        condition, args = ("AND e.%s > %%s" % table.id, [after]) if after is not None else ("", [])
        sql = "SELECT COUNT(*) FROM %s e WHERE e.%s <= %%s %s" % (table.sql, table.id, condition)
        now, same = int(connection.value(sql, [upto, *args])), True
    else:
        now, again = digest_of_rows(connection, table, part)
        same = again == digest
    if now == rows and same:
        return None
    where = "up to id %s" % upto if after is None else "behind id %s up to %s" % (after, upto)
    seen = "%d events, %d were verified" % (now, rows) if now != rows else "%d events, not the same content" % rows
    return {"id": upto, "seen": "%s: %s" % (where, seen)}


class HistoryPass(Pass):
    """Goes through the segments by their number."""

    name = "history"

    def __init__(self, table: Table, segments: Sequence[Segment]) -> None:
        self._table, self._segments = table, segments

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        place = after or 0
        return Range(after, place + 1, place + 1 < len(self._segments)) if place < len(self._segments) else None

    def work(self, connection: Connection, part: Range) -> Outcome:
        segment = self._segments[part.upto - 1]
        after = self._segments[part.upto - 2][0] if part.upto > 1 else None
        changed = compare(connection, self._table, after, segment)
        anomalies: Anomalies = {"history": found(1, [changed])} if changed else {}
        return Outcome(int(segment[1]), anomalies)


def anchor(connection: Connection, table: Table, which: str, at: Any = None) -> Optional[Dict[str, Any]]:
    """An event to know the store by: its id and hash. ``which`` is ``MIN`` for the first one, or ``=`` for the one with the id ``at``."""
    condition = "e.%s = %%s" % table.id
    if which == "MIN":
        condition, at = f"e.{table.id} = (SELECT MIN({table.id}) FROM {table.sql})", None
    args = [] if at is None else [at]
    rows = connection.rows(
        "SELECT e.%s AS id, %s AS hash FROM %s e WHERE %s" % (table.id, row_hash(table), table.sql, condition), args
    )
    return {"id": plain(rows[0]["id"]), "hash": rows[0]["hash"]} if rows else None
