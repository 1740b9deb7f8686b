# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every event by itself, in ranges of ids: all row rules, the order of time and the digest of the rows in one reading of the table."""

from __future__ import annotations

import dataclasses
import hashlib
import operator
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..core.errors import Unavailable
from ..mysql.connection import Connection
from . import rules
from .anomalies import Anomalies, found
from .passes import Outcome, Pass, Range, id_range, plain, within
from .stores import Table


def row_hash(table: Table) -> str:
    """SQL for the SHA-256 of one event ``e`` with all its columns of ours, the same in every time zone.

    Between them stands a control character, which no JSON holds as it is, so no two different events give the same text.
    """
    time = (
        "UNIX_TIMESTAMP(e.created_at)" if table.columns["created_at"] == "timestamp" else "CAST(e.created_at AS CHAR)"
    )
    parts = ["e." + table.id, "COALESCE(CAST(e.aggregate_uuid AS CHAR), '-')", "COALESCE(e.aggregate_version, '-')"]
    if "event_version" in table.columns:
        parts.append("COALESCE(e.event_version, '-')")
    parts += ["COALESCE(%s, '-')" % time, "COALESCE(e.event_class, '-')", "COALESCE(e.event_properties, '-')"]
    if "meta_data" in table.columns:
        parts.append("COALESCE(e.meta_data, '-')")
    return "SHA2(CONCAT_WS(CHAR(31), %s), 256)" % ", ".join(parts)


def digest_of_rows(connection: Connection, table: Table, part: Range) -> Tuple[int, Optional[str]]:
    """Rows of a range and the SHA-256 over their hashes in the order of the ids; None for no rows."""
    where, args = within("e." + table.id, part)
    row = connection.rows(
        "SELECT COUNT(*) AS n, %s FROM (SELECT e.%s AS id, %s AS digest FROM %s e WHERE %s) r"
        % (_DIGEST, table.id, row_hash(table), table.sql, where),
        args,
    )[0]
    return int(row["n"]), row["digest"]


_DIGEST = "SHA2(GROUP_CONCAT(r.digest ORDER BY r.id SEPARATOR ''), 256) AS digest"
#: What the server sends of each event, in bytes: its time in seconds, with a hash another 65. All of a range must fit into one packet.
TIME_BYTES = 12
HASH_BYTES = 77


@dataclasses.dataclass(frozen=True)
class RowSettings:
    """``checks`` are the names of the rules to check; ``upto`` the last id that is old enough to be final."""

    checks: Sequence[str]
    known_classes: Sequence[str]
    tolerance_seconds: int
    hashed: bool
    chunk_rows: int
    samples: int
    upto: Any


