# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows and a checksum of each table, and the chain of each event store, computed by the server in one pass over each table.

The checksum is our own, because CHECKSUM TABLE differs between equal tables (MariaDB 10.11 with stored generated columns) and between
versions.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import threading
from typing import Any, Deque, Dict, List, Optional, Sequence, Set, Tuple

from ..mysql.connection import LOST, Connection, SqlError
from ..mysql.dialect import quote_identifier

#: Ids of one link in the chain of an event store.
BLOCK = 100000
#: An event store of fewer bytes on disk is read at once; so is one whose ids lie so far apart that most of its blocks are empty.
_PIECE_BYTES = 32 << 20
_MOST_PIECES = 5000
#: The columns that make a table an event store, whatever its name.
_EVENT_COLUMNS = {"aggregate_uuid", "aggregate_version", "event_class", "event_properties"}
_GEOMETRY = {
    "geometry",
    "point",
    "linestring",
    "polygon",
    "multipoint",
    "multilinestring",
    "multipolygon",
    "geometrycollection",
    "geomcollection",
}
_LONG = {"mediumtext", "longtext", "mediumblob", "longblob", "json"}
_INTEGERS = {"tinyint", "smallint", "mediumint", "int", "bigint"}
#: Before the checksum of a table whose long values are hashed one by one.
WIDE = "wide:"
#: Stands for a row that could not be hashed; larger than the sum of the hashes of a billion rows.
_NO_HASH = 1 << 62


@dataclasses.dataclass(frozen=True)
class Column:
    """``kind`` is the data type without length, in lower case; ``generated`` columns follow from the others."""

    name: str
    kind: str
    nullable: bool
    generated: bool
    primary: bool


