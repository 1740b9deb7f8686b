# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every event by itself, in ranges of ids: all row rules, the order of time and the digest of the rows in one reading of the table."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple

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


#: The hashes of a range's rows must fit into one value of the server, HASH_LENGTH bytes each; see verify.check_packet.
_DIGEST = "SHA2(GROUP_CONCAT(r.digest ORDER BY r.id SEPARATOR ''), 256) AS digest"
HASH_LENGTH = 64


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
        self._order = rules.RowRule("created_at_order", ("", []), ("CAST(e.created_at AS CHAR)", []))
        self._all = [*self._rows, *self._meta] + [self._order] * ("created_at_order" in checks)
        self._bits = {rule.name: 1 << place for place, rule in enumerate(self._all)}

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        settings = self._settings
        if settings.upto is None:
            return None
        return id_range(connection, self._table.sql, self._table.id, after, settings.upto, settings.chunk_rows)

    def work(self, connection: Connection, part: Range) -> Outcome:
        inner, args = self._inner(part)
        flags, more = self._flags()
        # The event before the range was read for its time alone.
        where, last = ("WHERE r.id > %s", [part.after]) if part.after is not None else ("", [])
        digest = ", " + _DIGEST if self._settings.hashed else ""
        row = connection.rows(
            "SELECT COUNT(*) AS n, BIT_OR(%s) AS flags%s FROM (%s) r %s" % (flags, digest, inner, where),
            [*more, *args, *last],
        )[0]
        anomalies: Anomalies = {}
        for rule in self._all:
            if int(row["flags"]) & self._bits[rule.name]:
                wanted = "(%s) & %d" % (flags, self._bits[rule.name])
                condition = "%s %s" % (where + " AND" if where else "WHERE", wanted)
                source = "FROM (%s) r %s" % (inner, condition)
                anomalies[rule.name] = self._details(connection, rule, source, [*args, *last, *more])
        return Outcome(int(row["n"]), anomalies, row.get("digest"))

    def _inner(self, part: Range) -> Tuple[str, List[Any]]:
        """One small row for each event of the range and the one before it. The time of that one comes through the window."""
        table = self._table
        terms: List[str] = []
        args: List[Any] = []
        for rule in self._rows:
            terms.append("IF(COALESCE(%s, 0), %d, 0)" % (rule.wrong[0], self._bits[rule.name]))
            args += rule.wrong[1]
        if self._meta:
            checks = " + ".join("IF(COALESCE(%s, 0), %d, 0)" % (r.wrong[0], self._bits[r.name]) for r in self._meta)
            written, values = rules.meta_as_written(table)
            text = table.is_text("meta_data")
            shortcut = "WHEN %s THEN 0 WHEN NOT JSON_VALID(e.meta_data) THEN 0 " % written if text else ""
            terms.append("CASE WHEN e.meta_data IS NULL THEN 0 %sELSE %s END" % (shortcut, checks))
            args += values if text else []
        columns = ["e.%s AS id" % table.id, "%s AS flags" % (" + ".join(terms) or "0")]
        if self._order.name in self._bits:
            columns += ["e.created_at AS created_at", "LAG(e.created_at) OVER (ORDER BY e.%s) AS previous" % table.id]
        if self._settings.hashed:
            columns.append("%s AS digest" % row_hash(table))
        bounds = ["e.%s <= %%s" % table.id] + ["e.%s >= %%s" % table.id] * (part.after is not None)
        limits = [part.upto] + [part.after] * (part.after is not None)
        return "SELECT %s FROM %s e WHERE %s" % (", ".join(columns), table.sql, " AND ".join(bounds)), args + limits

    def _flags(self) -> Tuple[str, List[Any]]:
        if self._order.name not in self._bits:
            return "r.flags", []
        late = "r.created_at < r.previous - INTERVAL %s SECOND"
        return (
            "r.flags + IF(COALESCE(%s, 0), %d, 0)" % (late, self._bits[self._order.name]),
            [self._settings.tolerance_seconds],
        )

    def _details(self, connection: Connection, rule: rules.RowRule, source: str, args: List[Any]) -> Dict[str, Any]:
        count = connection.value("SELECT COUNT(*) %s" % source, args)
        first = connection.rows("SELECT r.id AS id %s ORDER BY r.id LIMIT %d" % (source, self._settings.samples), args)
        ids = [row["id"] for row in first]
        return found(count, describe_events(connection, self._table, ids, rule.seen))


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
