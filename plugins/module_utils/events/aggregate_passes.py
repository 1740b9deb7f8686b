# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Aggregate by aggregate, in ranges of uuids along the index: the versions of the events, and the snapshots beside them."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..mysql.connection import Connection
from .anomalies import Anomalies, found
from .passes import Outcome, Pass, Range, key_range, plain, within
from .row_pass import describe_events
from .stores import Store, Table

_UUID = "aggregate_uuid"


def in_step(events: int, found: Optional[str]) -> bool:
    """Whether so many events came and the versions of each aggregate are 1, 2, 3 ... and the ids grow with them.

    ``found`` are aggregates with ``],[`` between them; each is numbers: version and id of an event, version and id of the next. It may
    be missing or cut off.
    """
    try:
        aggregates: List[List[int]] = json.loads("[[%s]]" % (found or ""))
    except ValueError:
        return False
    count = 0
    for numbers in aggregates:
        ids = numbers[1::2]
        if numbers[::2] != list(range(1, len(ids) + 1)) or ids != sorted(set(ids)):
            return False
        count += len(ids)
    return count == events


class VersionPass(Pass):
    """Versions 1, 2, 3 ... in the order of the ids, each once; or from behind a snapshot on, when older events were archived."""

    name = "versions"
    _WRONG = {
        "version_gap": "r.v > r.previous_v + 1",
        "duplicate_version": "r.v = r.previous_v",
        "version_order": "r.id < r.previous_id AND r.v <> r.previous_v",
    }
    _LATE_START = "r.previous_v IS NULL AND r.v <> 1"

    def __init__(
        self, store: Store, checks: Sequence[str], chunk_rows: int, samples: int, numbered: bool = False
    ) -> None:
        """``numbered``: the ids are numbers."""
        self._table, self._snapshots, self._numbered = store.events, store.snapshots, numbered
        self._checks = [name for name in self._WRONG if name in checks]
        self._chunk_rows, self._samples = chunk_rows, samples

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        return key_range(connection, self._table.sql, _UUID, after, None, self._chunk_rows)

    def work(self, connection: Connection, part: Range) -> Outcome:
        where, args = within("e." + _UUID, part)
        key = "e." + self._table.id
        if self._numbered:
            rows = self._in_step(connection, where, args)
            if rows is not None:
                return Outcome(rows)
        source = (
            f"(SELECT {key} AS id, e.aggregate_uuid AS uuid, e.aggregate_version AS v, "
            f"LAG(e.aggregate_version) OVER w AS previous_v, LAG({key}) OVER w AS previous_id "
            f"FROM {self._table.sql} e WHERE {where} AND e.aggregate_version IS NOT NULL "
            f"WINDOW w AS (PARTITION BY e.aggregate_uuid ORDER BY e.aggregate_version, {key})) r"
        )
        wrong = {name: "COALESCE(%s, 0)" % self._WRONG[name] for name in self._checks}
        if "version_gap" in wrong:
            wrong["late_start"] = self._LATE_START
        sums = "".join(", SUM(%s) AS %s" % (condition, name) for name, condition in wrong.items())
        row = connection.rows("SELECT COUNT(*) AS n%s FROM %s" % (sums, source), args)[0]
        if row.get("late_start"):
            wrong["version_gap"] = "(%s OR (%s))" % (wrong["version_gap"], self._uncovered())
        anomalies: Anomalies = {}
        for name in self._checks:
            suspected = row[name] or (row["late_start"] if name == "version_gap" else 0)
            if suspected:
                one = self._details(connection, source, wrong[name], args)
                if one["count"]:
                    anomalies[name] = one
        return Outcome(int(row["n"]), anomalies)

    def _in_step(self, connection: Connection, where: str, args: List[Any]) -> Optional[int]:
        """How many events there are when all is well, so that the server need not sort them; None when they must be looked at.

        Not all is fetched of a range that has far more than it should, because of an aggregate that is larger than a range.
        """
        row = connection.rows(
            "SELECT COALESCE(SUM(r.n), 0) AS n, IF(SUM(r.n) > %d, NULL, GROUP_CONCAT(r.found SEPARATOR '],[')) AS found FROM "
            "(SELECT COUNT(*) AS n, GROUP_CONCAT(e.aggregate_version, ',', e.%s SEPARATOR ',') AS found FROM %s e "
            "WHERE %s AND e.aggregate_version IS NOT NULL GROUP BY e.aggregate_uuid) r"
            % (4 * self._chunk_rows, self._table.id, self._table.sql, where),
            args,
        )[0]
        rows = int(row["n"])
        return rows if in_step(rows, row["found"]) else None

    def _uncovered(self) -> str:
        """A first event that is not version 1, without a snapshot that reaches up to it."""
        covered = " OR ".join(
            "EXISTS (SELECT 1 FROM %s s WHERE %s AND s.aggregate_version + 1 >= r.v)"
            % (table.sql, table.of_uuid("s", "r.uuid"))
            for table in self._snapshots
        )
        return "%s AND NOT (r.v > 1 AND (%s))" % (self._LATE_START, covered or "FALSE")

    def _details(self, connection: Connection, source: str, wrong: str, args: List[Any]) -> Dict[str, Any]:
        count = int(connection.value("SELECT COUNT(*) FROM %s WHERE %s" % (source, wrong), args))
        rows = connection.rows(
            "SELECT r.id AS id, r.previous_v AS v, r.previous_id AS before_id FROM %s WHERE %s ORDER BY r.uuid, r.v, r.id LIMIT %d"
            % (source, wrong, self._samples),
            args,
        )
        behind = {
            plain(row["id"]): "no event before it"
            if row["v"] is None
            else "behind version %s, id %s" % (row["v"], row["before_id"])
            for row in rows
        }
        samples = describe_events(connection, self._table, list(behind), ("''", []))
        return found(count, [{**sample, "seen": behind[sample["id"]]} for sample in samples])


