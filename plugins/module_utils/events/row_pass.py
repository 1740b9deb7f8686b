# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every event by itself, in ranges of ids: all row rules, the order of time and the digest of the rows in one reading of the table."""

from __future__ import annotations

import dataclasses
import hashlib
import json
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
    # CONCAT makes a text of a uuid; a CAST would copy it into another character set on the way, which costs a fifth of the hash.
    parts = ["e." + table.id, "COALESCE(CONCAT(e.aggregate_uuid), '-')", "COALESCE(e.aggregate_version, '-')"]
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
#: What the server sends of each event, in bytes: its id and its time in seconds, with a hash another 65. All of a range must fit into
#: one packet.
TIME_BYTES = 33
HASH_LENGTH = 64
HASH_BYTES = TIME_BYTES + HASH_LENGTH


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
        self._future = [rule for rule in self._rows if rule.name == "created_at_future"]
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
        flags, args = self._flags(self._rows)
        looked, looked_args = self._look()
        row = connection.rows(
            "SELECT COUNT(*) AS n, TO_SECONDS(NOW()) AS now, COALESCE(BIT_OR(%s), 0) AS flags%s FROM %s e WHERE %s"
            % (looked, self._series_sql(isinstance(part.upto, int)), table.sql, where),
            [*looked_args, *bounds],
        )[0]
        times, hashes = self._series(row)
        suspected = int(row["flags"])
        latest = max((time for time in times if time is not None), default=0)
        for rule in self._future:
            if latest >= int(row["now"]) + settings.tolerance_seconds:
                suspected |= self._bits[rule.name]
        anomalies: Anomalies = {}
        for rule in [*self._rows, *self._meta]:
            bit = self._bits[rule.name]
            if suspected & bit:
                source = "FROM %s e WHERE %s AND (%s) & %d" % (table.sql, where, flags, bit)
                one = self._details(connection, source, [*bounds, *args], rule.seen)
                if one["count"]:
                    anomalies[rule.name] = one
        if self._order and times and self._may_be_late(connection, part, times):
            source, args = self._late(connection, part)
            late = self._details(connection, source, args, ("CAST(e.created_at AS CHAR)", []))
            if late["count"]:
                anomalies["created_at_order"] = late
        digest = hashlib.sha256(hashes.encode()).hexdigest() if hashes else None
        return Outcome(int(row["n"]), anomalies, digest)

    def _look(self) -> rules.Sql:
        """SQL for the flags as they are for most events: 0, after each rule was asked once. Only times are left to be looked at here."""
        asked = [rule for rule in self._rows if rule not in self._future]
        flags, args = self._flags(asked)
        table = self._table
        if not self._meta and not self._json or not table.is_text("meta_data"):
            return flags, args
        wrong = " OR ".join(rule.wrong[0] for rule in asked) or "FALSE"
        wrong_args = [arg for rule in asked for arg in rule.wrong[1]]
        return "IF(NOT (%s) AND %s, 0, %s)" % (wrong, rules.meta_as_written(table), flags), [*wrong_args, *args]

    def _flags(self, rows: Sequence[rules.RowRule]) -> rules.Sql:
        """SQL for the sum of the bits of all rules that one event breaks; of the rules about more than the metadata those in ``rows``."""
        table = self._table
        terms: List[str] = []
        args: List[Any] = []
        for rule in rows:
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

    @property
    def _timed(self) -> bool:
        return self._order or bool(self._future)

    def _series_sql(self, numbered: bool) -> str:
        """The id and time of each event, and its hash. Ids that are numbers are put in order here, which costs the server more."""
        key = "e." + self._table.id
        id_, order = (key, "") if numbered else ("0", " ORDER BY " + key)
        time = ", ',', COALESCE(TO_SECONDS(e.created_at), 'null')" if self._timed else ""
        sql = ""
        if self._timed or self._settings.hashed:
            sql = f", GROUP_CONCAT({id_}{time}{order} SEPARATOR ',') AS series"
        if self._settings.hashed:
            sql += f", GROUP_CONCAT({row_hash(self._table)}{order} SEPARATOR '') AS hashes"
        return sql

    def _series(self, row: Dict[str, Any]) -> Tuple[List[Optional[int]], str]:
        """The times and the hashes of the events, in the order of the ids; the server would take longer to go through them.

        :raises Unavailable: when not all of them came.
        """
        if not self._timed and not self._settings.hashed:
            return [], ""
        try:
            numbers = json.loads("[%s]" % (row["series"] or ""))
        except ValueError:  # cut off
            numbers = []
        step, rows, hashes = 1 + self._timed, int(row["n"]), row.get("hashes") or ""
        if len(numbers) != step * rows or len(hashes) != HASH_LENGTH * self._settings.hashed * rows:
            raise Unavailable(
                "%d events of %s were read and the server sent less of them." % (rows, self._table.label),
                "Give a smaller chunk_rows.",
            )
        return in_order(numbers[::step], numbers[1::step] if self._timed else [], hashes)

    def _before(self, connection: Connection, part: Range) -> Optional[Dict[str, Any]]:
        """The event before a range."""
        if part.after is None:
            return None
        key = "e." + self._table.id
        rows = connection.rows(
            "SELECT %s AS id, TO_SECONDS(e.created_at) AS at FROM %s e WHERE %s <= %%s ORDER BY %s DESC LIMIT 1"
            % (key, self._table.sql, key, key),
            [part.after],
        )
        return rows[0] if rows else None

    def _may_be_late(self, connection: Connection, part: Range, times: List[Optional[int]]) -> bool:
        """Whether an event seems older than the one before it by the tolerance; fractions of seconds are cut off here."""
        before = self._before(connection, part)
        if None in times or before and before["at"] is None:
            return True
        seconds: List[Any] = [int(before["at"]), *times] if before else list(times)
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


def in_order(ids: List[int], times: List[Optional[int]], hashes: str) -> Tuple[List[Optional[int]], str]:
    """``times`` and ``hashes`` (all in one text), which came in the order of ``ids``, in the ascending order of these.

    So they come where the server reads along the key, but it does not promise it.
    """
    if ids == sorted(ids):
        return times, hashes
    order = sorted(range(len(ids)), key=ids.__getitem__)
    pieces = [hashes[place * HASH_LENGTH : (place + 1) * HASH_LENGTH] for place in order]
    return [times[place] for place in order] if times else [], "".join(pieces)


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
