# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Money: what the events of an aggregate add and subtract must be what its projection holds.

Two passes: over the aggregates, so that every sum has its balance, and over the projection, so that every balance has its events.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..core.errors import BadInput
from ..mysql.connection import Connection
from .anomalies import Anomalies, found
from .passes import Outcome, Pass, Range, key_range, plain, within
from .stores import Table, name_sql

#: (aggregate or account, currency or the like); the second is "" where a rule has no group.
Key = Tuple[str, str]
#: Every amount the rules read is a number written in full, so "1e3", "12 EUR" or nothing at all is noticed and not taken as 0.
_NUMBER = "^-?[0-9]+([.][0-9]+)?$"


@dataclasses.dataclass(frozen=True)
class Movement:
    """An event class that moves money: ``sign`` is 1 or -1, ``amount`` a JSON path, ``group`` a JSON path or a fixed text."""

    event_class: str
    sign: int
    amount: str
    group: str


@dataclasses.dataclass(frozen=True)
class MoneyRule:
    """``scale``: the events' amounts are divided by 10 to this power before they are compared (cents against euros: 2)."""

    name: str
    event_table: str
    movements: Tuple[Movement, ...]
    projection: str
    key: str
    value: str
    group: Optional[str]
    watermark: Optional[str]
    scale: int


def from_options(options: Dict[str, Any]) -> MoneyRule:
    """A rule from the module's options.

    :raises BadInput: when it moves nothing, names a class twice, or has a path that is none.
    """
    movements = []
    for sign, key in ((1, "adds"), (-1, "subtracts")):
        for one in options[key]:
            if not one["amount"].startswith("$"):
                raise BadInput(
                    "The money rule %s has '%s', which is no JSON path: one begins with $."
                    % (options["name"], one["amount"])
                )
            movements.append(Movement(one["event_class"], sign, one["amount"], one["group"] or ""))
    classes = [movement.event_class for movement in movements]
    if not classes or len(set(classes)) != len(classes):
        raise BadInput("The money rule %s must name event classes that add or subtract, each once." % options["name"])
    if bool(options["group_column"]) != any(movement.group for movement in movements):
        raise BadInput("The money rule %s needs group and group_column together, or neither." % options["name"])
    return MoneyRule(
        options["name"],
        options["event_table"],
        tuple(movements),
        options["projection_table"],
        options["key_column"],
        options["value_column"],
        options["group_column"],
        options["watermark_column"],
        options["scale"],
    )


def check_projection(connection: Connection, schema: str, rule: MoneyRule) -> None:
    """See that the projection has the columns of the rule.

    :raises BadInput: naming the first that is missing.
    """
    rows = connection.rows(
        "SELECT COLUMN_NAME AS c FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        [schema, rule.projection],
    )
    there = {row["c"] for row in rows}
    for column in (rule.key, rule.value, rule.group, rule.watermark):
        if column and column not in there:
            raise BadInput(
                "The money rule %s needs the column %s.%s.%s, which is not there or can't be seen by this user."
                % (rule.name, schema, rule.projection, column),
                "Check the rule; for schemas without this projection, verify them in a task of their own.",
            )