class RowPass(Pass):
    """``Outcome.extra`` is the digest of the range when ``hashed``."""

    name = "events"

    def __init__(self, table: Table, settings: RowSettings) -> None:
        self._table, self._settings = table, settings
        checks = settings.checks
        every = rules.row_rules(table, settings.known_classes, settings.tolerance_seconds)
        self._rows = [rule for rule in every if rule.name in checks]
        self._meta = [rule for rule in rules.meta_rules(table) if rule.name in checks]
        self._order = "created_at_order" in checks
        self._json = "invalid_json" in checks and table.is_text("meta_data")
        self._bits = {rule.name: 1 << place for place, rule in enumerate([*self._rows, *self._meta])}

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        settings = self._settings
        if settings.upto is None:
            return None
        return id_range(connection, self._table.sql, self._table.id, after, settings.upto, settings.chunk_rows)

    def work(self, connection: Connection, part: Range) -> Outcome:
        table, settings = self._table, self._settings
        where, bounds = within("e." + table.id, part)
        flags, args = self._flags()
        row = connection.rows(
            "SELECT COUNT(*) AS n, COALESCE(BIT_OR(%s), 0) AS flags%s FROM %s e WHERE %s"
            % (flags, self._series_sql(), table.sql, where),
            [*args, *bounds],
        )[0]
        anomalies: Anomalies = {}
        for rule in [*self._rows, *self._meta]:
            bit = self._bits[rule.name]
            if int(row["flags"]) & bit:
                source = "FROM %s e WHERE %s AND (%s) & %d" % (table.sql, where, flags, bit)
                anomalies[rule.name] = self._details(connection, source, [*bounds, *args], rule.seen)
        times, hashes = self._series(row)
        if self._order and times and self._may_be_late(connection, part, times):
            source, args = self._late(connection, part)
            late = self._details(connection, source, args, ("CAST(e.created_at AS CHAR)", []))
            if late["count"]:
                anomalies["created_at_order"] = late
        digest = hashlib.sha256("".join(hashes).encode()).hexdigest() if settings.hashed and hashes else None
        return Outcome(int(row["n"]), anomalies, digest)

    def _flags(self) -> Tuple[str, List[Any]]:
        """SQL for the sum of the bits of all rules that one event breaks."""
        table = self._table
        terms: List[str] = []
        args: List[Any] = []
        for rule in self._rows:
            terms.append("IF(COALESCE(%s, 0), %d, 0)" % (rule.wrong[0], self._bits[rule.name]))
            args += rule.wrong[1]
        if self._meta or self._json:
            checks = " + ".join("IF(COALESCE(%s, 0), %d, 0)" % (r.wrong[0], self._bits[r.name]) for r in self._meta)
            cases = ["WHEN e.meta_data IS NULL THEN 0"]
            if table.is_text("meta_data"):
                begins, values = rules.meta_begins_as_written(table)
                invalid = self._bits["invalid_json"] if self._json else 0
                cases.append("WHEN %s THEN 0" % rules.meta_as_written(table))
                cases.append("WHEN NOT JSON_VALID(e.meta_data) THEN %d WHEN %s THEN 0" % (invalid, begins))
                args += values
            terms.append("CASE %s ELSE %s END" % (" ".join(cases), checks or "0"))
        return " + ".join(terms) or "0", args

    def _series_sql(self) -> str:
        parts = ["COALESCE(TO_SECONDS(e.created_at), '-')"] * self._order + [
            row_hash(self._table)
        ] * self._settings.hashed
        if not parts:
            return ""
        return ", GROUP_CONCAT(%s ORDER BY e.%s SEPARATOR ' ') AS series" % (", ' ', ".join(parts), self._table.id)

    def _series(self, row: Dict[str, Any]) -> Tuple[List[str], List[str]]:
        """The times and the hashes of the events, in the order of the ids; the server would take longer to go through them.

        :raises Unavailable: when not all of them came.
        """
        both = self._order + self._settings.hashed
        found = (row["series"] or "").split() if both else []
        if len(found) != both * int(row["n"]):
            raise Unavailable(
                "%d events of %s were read and the server sent less of them." % (row["n"], self._table.label),
                "Give a smaller chunk_rows.",
            )
        times = found[::both] if self._order else []
        return times, found[both - 1 :: both] if self._settings.hashed else []

    def _before(self, connection: Connection, part: Range) -> Optional[Dict[str, Any]]:
        """The event before a range."""
        if part.after is None:
            return None
        key = "e." + self._table.id
        rows = connection.rows(
            "SELECT %s AS id, COALESCE(TO_SECONDS(e.created_at), '-') AS at FROM %s e WHERE %s <= %%s ORDER BY %s DESC LIMIT 1"
            % (key, self._table.sql, key, key),
            [part.after],
        )
        return rows[0] if rows else None

    def _may_be_late(self, connection: Connection, part: Range, times: List[str]) -> bool:
        """Whether an event seems older than the one before it by the tolerance; fractions of seconds are cut off here."""
        before = self._before(connection, part)
        texts = [str(before["at"]), *times] if before else times
        if "-" in texts:
            return True
        seconds = list(map(int, texts))
        return max(map(operator.sub, seconds, seconds[1:]), default=-1) >= self._settings.tolerance_seconds

    def _late(self, connection: Connection, part: Range) -> Tuple[str, List[Any]]:
        """Where the events are that are older than the one before them."""
        table, before = self._table, self._before(connection, part)
        conditions, args = ["o.%s <= %%s" % table.id], [part.upto]
        if before:
            conditions.append("o.%s >= %%s" % table.id)
            args.append(before["id"])
        elsewhere = "AND r.id > %s" if part.after is not None else ""
        source = (
            f"FROM {table.sql} e JOIN (SELECT o.{table.id} AS id, o.created_at AS at, LAG(o.created_at) OVER (ORDER BY o.{table.id}) "
            f"AS previous FROM {table.sql} o WHERE {' AND '.join(conditions)}) r ON r.id = e.{table.id} "
            f"WHERE r.at < r.previous - INTERVAL %s SECOND {elsewhere}"
        )
        return source, [*args, self._settings.tolerance_seconds, *([part.after] if elsewhere else [])]

    def _details(self, connection: Connection, source: str, args: List[Any], seen: rules.Sql) -> Dict[str, Any]:
        count = connection.value("SELECT COUNT(*) %s" % source, args)
        key = "e." + self._table.id
        first = connection.rows(
            "SELECT %s AS id %s ORDER BY %s LIMIT %d" % (key, source, key, self._settings.samples), args
        )
        return found(count, describe_events(connection, self._table, [row["id"] for row in first], seen))


def describe_events(connection: Connection, table: Table, ids: Sequence[Any], seen: rules.Sql) -> List[Dict[str, Any]]:
    """Samples of events, in the order of ``ids``: where they are and what was seen in them."""
    if not ids:
        return []
    rows = connection.rows(
        "SELECT e.{id} AS id, e.aggregate_uuid AS aggregate_uuid, e.aggregate_version AS aggregate_version, {seen} AS seen "
        "FROM {table} e WHERE e.{id} IN ({marks})".format(
            id=table.id, seen=seen[0], table=table.sql, marks=", ".join(["%s"] * len(ids))
        ),
        [*seen[1], *ids],
    )
    samples = {plain(row["id"]): {name: plain(value) for name, value in row.items()} for row in rows}
    return [samples[plain(number)] for number in ids]