@dataclasses.dataclass(frozen=True)
class Table:
    """``size`` is bytes on disk, about."""

    name: str
    columns: List[Column]
    size: int


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some rows of a table, in one statement that gives n, s, and of an event store b and top for each block in it. ``size`` as above."""

    table: str
    sql: str
    size: int


Row = Dict[str, Any]


def read(
    readers: Sequence[Connection], database: str, tables: List[Table], wide: Set[str]
) -> Tuple[Dict[str, Dict[str, Any]], Dict[str, Dict[str, Any]]]:
    """Rows and checksum of each table, None where this user may not read it; and of each event store its highest id, rows and chain.
    ``readers`` see the same state and read side by side. Long values in the tables ``wide`` are hashed
    one by one, as in all that hold a row which is longer than max_allowed_packet when put together: it has no hash otherwise.

    :raises SqlError: when a connection is lost.
    """
    found = _run(readers, [one for table in tables for one in pieces(readers[0], database, table, table.name in wide)])
    again = [table for table in tables if table.name not in wide and _unhashed(found[table.name])]
    found.update(_run(readers, [one for table in again for one in pieces(readers[0], database, table, True)]))
    wide = wide | {table.name for table in again}
    facts = {table.name: _facts(found[table.name], table.name in wide) for table in tables}
    stores = {
        table.name: _store(found[table.name] or [])
        for table in tables
        if store_key(table.columns) and facts[table.name]["checksum"] is not None
    }
    return facts, stores


def _run(readers: Sequence[Connection], work: Sequence[Piece]) -> Dict[str, Optional[List[Row]]]:
    """The rows that the pieces of each table give, in the order in which they come; None for a table that was refused. The largest
    pieces come first, so that all sessions end at about the same time.
    """
    waiting: Deque[Piece] = collections.deque(sorted(work, key=lambda piece: -piece.size))
    found: Dict[str, Optional[List[Row]]] = {piece.table: [] for piece in work}
    problems: List[BaseException] = []

    def serve(reader: Connection) -> None:
        try:
            while not problems:
                piece = waiting.popleft()
                try:
                    rows = reader.rows(piece.sql)
                except SqlError as error:
                    if error.code in LOST:
                        raise
                    found[piece.table] = None
                    continue
                before = found[piece.table]
                if before is not None:
                    before += rows
        except IndexError:
            return
        except BaseException as error:  # told to the caller's thread
            problems.append(error)

    threads = [threading.Thread(target=serve, args=(reader,), daemon=True) for reader in readers[1:]]
    for thread in threads:
        thread.start()
    serve(readers[0])
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return found


def _unhashed(rows: Optional[List[Row]]) -> bool:
    return any(int(row["s"] or 0) >= _NO_HASH for row in rows or [])


def _facts(rows: Optional[List[Row]], wide: bool) -> Dict[str, Any]:
    if rows is None:
        return {"rows": None, "checksum": None}
    total = sum(int(row["n"]) for row in rows)
    if _unhashed(rows):
        return {"rows": total, "checksum": None}
    return {"rows": total, "checksum": "%s%x" % (WIDE if wide else "", sum(int(row["s"] or 0) for row in rows))}


def _store(rows: List[Row]) -> Dict[str, Any]:
    blocks = sorted((row for row in rows if int(row["n"])), key=lambda row: int(row["b"]))
    return {
        "highest_id": max((int(row["top"]) for row in blocks), default=None),
        "rows": sum(int(row["n"]) for row in blocks),
        "chain": chain(blocks) if blocks else None,
        "block": BLOCK,
    }


def pieces(connection: Connection, database: str, table: Table, wide: bool) -> List[Piece]:
    """The statements that read a table: one, or of a large event store one for each block. Other tables have no blocks to tell apart, and
    at once they are read with a fifth less CPU.
    """
    key = store_key(table.columns)
    whole = [Piece(table.name, sums_sql(database, table, wide, key), table.size)]
    if key is None or table.size <= _PIECE_BYTES:
        return whole
    name = quote_identifier(key)
    try:
        (ends,) = connection.rows(
            "SELECT MIN(%s) AS low, MAX(%s) AS high FROM %s" % (name, name, _name(database, table))
        )
    except SqlError as error:
        if error.code in LOST:
            raise
        return whole  # which will be refused too
    if ends["low"] is None or (int(ends["high"]) - int(ends["low"])) // BLOCK > _MOST_PIECES:
        return whole
    parts = blocks(int(ends["low"]), int(ends["high"]))
    return [Piece(table.name, sums_sql(database, table, wide, key, one), table.size // len(parts)) for one in parts]


def blocks(low: int, high: int) -> List[Tuple[int, int, int]]:
    """``(n, first, last)`` of each block of ids from ``low`` to ``high``: n is an id by BLOCK, rounded to zero as SQL's DIV does."""
    first, last = (abs(end) // BLOCK * (1 if end >= 0 else -1) for end in (low, high))
    return [
        (n, n * BLOCK if n > 0 else (n - 1) * BLOCK + 1, (n + 1) * BLOCK - 1 if n >= 0 else n * BLOCK)
        for n in range(first, last + 1)
    ]


def store_key(columns: List[Column]) -> Optional[str]:
    """The number by which an event store is in order; None for what is no event store or has another kind of key."""
    keys = [column for column in columns if column.primary]
    if {column.name.lower() for column in columns} >= _EVENT_COLUMNS and len(keys) == 1 and keys[0].kind in _INTEGERS:
        return keys[0].name
    return None


def _name(database: str, table: Table) -> str:
    return "%s.%s" % (quote_identifier(database), quote_identifier(table.name))


def sums_sql(
    database: str, table: Table, wide: bool, key: Optional[str] = None, part: Optional[Tuple[int, int, int]] = None
) -> str:
    """Rows (n) and the sum of their hashes (s); with ``key`` for each block of ids (b), with its highest id (top). ``part`` is one block.

    A sum does not depend on the order. Of each row the CRC-32 of its SHA-256 is added: CRC-32 alone would not notice two values that
    changed places. MySQL has neither MD5 nor SHA1 from 9.6 on, and on processors that have it built in SHA-256 costs half of MD5.
    """
    what = "COUNT(*) AS n, SUM(IFNULL(CRC32(SHA2(%s, 256)), %d)) AS s" % (row_sql(table.columns, wide), _NO_HASH)
    name = _name(database, table)
    if key is None:
        return "SELECT %s FROM %s" % (what, name)
    key = quote_identifier(key)
    what += ", MAX(%s) AS top" % key
    if part is None:
        return "SELECT %s DIV %d AS b, %s FROM %s GROUP BY b" % (key, BLOCK, what, name)
    return "SELECT %d AS b, %s FROM %s WHERE %s BETWEEN %d AND %d" % (part[0], what, name, key, part[1], part[2])


def row_sql(columns: List[Column], wide: bool) -> str:
    """One text for a row: its values with a control character in between, and which of them are NULL."""
    texts = [_text(column, wide) for column in columns if not column.generated]
    empty = [
        "ISNULL(%s)" % quote_identifier(column.name) for column in columns if column.nullable and not column.generated
    ]
    return "CONCAT_WS(X'1F', %s)" % ", ".join([*texts, *empty] or ["''"])


def _text(column: Column, wide: bool) -> str:
    name = quote_identifier(column.name)
    if column.kind in _GEOMETRY:
        return "HEX(ST_AsBinary(%s))" % name
    if column.kind == "bit":
        return "CAST(%s AS UNSIGNED)" % name
    return "SHA2(%s, 256)" % name if wide and column.kind in _LONG else name


def chain(rows: List[Dict[str, Any]]) -> str:
    """Each link is the SHA-256 of the one before it and of a block, so equal chains have equal histories, event by event."""
    link = ""
    for row in rows:
        text = "%s|%d|%d|%d|%d" % (link, int(row["b"]), int(row["n"]), int(row["s"]), int(row["top"]))
        link = hashlib.sha256(text.encode()).hexdigest()
    return link