class _Sums:
    """Reads both sides of a rule for some aggregates."""

    def __init__(self, table: Table, rule: MoneyRule) -> None:
        self.rule, self._table = rule, table
        self.projection = "%s.%s" % (name_sql(table.schema), name_sql(rule.projection))
        self.key = name_sql(rule.key)
        self._group = name_sql(rule.group) if rule.group else "''"
        self._value = name_sql(rule.value)

    def events(self, connection: Connection, where: str, args: Sequence[Any]) -> Dict[Key, Dict[str, Any]]:
        """Per key: total, unreadable (events without a usable amount), bad_id (the first of them) and fresh (newest created_at)."""
        rule, table = self.rule, self._table
        amounts = "".join(" WHEN %s THEN JSON_VALUE(e.event_properties, %s)" for unused in rule.movements)
        groups: List[str] = []
        group_args: List[Any] = []
        for movement in rule.movements:
            path = movement.group.startswith("$")
            groups.append(" WHEN %s THEN " + ("JSON_VALUE(e.event_properties, %s)" if path else "%s"))
            group_args += [movement.event_class, movement.group]
        minus = [movement.event_class for movement in rule.movements if movement.sign < 0]
        sign = "IF(e.event_class IN (%s), -1, 1)" % ", ".join(["%s"] * len(minus)) if minus else "1"
        valid = "JSON_VALID(e.event_properties)" if table.is_text("event_properties") else "TRUE"
        rows = connection.rows(
            "SELECT uuid, grp, SUM(IF(amount REGEXP %s, sign * CAST(amount AS DECIMAL(60, 10)), 0)) AS total, "
            "SUM(COALESCE(NOT amount REGEXP %s, 1)) AS unreadable, MIN(IF(amount REGEXP %s, NULL, id)) AS bad_id, MAX(at) AS newest "
            "FROM (SELECT e.{id} AS id, e.aggregate_uuid AS uuid, e.created_at AS at, {sign} AS sign, "
            "IF({valid}, CASE e.event_class{amounts} END, NULL) AS amount, "
            "COALESCE(IF({valid}, CASE e.event_class{groups} END, NULL), '') AS grp "
            "FROM {table} e WHERE {where} AND e.event_class IN ({classes})) m GROUP BY uuid, grp ORDER BY uuid, grp".format(
                id=table.id,
                sign=sign,
                valid=valid,
                amounts=amounts,
                groups="".join(groups),
                table=table.sql,
                where=where,
                classes=", ".join(["%s"] * len(rule.movements)),
            ),
            [
                *[_NUMBER] * 3,
                *minus,
                *[value for movement in rule.movements for value in (movement.event_class, movement.amount)],
                *group_args,
                *args,
                *[movement.event_class for movement in rule.movements],
            ],
        )
        return {(_text(row["uuid"]), str(row["grp"])): row for row in rows}

    def balances(self, connection: Connection, keys: Sequence[str]) -> Dict[Key, Dict[str, Any]]:
        """Per key: total and, where the rule has one, watermark (the last event that was applied)."""
        if not keys:
            return {}
        watermark = ", MAX(p.%s) AS watermark" % name_sql(self.rule.watermark) if self.rule.watermark else ""
        rows = connection.rows(
            "SELECT p.{key} AS k, {group} AS grp, SUM(p.{value}) AS total{watermark} FROM {table} p WHERE p.{key} IN ({marks}) "
            "GROUP BY p.{key}, grp".format(
                key=self.key,
                group="COALESCE(p.%s, '')" % self._group if self.rule.group else "''",
                value=self._value,
                watermark=watermark,
                table=self.projection,
                marks=", ".join(["%s"] * len(keys)),
            ),
            keys,
        )
        return {(_text(row["k"]), str(row["grp"])): row for row in rows}

    def up_to(self, connection: Connection, key: Key, watermark: Any) -> Decimal:
        """The sum of one aggregate's events up to the one its projection has applied."""
        where = f"e.aggregate_uuid = %s AND e.{self._table.id} <= %s"
        rows = self.events(connection, where, [key[0], watermark if watermark is not None else 0])
        return self.scaled(rows.get(key))

    def scaled(self, row: Optional[Dict[str, Any]]) -> Decimal:
        total = Decimal(row["total"] or 0) if row else Decimal(0)
        return total.scaleb(-self.rule.scale)


