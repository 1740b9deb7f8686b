# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events as lines of JSON, and the same digest of them made by the server and here, so that file and table can be compared."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Refused
from ..mysql.connection import Connection
from .stores import Table, name_sql

_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
_TEXTS = frozenset(
    {"char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json", "enum", "set", "uuid", "inet4", "inet6"}
    | {"decimal", "date", "datetime", "timestamp", "time", "year"}
)
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})

#: The values of one event as texts, None for NULL, in the order of the columns.
Row = Tuple[Optional[str], ...]


@dataclasses.dataclass(frozen=True)
class Column:
    """``type`` is the server's data type, in lower case."""

    name: str
    type: str

    @property
    def value(self) -> str:
        """SQL for the value as JSON has it: a number, or a text; bytes as hexadecimal digits."""
        name = "e." + name_sql(self.name)
        return name if self.type in _NUMBERS else self.text

    @property
    def text(self) -> str:
        name = "e." + name_sql(self.name)
        return "HEX(%s)" % name if self.type in _BYTES else "CAST(%s AS CHAR)" % name

    @property
    def mark(self) -> str:
        """How the text is written back."""
        return "UNHEX(%s)" if self.type in _BYTES else "%s"


def read_columns(connection: Connection, table: Table) -> List[Column]:
    """All columns that hold something of their own; generated ones come back by themselves.

    :raises Refused: when one is of a type whose text is not the whole value.
    """
    rows = connection.rows(
        "SELECT COLUMN_NAME AS name, LOWER(DATA_TYPE) AS type, UPPER(EXTRA) AS extra FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        [table.schema, table.name],
    )
    columns = [Column(row["name"], row["type"]) for row in rows if not _is_generated(row["extra"])]
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
    texts = ", ".join("COALESCE(%s, CHAR(0))" % column.text for column in columns)
    return "SHA2(CONCAT_WS(CHAR(31), %s), 256)" % texts


def row_hash(row: Row) -> str:
    """What ``hash_sql`` gives for the same event."""
    return hashlib.sha256("\x1f".join("\0" if text is None else text for text in row).encode()).hexdigest()


def digest(rows: Sequence[Row]) -> str:
    """SHA-256 over the hashes of events in their order."""
    return hashlib.sha256("".join(map(row_hash, rows)).encode()).hexdigest()


def digest_in_table(
    connection: Connection, table: Table, columns: Sequence[Column], ids: Sequence[Any], lock: str = ""
) -> Tuple[int, Optional[str]]:
    """How many of the events ``ids`` are there, and their digest in the order of the ids. ``lock`` may be ``FOR UPDATE``."""
    row = connection.rows(
        "SELECT COUNT(*) AS n, SHA2(GROUP_CONCAT(%s ORDER BY e.%s SEPARATOR ''), 256) AS digest FROM %s e WHERE e.%s IN (%s) %s"
        % (hash_sql(columns), table.id, table.sql, table.id, marks(ids), lock),
        ids,
    )[0]
    return int(row["n"]), row["digest"]


def lines(connection: Connection, table: Table, columns: Sequence[Column], ids: Sequence[Any]) -> bytes:
    """The events ``ids``, one line of JSON each, in the order of the ids. The server writes them: Python would take three times as long.

    :raises BadInput: when they are too large to be sent at once, or one of them is gone.
    """
    pairs = ", ".join("%%s, %s" % column.value for column in columns)
    row = connection.rows(
        "SELECT COUNT(*) AS n, GROUP_CONCAT(JSON_OBJECT(%s) ORDER BY e.%s SEPARATOR '\\n') AS found FROM %s e WHERE e.%s IN (%s)"
        % (pairs, table.id, table.sql, table.id, marks(ids)),
        [*(column.name for column in columns), *ids],
    )[0]
    text = (row["found"] or "") + "\n"
    if not int(row["n"]) == len(ids) == text.count("\n"):
        raise BadInput(
            "%d events of %s were asked for and %d lines came back." % (len(ids), table.label, text.count("\n")),
            "They may be too large to be sent at once (max_allowed_packet): give a smaller chunk_rows. These were not archived.",
        )
    return text.encode()


def parse(line: bytes, columns: Sequence[Column]) -> Row:
    """One line read back.

    :raises ValueError: when it is no event with these columns.
    """
    event: Dict[str, Any] = json.loads(line)
    if len(event) != len(columns):
        raise ValueError("it has %d values, not %d" % (len(event), len(columns)))
    values = [event[column.name] for column in columns]
    return tuple([value if value is None or isinstance(value, str) else str(value) for value in values])


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


def marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))
