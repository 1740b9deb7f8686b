# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as lines of JSON, and the same digest of them made by the server and here, so that file and table can be compared."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Iterable, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Refused
from ..mysql.connection import Connection
from .stores import Table, name_sql

_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_TEXTS = frozenset(
    {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json", "enum", "set", "uuid", "inet4", "inet6"}
    | {"decimal", "date", "datetime", "timestamp", "time", "year"}
)
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})

#: What the server puts for NULL, behind each event and between the values of one. JSON holds no control character as it is.
_NULL, _END, _NEXT_VALUE = b"\x1d", b"\x1e", b"\x1f"
_OTHERS = range(0x1D)

#: The values of one event as texts, None for NULL, in the order of the columns.
Row = Tuple[Optional[str], ...]


@dataclasses.dataclass(frozen=True)
class Column:
    """``type`` is the server's data type, in lower case. ``plain`` is whether it needs no conversion, ``nullable`` whether it may be NULL;
    where that is not known the slower way is taken.
    """

    name: str
    type: str
    plain: bool = False
    nullable: bool = True

    @property
    def text(self) -> str:
        """SQL for the value as text; bytes as hexadecimal digits."""
        name = "e." + name_sql(self.name)
        return "HEX(%s)" % name if self.type in _BYTES else "CAST(%s AS CHAR)" % name

    @property
    def hashed(self) -> str:
        text = "e." + name_sql(self.name) if self.plain else self.text
        return "COALESCE(%s, CHAR(0))" % text if self.nullable else text

    @property
    def sent(self) -> str:
        """SQL for the value as text, with a mark of its own for NULL. CONCAT makes a text of a uuid, which could not be the mark."""
        text = "e." + name_sql(self.name) if self.plain else self.text
        return "COALESCE(CONCAT(%s), '%s')" % (text, _NULL.decode()) if self.nullable else text

    @property
    def mark(self) -> str:
        """How the text is written back."""
        return "UNHEX(%s)" if self.type in _BYTES else "%s"


def read_columns(connection: Connection, table: Table) -> List[Column]:
    """All columns that hold something of their own; generated ones come back by themselves.

    :raises Refused: when one is of a type whose text is not the whole value.
    """
    rows = connection.rows(
        "SELECT COLUMN_NAME AS name, LOWER(DATA_TYPE) AS type, UPPER(EXTRA) AS extra, IS_NULLABLE = 'YES' AS nullable, "
        "COALESCE(CHARACTER_SET_NAME, 'utf8mb4') = 'utf8mb4' AS plain FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        [table.schema, table.name],
    )
    columns = [
        Column(row["name"], row["type"], bool(row["plain"]) and row["type"] not in _BYTES, bool(row["nullable"]))
        for row in rows
        if not _is_generated(row["extra"])
    ]
    for column in columns:
        if column.type not in _NUMBERS | _TEXTS | _BYTES:
            raise Refused(
                "%s has the column %s of the type %s, whose values can't be kept as text byte for byte. Nothing was done."
                % (table.label, column.name, column.type)
            )
    return columns


def _is_generated(extra: str) -> bool:
    """DEFAULT_GENERATED is MySQL's word for a default such as CURRENT_TIMESTAMP."""
    words = extra.split()
    return "GENERATED" in words or "PERSISTENT" in words


def hash_sql(columns: Sequence[Column]) -> str:
    return "SHA2(CONCAT_WS(CHAR(31), %s), 256)" % ", ".join(column.hashed for column in columns)


def _texts(row: Row) -> bytes:
    texts = ["\0" if text is None else text for text in row] if None in row else row
    return "\x1f".join(texts).encode()  # type: ignore[arg-type]  # no None is left


def row_hash(row: Row) -> str:
    """What ``hash_sql`` gives for the same event."""
    return hashlib.sha256(_texts(row)).hexdigest()


def digest(rows: Sequence[Row]) -> str:
    """SHA-256 over the hashes of events in their order."""
    return _digest(map(_texts, rows))


def _digest(texts: Iterable[bytes]) -> str:
    return hashlib.sha256("".join([hashlib.sha256(text).hexdigest() for text in texts]).encode()).hexdigest()


def digest_in_table(
    connection: Connection, table: Table, columns: Sequence[Column], ids: Sequence[Any]
) -> Tuple[int, Optional[str]]:
    """How many of the events ``ids`` are there, and their digest in the order of the ids."""
    return _digest_in_table(connection, table, columns, ids, "ORDER BY e.%s" % table.id, "")


def lock(
    connection: Connection, table: Table, columns: Sequence[Column], ids: Sequence[Any]
) -> Tuple[int, Optional[str]]:
    """The same, and locks them. The order is the one they are found in, which is that of the ids as far as the server likes: it takes
    a third longer to sort. So another digest says that the events must be looked at one by one, not yet that one differs.
    """
    return _digest_in_table(connection, table, columns, ids, "", "FOR UPDATE")


def _digest_in_table(
    connection: Connection, table: Table, columns: Sequence[Column], ids: Sequence[Any], order: str, locking: str
) -> Tuple[int, Optional[str]]:
    where, args = among(table, ids)
    row = connection.rows(
        "SELECT COUNT(*) AS n, SHA2(GROUP_CONCAT(%s %s SEPARATOR ''), 256) AS digest FROM %s e WHERE %s %s"
        % (hash_sql(columns), order, table.sql, where, locking),
        args,
    )[0]
    return int(row["n"]), row["digest"]