class SnapshotPass(Pass):
    """Each snapshot against the last event of its aggregate and against the other snapshots of it."""

    _WRONG = {
        "snapshot_ahead": ("r.v > r.last_v", "CONCAT('version ', r.v, ', the last event has ', r.last_v)"),
        "snapshot_orphan": ("r.last_v IS NULL", "CONCAT('version ', r.v)"),
        "snapshot_order": ("r.id = r.newest AND r.v < r.top", "CONCAT('version ', r.v, ', an older one has ', r.top)"),
    }

    def __init__(
        self, table: Table, events: Sequence[Table], checks: Sequence[str], chunk_rows: int, samples: int
    ) -> None:
        self.name = "snapshots:" + table.name
        self._table, self._events = table, events
        wrong: Dict[str, Tuple[str, str]] = dict(self._WRONG)
        wrong["snapshot_empty"] = ("r.state_is = 'empty'", "CONCAT('version ', r.v)")
        if table.is_text("state"):
            wrong["snapshot_json"] = ("r.state_is = 'broken'", "CONCAT('version ', r.v)")
        self._wrong = {name: one for name, one in wrong.items() if name in checks}
        self._chunk_rows, self._samples = chunk_rows, samples

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        return key_range(connection, self._table.sql, _UUID, after, None, self._chunk_rows)

    def work(self, connection: Connection, part: Range) -> Outcome:
        where, args = within("s." + _UUID, part)
        last = ", ".join(
            "COALESCE((SELECT MAX(e.aggregate_version) FROM %s e WHERE %s), -1)"
            % (table.sql, table.of_uuid("e", "s.aggregate_uuid"))
            for table in self._events
        )
        # Two event tables of one schema: a snapshot may be of either, so the higher version counts.
        last = "GREATEST(%s)" % last if len(self._events) > 1 else last
        broken = "WHEN NOT JSON_VALID(s.state) THEN 'broken' " if self._table.is_text("state") else ""
        source = (
            f"(SELECT s.{self._table.id} AS id, s.aggregate_uuid AS uuid, s.aggregate_version AS v, NULLIF({last}, -1) AS last_v, "
            f"CASE {broken}WHEN COALESCE(JSON_LENGTH(s.state), 0) = 0 THEN 'empty' END AS state_is, "
            f"MAX(s.aggregate_version) OVER w AS top, MAX(s.{self._table.id}) OVER w AS newest "
            f"FROM {self._table.sql} s WHERE {where} WINDOW w AS (PARTITION BY s.aggregate_uuid)) r"
        )
        sums = "".join(", SUM(COALESCE(%s, 0)) AS %s" % (one[0], name) for name, one in self._wrong.items())
        row = connection.rows("SELECT COUNT(*) AS n%s FROM %s" % (sums, source), args)[0]
        anomalies: Anomalies = {}
        for name, (wrong, seen) in self._wrong.items():
            if row[name]:
                rows = connection.rows(
                    "SELECT r.id AS id, r.uuid AS aggregate_uuid, r.v AS aggregate_version, %s AS seen FROM %s WHERE %s "
                    "ORDER BY r.uuid, r.id LIMIT %d" % (seen, source, wrong, self._samples),
                    args,
                )
                samples = [{key: plain(value) for key, value in one.items()} for one in rows]
                anomalies[name] = found(int(row[name]), samples)
        return Outcome(int(row["n"]), anomalies)
