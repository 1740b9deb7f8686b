# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two tables of one shape on one server: checksums of ranges of a key, and the rows themselves only where those differ."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Counter, Dict, List, Optional, Sequence, Tuple

from ..core.errors import BadInput
from ..mysql.connection import Connection
from .passes import plain
from .replay_schema import Names, q

#: Differing rows kept to look at again; a table with more of them is wrong whatever the rest holds.
KEPT = 1000

Key = Tuple[Any, ...]
Rows = Counter[Tuple[Any, ...]]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What of a table is compared. ``key`` orders and names the rows; it need not be unique, but may not be NULL."""

    table: str
    columns: Tuple[str, ...]
    key: Tuple[str, ...]
    aggregate: Optional[str] = None


@dataclasses.dataclass
class Drift:
    """How a rebuilt table differs from the live one, which should equal it."""

    table: str
    rows_live: int = 0
    rows_rebuilt: int = 0
    chunks: int = 0
    chunks_different: int = 0
    differing: Dict[Key, Tuple[Rows, Rows]] = dataclasses.field(default_factory=dict)
    beyond: int = 0
    unsettled: int = 0

    def numbers(self) -> Dict[str, int]:
        """Rows only rebuilt (``missing`` from live), only live (``extra`` there), and in both with other contents (``different``)."""
        found = {"missing": 0, "extra": 0, "different": 0}
        for live, rebuilt in self.differing.values():
            more, less = sum((rebuilt - live).values()), sum((live - rebuilt).values())
            found["different"] += min(more, less)
            found["missing"] += max(more - less, 0)
            found["extra"] += max(less - more, 0)
        return found

    @property
    def total(self) -> int:
        return sum(self.numbers().values()) + self.beyond

    def as_dict(self, shape: Shape, samples: int) -> Dict[str, Any]:
        return {
            "table": self.table,
            "rows_live": self.rows_live,
            "rows_rebuilt": self.rows_rebuilt,
            **self.numbers(),
            "beyond": self.beyond,
            "unsettled": self.unsettled,
            "samples": [_sample(shape, key, *self.differing[key]) for key in list(self.differing)[:samples]],
        }


def _sample(shape: Shape, key: Key, live: Rows, rebuilt: Rows) -> Dict[str, Any]:
    """The row on both sides, only the columns that differ where it is one row on each."""
    sides = [
        [dict(zip(shape.columns, row)) for row in (one - other).elements()]
        for one, other in ((live, rebuilt), (rebuilt, live))
    ]
    if len(sides[0]) == len(sides[1]) == 1:
        differ = [name for name in shape.columns if sides[0][0][name] != sides[1][0][name]]
        sides = [[{name: side[0][name] for name in differ}] for side in sides]
    shown = [[{name: _text(value) for name, value in row.items()} for row in side[:3]] for side in sides]
    return {"key": dict(zip(shape.key, (_text(value) for value in key))), "live": shown[0], "rebuilt": shown[1]}


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int)) else str(plain(value))[:200]


def shape_of(
    connection: Connection,
    names: Names,
    table: str,
    ignore: Sequence[str],
    key: Optional[Sequence[str]],
    aggregate: Optional[str] = None,
) -> Shape:
    """What to compare of ``table``; without ``key`` rows are named by the primary key. ``aggregate`` is the column with the uuid.

    :raises BadInput: when a named column is not there, or there is no key to go by.
    """
    rows = connection.rows(
        "SELECT COLUMN_NAME AS c, IS_NULLABLE AS n, COLUMN_KEY AS k FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        [names.live, table],
    )
    there = {row["c"]: row["n"] == "YES" for row in rows}
    for name in [*ignore, *(key or ()), *([aggregate] if aggregate else [])]:
        if name not in there:
            raise BadInput("%s has no column %s." % (table, name), "Its columns are %s." % ", ".join(there))
    primary = connection.rows(
        "SELECT COLUMN_NAME AS c FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
        "AND INDEX_NAME = 'PRIMARY' ORDER BY SEQ_IN_INDEX",
        [names.live, table],
    )
    chosen = tuple(key or (row["c"] for row in primary))
    if not chosen or any(name in ignore or there[name] for name in chosen):
        raise BadInput(
            "The rows of %s can't be named: %s."
            % (table, "its key may be NULL or is ignored" if chosen else "it has no primary key"),
            "Name columns in key_columns that are never NULL and, best, have an index; the id of the event is a good one.",
        )
    return Shape(table, tuple(name for name in there if name not in ignore), chosen, aggregate)


class Comparison:
    """One table of the live and the scratch schema; with ``uuid`` only the rows of that aggregate."""

    def __init__(
        self, connection: Connection, names: Names, shape: Shape, chunk_rows: int, uuid: Optional[str] = None
    ) -> None:
        self._db = connection
        sides = (names.live_table(shape.table), names.scratch_table(shape.table))
        self._sides = [side.replace("%", "%%") for side in sides]
        self._shape = shape
        self._chunk_rows = chunk_rows
        self._where = "" if uuid is None or shape.aggregate is None else "%s = %%s" % _name(shape.aggregate)
        self._args = [uuid] if self._where else []

    def run(self) -> Drift:
        """Go through both tables; at most ``chunk_rows`` rows of each are in memory."""
        drift = Drift(self._shape.table)
        after: Optional[Key] = None
        while True:
            upto = self._bound(after)
            live, rebuilt = (self._checksum(side, after, upto) for side in self._sides)
            drift.rows_live += live[0]
            drift.rows_rebuilt += rebuilt[0]
            drift.chunks += 1
            if live != rebuilt:
                drift.chunks_different += 1
                self._rows_of(drift, after, upto)
            if upto is None:
                return drift
            after = upto

    def again(self, drift: Drift) -> None:
        """Look again at the rows that differed, after the rebuilt ones caught up: one that moved meanwhile on the live side can't
        be judged while writers are at work.
        """
        for key, (before, _rebuilt) in list(drift.differing.items()):
            where = " AND ".join("%s = %%s" % _name(column) for column in self._shape.key)
            live, rebuilt = (
                self._fetch(side, where, list(key)).get(key, collections.Counter()) for side in self._sides
            )
            if live == rebuilt or live != before:
                del drift.differing[key]
                drift.unsettled += live != rebuilt
            else:
                drift.differing[key] = (live, rebuilt)

    def _rows_of(self, drift: Drift, after: Optional[Key], upto: Optional[Key]) -> None:
        where, args = self._range(after, upto)
        live, rebuilt = (self._fetch(side, where, args) for side in self._sides)
        for key in sorted(set(live) | set(rebuilt), key=repr):
            pair = (live.get(key, collections.Counter()), rebuilt.get(key, collections.Counter()))
            if pair[0] != pair[1]:
                if len(drift.differing) < KEPT:
                    drift.differing[key] = pair
                else:
                    drift.beyond += max(sum((pair[0] - pair[1]).values()), sum((pair[1] - pair[0]).values()))

    def _fetch(self, side: str, where: str, args: List[Any]) -> Dict[Key, Rows]:
        shape = self._shape
        found: Dict[Key, Rows] = {}
        columns = ", ".join(_name(name) for name in shape.columns)
        # The key is asked for apart, for it may be among the columns that are not compared.
        keys = ", ".join(f"{_name(name)} AS runbook_k{number}" for number, name in enumerate(shape.key))
        for row in self._db.rows(f"SELECT {keys}, {columns} FROM {side}{self._conditions(where)}", args + self._args):
            key = tuple(row.pop("runbook_k%d" % number) for number in range(len(shape.key)))
            values = tuple(row[name] for name in shape.columns)
            found.setdefault(key, collections.Counter())[values] += 1
        return found

    def _bound(self, after: Optional[Key]) -> Optional[Key]:
        """The last key of the next range: no side has many more than ``chunk_rows`` rows up to it. None: the range goes to the end."""
        where, args = self._range(after, None)
        columns = ", ".join(_name(name) for name in self._shape.key)
        one = f"(SELECT {columns} FROM {{}}{self._conditions(where)} ORDER BY {columns} LIMIT 1 OFFSET {self._chunk_rows - 1})"
        sql = " UNION ALL ".join(one.format(side) for side in self._sides) + f" ORDER BY {columns} LIMIT 1"
        rows = self._db.rows(sql, (args + self._args) * 2)
        return tuple(rows[0].values()) if rows else None

    def _checksum(self, side: str, after: Optional[Key], upto: Optional[Key]) -> Tuple[int, Any]:
        where, args = self._range(after, upto)
        # Each value with its length in front, so that no two rows read the same; a sum, so that doubled rows do not cancel out.
        parts = ", ".join(
            "IFNULL(CONCAT(LENGTH({0}), ':', {0}), 'n')".format(_name(name)) for name in self._shape.columns
        )
        # MySQL 9.6 and later have no MD5 of their own any more.
        number = f"CAST(CONV(LEFT(SHA2(CONCAT_WS(',', {parts}), 256), 15), 16, 10) AS UNSIGNED)"
        sql = f"SELECT COUNT(*) AS n, SUM({number}) AS s FROM {side}{self._conditions(where)}"
        row = self._db.rows(sql, args + self._args)[0]
        return int(row["n"]), row["s"]

    def _conditions(self, where: str) -> str:
        conditions = [one for one in (where, self._where) if one]
        return " WHERE " + " AND ".join("(%s)" % one for one in conditions) if conditions else ""

    def _range(self, after: Optional[Key], upto: Optional[Key]) -> Tuple[str, List[Any]]:
        """The rows after one key up to another, written so that an index on the key is used."""
        conditions: List[str] = []
        args: List[Any] = []
        for key, strict in ((after, ">"), (upto, "<")):
            if key is None:
                continue
            text, more = _beyond(self._shape.key, key, strict, strict == "<")
            conditions.append(text)
            args += more
        return " AND ".join(conditions), args


def _beyond(columns: Sequence[str], key: Key, sign: str, with_equal: bool) -> Tuple[str, List[Any]]:
    """``(a, b) > (x, y)`` as ``a >= x AND (a > x OR (b > y))``: the servers use no index for the short form."""
    name = _name(columns[0])
    if len(columns) == 1:
        return "%s %s%s %%s" % (name, sign, "=" if with_equal else ""), [key[0]]
    rest, args = _beyond(columns[1:], key[1:], sign, with_equal)
    return f"{name} {sign}= %s AND ({name} {sign} %s OR ({rest}))", [key[0], key[0], *args]


def _name(column: str) -> str:
    return q(column).replace("%", "%%")