def lines(connection: Connection, table: Table, columns: Sequence[Column], ids: Sequence[Any]) -> Tuple[bytes, str]:
    """The events ``ids``, one line of JSON each, in the order of the ids: an array of the values as texts. With them the events' digest.

    The server takes long to make JSON, so it sends the values as they are, unless they hold characters that make this ambiguous.

    :raises BadInput: when they are too large to be sent at once, or one of them is gone.
    """
    where, args = among(table, ids)
    nulls = " + ".join("(e.%s IS NULL)" % name_sql(column.name) for column in columns if column.nullable) or "0"
    row = connection.rows(
        "SELECT COALESCE(SUM(%s), 0) AS nulls, GROUP_CONCAT(CONCAT_WS('%s', %s), '%s' ORDER BY e.%s SEPARATOR '') AS found "
        "FROM %s e WHERE %s"
        % (
            nulls,
            _NEXT_VALUE.decode(),
            ", ".join(each.sent for each in columns),
            _END.decode(),
            table.id,
            table.sql,
            where,
        ),
        args,
    )[0]
    made = as_lines((row["found"] or "").encode(), len(ids), len(columns), int(row["nulls"]))
    if made is None:
        text = _lines_by_server(connection, table, columns, ids)
        made = text, digest(parse(text.split(b"\n")[:-1], columns))
    return made


def as_lines(sent: bytes, events: int, width: int, nulls: int) -> Optional[Tuple[bytes, str]]:
    """Lines of JSON and the events' digest from values with control characters between them; None when there are more or less of these
    than there should be, or the end was cut off. Both at once can balance each other; the digest, which is held against the server's
    before anything is deleted, is what such lines do not pass.
    """
    if not sent.endswith(_END) or sent.count(_NULL) != nulls or any(code in sent for code in _OTHERS):
        return None
    texts = (sent.replace(_NULL, b"\0") if nulls else sent)[:-1].split(_END)
    body = sent[:-1].replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    made = body.replace(_NEXT_VALUE, b'","')
    # How much it grew tells how often it was replaced; counting takes longer.
    if len(texts) != events or len(made) - len(body) != 2 * events * (width - 1):
        return None
    made = b'["' + made.replace(_END, b'"]\n["') + b'"]\n'
    return made.replace(b'"%s"' % _NULL, b"null") if nulls else made, _digest(texts)


def _lines_by_server(connection: Connection, table: Table, columns: Sequence[Column], ids: Sequence[Any]) -> bytes:
    where, args = among(table, ids)
    row = connection.rows(
        "SELECT COUNT(*) AS n, GROUP_CONCAT(JSON_ARRAY(%s) ORDER BY e.%s SEPARATOR '\n') AS found FROM %s e WHERE %s"
        % (", ".join(column.text for column in columns), table.id, table.sql, where),
        args,
    )[0]
    text = (row["found"] or "") + "\n"
    if not int(row["n"]) == len(ids) == text.count("\n"):
        raise BadInput(
            "%d events of %s were asked for and %d lines came back." % (len(ids), table.label, text.count("\n")),
            "They may be too large to be sent at once (max_allowed_packet): give a smaller chunk_rows. These were not archived.",
        )
    return text.encode()


def parse(lines_read: Sequence[bytes], columns: Sequence[Column]) -> List[Row]:
    """Lines read back.

    :raises ValueError: when one is no event with these columns.
    """
    rows: List[List[Optional[str]]] = json.loads(b"[" + b",".join(lines_read) + b"]")
    width = len(columns)
    if len(rows) != len(lines_read) or not all(isinstance(row, list) and len(row) == width for row in rows):
        raise ValueError("it is not an array of %d texts" % width)
    return [tuple(row) for row in rows]


def insert(connection: Connection, table: Table, columns: Sequence[Column], rows: Sequence[Row]) -> None:
    one = "(%s)" % ", ".join(column.mark for column in columns)
    names = ", ".join(name_sql(column.name) for column in columns)
    connection.rows(
        "INSERT INTO %s (%s) VALUES %s" % (table.sql, names, ", ".join([one] * len(rows))),
        [value for row in rows for value in row],
    )


def keys(table: Table, columns: Sequence[Column], texts: Sequence[str]) -> List[Any]:
    """Ids as the server wants them: a number compared with a text would not use the index."""
    of = next(column.type for column in columns if column.name == table.key)
    return [int(text) for text in texts] if of in _NUMBERS else list(texts)


def among(table: Table, ids: Sequence[Any], alias: str = "e.") -> Tuple[str, List[Any]]:
    """The condition for ids in their order. Numbers that follow each other are a range: a server takes long over a long list."""
    key = alias + table.id
    runs: List[List[Any]] = []
    for number in ids:
        if runs and isinstance(number, int) and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    single = [first for first, last in runs if first == last]
    parts = ["%s BETWEEN %%s AND %%s" % key] * (len(runs) - len(single))
    args = [value for run in runs if run[0] != run[1] for value in run]
    if single:
        parts.append("%s IN (%s)" % (key, marks(single)))
    return "(%s)" % " OR ".join(parts), args + single


def marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))