class MoneyPass(Pass):
    """Over the aggregates. A balance that differs counts once its last event is ``settle_seconds`` old; until then a queued
    projector may still be at it, and it is only counted as not judged (``Outcome.extra``).
    """

    def __init__(self, table: Table, rule: MoneyRule, chunk_rows: int, samples: int, settle_seconds: int) -> None:
        self.name = "money:" + rule.name
        self._sums, self._table, self._rule = _Sums(table, rule), table, rule
        self._chunk_rows, self._samples, self._settle = chunk_rows, samples, settle_seconds

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        return key_range(connection, self._table.sql, "aggregate_uuid", after, None, self._chunk_rows)

    def work(self, connection: Connection, part: Range) -> Outcome:
        where, args = within("e.aggregate_uuid", part)
        events = self._sums.events(connection, where, args)
        balances = self._sums.balances(connection, sorted({key for key, unused in events}))
        fresh_since = connection.value("SELECT NOW() - INTERVAL %s SECOND", [self._settle])
        wrong: List[Dict[str, Any]] = []
        unsettled = 0
        keys = [*events, *sorted(key for key in balances if key not in events)]
        for key in keys:
            row, balance = events.get(key), balances.get(key)
            seen = self._difference(connection, key, row, balance)
            if seen is None:
                continue
            if row is not None and row["newest"] is not None and row["newest"] > fresh_since and not row["unreadable"]:
                unsettled += 1
                continue
            bad = row["bad_id"] if row else None
            where_to_look = "%s %s" % key if key[1] else key[0]
            wrong.append({"id": plain(bad), "aggregate_uuid": key[0], "seen": "%s: %s" % (where_to_look, seen)})
        anomalies: Anomalies = {"money": found(len(wrong), wrong[: self._samples])} if wrong else {}
        return Outcome(len(keys), anomalies, unsettled)

    def _difference(
        self, connection: Connection, key: Key, row: Optional[Dict[str, Any]], balance: Optional[Dict[str, Any]]
    ) -> Optional[str]:
        if row is not None and row["unreadable"]:
            return "%d events without a readable amount, the first is %s" % (row["unreadable"], row["bad_id"])
        events = self._sums.scaled(row)
        holds = Decimal(balance["total"] or 0) if balance else Decimal(0)
        if events != holds and balance and self._rule.watermark:
            events = self._sums.up_to(connection, key, balance["watermark"])
        if events == holds:
            return None
        has = "has no row" if balance is None else "holds %s" % _number(holds)
        return "%s.%s %s, its events give %s" % (self._rule.projection, self._rule.value, has, _number(events))


class BalancePass(Pass):
    """Over the projection: a balance that is not zero needs events."""

    def __init__(self, table: Table, rule: MoneyRule, chunk_rows: int, samples: int) -> None:
        self.name = "balances:" + rule.name
        self._sums, self._table, self._rule = _Sums(table, rule), table, rule
        self._chunk_rows, self._samples = chunk_rows, samples

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        return key_range(connection, self._sums.projection, self._sums.key, after, None, self._chunk_rows)

    def work(self, connection: Connection, part: Range) -> Outcome:
        where, args = within("p." + self._sums.key, part)
        value = name_sql(self._rule.value)
        rows = connection.rows(
            "SELECT p.{key} AS k, SUM(p.{value}) AS total FROM {table} p WHERE {where} GROUP BY p.{key}, {group} "
            "HAVING SUM(p.{value}) <> 0 ORDER BY p.{key}".format(
                key=self._sums.key,
                value=value,
                table=self._sums.projection,
                where=where,
                group="p." + name_sql(self._rule.group) if self._rule.group else "p." + self._sums.key,
            ),
            args,
        )
        held = {_text(row["k"]): row["total"] for row in rows}
        classes = [movement.event_class for movement in self._rule.movements]
        known = set()
        if held:
            known = {
                _text(row["u"])
                for row in connection.rows(
                    "SELECT DISTINCT aggregate_uuid AS u FROM %s WHERE aggregate_uuid IN (%s) AND event_class IN (%s)"
                    % (self._table.sql, ", ".join(["%s"] * len(held)), ", ".join(["%s"] * len(classes))),
                    [*held, *classes],
                )
            }
        wrong = [
            {
                "id": None,
                "aggregate_uuid": key,
                "seen": "%s: %s.%s holds %s, but no event moved money"
                % (key, self._rule.projection, self._rule.value, _number(Decimal(total))),
            }
            for key, total in held.items()
            if key not in known
        ]
        anomalies: Anomalies = {"money": found(len(wrong), wrong[: self._samples])} if wrong else {}
        return Outcome(len(held), anomalies)


def _text(key: Any) -> str:
    return str(key).lower()


def _number(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
