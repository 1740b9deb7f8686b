# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events an aggregate does without: those that a snapshot makes unnecessary for loading it."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..mysql.connection import Connection
from .archive_rows import marks
from .passes import Range, key_range, within
from .stores import Table, name_sql

#: Aggregates looked at in one statement.
AGGREGATES = 500

NO_SNAPSHOT = "no_snapshot"
EMPTY_SNAPSHOT = "empty_snapshot"
BROKEN_SNAPSHOT = "broken_snapshot"
SNAPSHOT_AHEAD = "snapshot_ahead"
VERSION_GAP = "version_gap"
NO_EVENTS = "no_events"
NOTHING_OLD = "nothing_old_enough"
KEPT: Dict[str, str] = {
    NO_SNAPSHOT: "they have no snapshot",
    EMPTY_SNAPSHOT: "the snapshot that is used to load them has an empty state, so every event is needed",
    BROKEN_SNAPSHOT: "the snapshot that is used to load them is no JSON",
    SNAPSHOT_AHEAD: "the snapshot that is used to load them has a higher version than their last event",
    VERSION_GAP: "versions are missing among their events",
    NO_EVENTS: "the snapshot has no events in this table",
    NOTHING_OLD: "all that their snapshot covers is too new or among the latest to keep",
}


@dataclasses.dataclass(frozen=True)
class Aggregate:
    """The events of one aggregate and the snapshot it is loaded from, the one with the highest id.

    ``young`` is the first version that is too young to be moved, ``state`` one of ``full``, ``empty``, ``broken``.
    """

    uuid: str
    first: int
    last: int
    events: int
    young: Optional[int]
    snapshot_version: int
    state: str


@dataclasses.dataclass(frozen=True)
class Slice:
    """Versions ``first`` to ``last`` of one aggregate; each is there."""

    uuid: str
    first: int
    last: int

    @property
    def events(self) -> int:
        return self.last - self.first + 1


def decide(one: Aggregate, keep_latest: int) -> Tuple[Optional[Slice], str]:
    """The events that may go, or why none may.

    Loading begins at the snapshot, so what it covers is not read any more. The last event always stays: saving compares the highest
    version in the table with the version after loading.
    """
    if not one.events:
        return None, NO_EVENTS
    if one.state != "full":
        return None, EMPTY_SNAPSHOT if one.state == "empty" else BROKEN_SNAPSHOT
    if one.snapshot_version > one.last:
        return None, SNAPSHOT_AHEAD
    if one.events != one.last - one.first + 1:
        return None, VERSION_GAP
    upto = min(one.snapshot_version, one.last - max(keep_latest, 1))
    if one.young is not None:
        upto = min(upto, one.young - 1)
    return (Slice(one.uuid, one.first, upto), "") if upto >= one.first else (None, NOTHING_OLD)


class Planner:
    """Goes through the aggregates that have snapshots. ``settled_id``: events with higher ids are too young; None, all are."""

    def __init__(
        self, connection: Connection, events: Table, snapshots: Table, settled_id: Any, keep_latest: int
    ) -> None:
        self._connection, self._events, self._snapshots = connection, events, snapshots
        self._settled, self._keep_latest = settled_id, keep_latest
        # A table of a session's own, so that events go in the order of their ids: those of one aggregate lie far apart.
        own = hashlib.sha256(events.label.encode()).hexdigest()[:16]
        self._cuts = "%s.finaegis_archive_cuts_%s" % (name_sql(events.schema), own)

    def decisions(self, session: Optional[Connection] = None) -> Iterator[Tuple[Optional[Slice], str]]:
        """What ``decide`` says of each, read in ranges of uuids; what may go is kept in ``session``, where ``next_ids`` asks."""
        if session is not None:
            session.rows("DROP TEMPORARY TABLE IF EXISTS " + self._cuts)
            session.rows(
                "CREATE TEMPORARY TABLE %s (PRIMARY KEY (aggregate_uuid)) SELECT aggregate_uuid, aggregate_version AS upto FROM %s "
                "WHERE FALSE" % (self._cuts, self._events.sql)
            )
        after = None
        while True:
            part = key_range(self._connection, self._snapshots.sql, "aggregate_uuid", after, None, AGGREGATES)
            if part is None:
                return
            found = [decide(one, self._keep_latest) for one in self._aggregates(*within("s.aggregate_uuid", part))]
            cuts = [value for one, _reason in found if one is not None for value in (one.uuid, one.last)]
            if session is not None and cuts:
                marked = ", ".join(["(%s, %s)"] * (len(cuts) // 2))
                session.rows("INSERT INTO %s VALUES %s" % (self._cuts, marked), cuts)
            yield from found
            if not part.full:
                return
            after = part.upto

    def without_snapshot(self) -> int:
        """Aggregates that have events and no snapshot at all."""
        return int(
            self._connection.value(
                "SELECT COUNT(*) FROM (SELECT DISTINCT aggregate_uuid FROM %s WHERE aggregate_uuid IS NOT NULL) e WHERE NOT EXISTS "
                "(SELECT 1 FROM %s s WHERE %s)"
                % (self._events.sql, self._snapshots.sql, self._snapshots.of_uuid("s", "e.aggregate_uuid"))
            )
        )

    def next_ids(self, session: Connection, after: Any, rows: int) -> List[str]:
        """The ids of the next events that may go, at most ``rows``, in the order of the ids."""
        if self._settled is None:
            return []
        key = "e." + self._events.id
        where, args = within(key, Range(after, self._settled, False))
        found = session.value(
            f"SELECT GROUP_CONCAT(r.id ORDER BY r.id) FROM (SELECT STRAIGHT_JOIN {key} AS id FROM {self._events.sql} e "
            f"JOIN {self._cuts} c ON c.aggregate_uuid = e.aggregate_uuid "
            f"WHERE {where} AND e.aggregate_version <= c.upto ORDER BY {key} LIMIT %s) r",
            [*args, rows],
        )
        return str(found).split(",") if found else []

    def _aggregates(self, where: str, args: Sequence[Any]) -> Iterator[Aggregate]:
        table = self._snapshots
        broken = "WHEN NOT JSON_VALID(s.state) THEN 'broken' " if table.is_text("state") else ""
        newest = self._connection.rows(
            f"SELECT CAST(s.aggregate_uuid AS CHAR) AS uuid, s.aggregate_version AS version, CASE {broken}"
            "WHEN JSON_TYPE(s.state) IN ('OBJECT', 'ARRAY') AND JSON_LENGTH(s.state) > 0 THEN 'full' ELSE 'empty' END AS state "
            f"FROM {table.sql} s JOIN (SELECT MAX(s.{table.id}) AS id FROM {table.sql} s WHERE {where} GROUP BY s.aggregate_uuid) n "
            f"ON n.id = s.{table.id}",
            args,
        )
        if not newest:
            return
        settled = [] if self._settled is None else [self._settled]
        young = "IF(e.%s > %%s, e.aggregate_version, NULL)" % self._events.id if settled else "e.aggregate_version"
        rows = self._connection.rows(
            "SELECT CAST(e.aggregate_uuid AS CHAR) AS uuid, MIN(e.aggregate_version) AS first, MAX(e.aggregate_version) AS last, "
            "COUNT(*) AS events, MIN(%s) AS young FROM %s e WHERE e.aggregate_uuid IN (%s) AND e.aggregate_version IS NOT NULL "
            "GROUP BY e.aggregate_uuid" % (young, self._events.sql, marks(newest)),
            [*settled, *(row["uuid"] for row in newest)],
        )
        events = {row["uuid"].lower(): row for row in rows}
        for row in newest:
            own = events.get(row["uuid"].lower(), {"first": 0, "last": 0, "events": 0, "young": None})
            yield Aggregate(
                row["uuid"],
                int(own["first"]),
                int(own["last"]),
                int(own["events"]),
                None if own["young"] is None else int(own["young"]),
                int(row["version"]),
                row["state"],
            )
