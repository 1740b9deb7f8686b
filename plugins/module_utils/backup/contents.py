# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds, in a form that can be compared: rows and a checksum per table, the chain of each event store, a hash per object.

All is computed by the server in one pass over each table. The checksum is our own, because CHECKSUM TABLE differs between equal tables
(MariaDB 10.11 with stored generated columns) and between versions.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import re
import threading
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..mysql.connection import LOST, Connection, SqlError
from ..mysql.dialect import Server, quote_identifier

#: Goes to the manifest; changes whenever the same rows would give another checksum.
METHOD = "sha256-crc32-1"
#: Ids of one link in the chain of an event store.
BLOCK = 100000
#: The columns that make a table an event store, whatever its name.
_EVENT_COLUMNS = {"aggregate_uuid", "aggregate_version", "event_class", "event_properties"}
_GENERATED = re.compile(r"(STORED|VIRTUAL|PERSISTENT)( GENERATED)?", re.I)
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
class Contents:
    """The same shapes as in ``manifest.Manifest``: ``tables`` (rows, checksum, engine), ``event_stores``, ``objects``."""

    tables: Dict[str, Dict[str, Any]]
    event_stores: Dict[str, Dict[str, Any]]
    objects: Dict[str, str]


def session(connection: Connection, server: Server) -> None:
    """Make the session one in which equal rows give equal texts, and that may read long."""
    limit = "max_statement_time" if server.is_mariadb else "max_execution_time"
    connection.rows("SET SESSION %s = 0, time_zone = '+00:00', sql_mode = ''" % limit)


def read(
    connection: Connection,
    server: Server,
    database: str,
    like: Optional[Dict[str, Dict[str, Any]]] = None,
    others: Sequence[Connection] = (),
) -> Contents:
    """Read everything. ``like`` are the tables of a manifest to compare with: their long rows are hashed in the same way. ``others``
    are further sessions that see the same state; tables are then read side by side, the largest first.

    A table that this user may not read has None for rows and checksum.

    :raises SqlError: when a connection is lost.
    """
    for one in (connection, *others):
        session(one, server)
    columns = columns_of(connection, database)
    engines, found = _engines(connection, database), objects(connection, database)
    waiting = collections.deque(name for name in engines if name in columns)
    tables: Dict[str, Dict[str, Any]] = {}
    stores: Dict[str, Dict[str, Any]] = {}
    problems: List[BaseException] = []

    def work(reader: Connection) -> None:
        try:
            while not problems:
                name = waiting.popleft()
                wide = str(((like or {}).get(name) or {}).get("checksum") or "").startswith(WIDE)
                facts, store = sums(reader, database, name, columns[name], wide)
                tables[name] = dict(facts, engine=engines[name])
                if store is not None:
                    stores[name] = store
        except IndexError:
            return
        except BaseException as error:  # told to the caller's thread
            problems.append(error)

    threads = [threading.Thread(target=work, args=(other,), daemon=True) for other in others]
    for thread in threads:
        thread.start()
    work(connection)
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]
    return Contents(dict(sorted(tables.items())), dict(sorted(stores.items())), found)


def columns_of(connection: Connection, database: str) -> Dict[str, List[Column]]:
    """The columns of each table and view in their order, as far as this user sees them."""
    found: Dict[str, List[Column]] = {}
    for row in connection.rows(
        "SELECT TABLE_NAME AS t, COLUMN_NAME AS c, LOWER(DATA_TYPE) AS d, IS_NULLABLE AS n, EXTRA AS e, COLUMN_KEY AS k"
        " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, ORDINAL_POSITION",
        [database],
    ):
        generated = bool(_GENERATED.search(str(row["e"] or "").replace("DEFAULT_GENERATED", "")))
        column = Column(row["c"], str(row["d"]), row["n"] == "YES", generated, row["k"] == "PRI")
        found.setdefault(row["t"], []).append(column)
    return found


def sums(
    connection: Connection, database: str, table: str, columns: List[Column], wide: bool = False
) -> Tuple[Dict[str, Any], Optional[Dict[str, Any]]]:
    """Rows and checksum of one table, and of an event store its highest id and chain (else None)."""
    key = store_key(columns)
    try:
        rows = connection.rows(sums_sql(database, table, columns, key, wide))
        if any(int(row["s"] or 0) >= _NO_HASH for row in rows):
            # A row that is longer than max_allowed_packet when put together has no hash: then its long values are hashed first.
            if wide:
                return {"rows": sum(int(row["n"]) for row in rows), "checksum": None}, None
            return sums(connection, database, table, columns, True)
    except SqlError as error:
        if error.code in LOST:
            raise
        return {"rows": None, "checksum": None}, None
    total = sum(int(row["n"]) for row in rows)
    checksum = "%s%x" % (WIDE if wide else "", sum(int(row["s"] or 0) for row in rows))
    facts = {"rows": total, "checksum": checksum}
    if key is None:
        return facts, None
    highest = max((int(row["top"]) for row in rows), default=None)
    return facts, {
        "highest_id": highest,
        "rows": total,
        "chain": chain(rows) if rows and total else None,
        "block": BLOCK,
    }


def store_key(columns: List[Column]) -> Optional[str]:
    """The number by which an event store is in order; None for what is no event store or has another kind of key."""
    keys = [column for column in columns if column.primary]
    if {column.name.lower() for column in columns} >= _EVENT_COLUMNS and len(keys) == 1 and keys[0].kind in _INTEGERS:
        return keys[0].name
    return None


def sums_sql(database: str, table: str, columns: List[Column], key: Optional[str], wide: bool = False) -> str:
    """Rows (n) and the sum of their hashes (s); of an event store for each block of ids (b), with its highest id (top).

    A sum does not depend on the order. Of each row the CRC-32 of its SHA-256 is added: CRC-32 alone would not notice two values that
    changed places. MySQL has neither MD5 nor SHA1 from 9.6 on, and on processors that have it built in SHA-256 costs half of MD5.
    """
    name = "%s.%s" % (quote_identifier(database), quote_identifier(table))
    total = "SUM(IFNULL(CRC32(SHA2(%s, 256)), %d))" % (row_sql(columns, wide), _NO_HASH)
    if key is None:
        return "SELECT COUNT(*) AS n, %s AS s FROM %s" % (total, name)
    key = quote_identifier(key)
    return "SELECT %s DIV %d AS b, COUNT(*) AS n, %s AS s, MAX(%s) AS top FROM %s GROUP BY b ORDER BY b" % (
        key,
        BLOCK,
        total,
        key,
        name,
    )


def row_sql(columns: List[Column], wide: bool) -> str:
    """One text for a row: its values with a control character in between, and which of them are NULL."""
    texts = [_text(column, wide) for column in columns if not column.generated]
    empty = [
        "ISNULL(%s)" % quote_identifier(column.name) for column in columns if column.nullable and not column.generated
    ]
    return "CONCAT_WS(CHAR(31), %s)" % ", ".join([*texts, *empty] or ["''"])


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


def _engines(connection: Connection, database: str) -> Dict[str, str]:
    rows = connection.rows(
        "SELECT TABLE_NAME AS t, ENGINE AS e FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY DATA_LENGTH DESC, TABLE_NAME",
        [database],
    )
    return {row["t"]: row["e"] or "" for row in rows}


def objects(connection: Connection, database: str) -> Dict[str, str]:
    """SHA-256 of the definition of every table, view, trigger, routine and event; of one that may not be seen, the text ``unseen``."""
    found: Dict[str, str] = {}
    for kind, name, statement in _object_statements(connection, database):
        found["%s:%s" % (kind, name)] = _definition(connection, statement, database)
    return found


def _object_statements(connection: Connection, database: str) -> List[Tuple[str, str, str]]:
    listed = [
        "SELECT TABLE_NAME, IF(TABLE_TYPE = 'VIEW', 'view', 'table') FROM information_schema.TABLES WHERE TABLE_SCHEMA",
        "SELECT TRIGGER_NAME, 'trigger' FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA",
        "SELECT ROUTINE_NAME, LOWER(ROUTINE_TYPE) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA",
        "SELECT EVENT_NAME, 'event' FROM information_schema.EVENTS WHERE EVENT_SCHEMA",
    ]
    found = []
    for sql in listed:
        for row in connection.rows(sql + " = %s ORDER BY 1", [database]):
            name, kind = (str(value) for value in row.values())
            if kind in ("table", "view", "trigger", "procedure", "function", "event"):
                where = "%s.%s" % (quote_identifier(database), quote_identifier(name))
                found.append((kind, name, "SHOW CREATE %s %s" % (kind.upper(), where)))
    return found


#: What differs between a table and its restored copy, or says where it lies, and is no part of what it is.
_NOT_PART = (
    (re.compile(r" AUTO_INCREMENT=\d+"), ""),
    (re.compile(r" (STARTS|ENDS) '[^']*'"), ""),
    (re.compile(r"ALGORITHM=UNDEFINED "), ""),
)
_DEFINITIONS = (
    "Create Table",
    "Create View",
    "SQL Original Statement",
    "Create Procedure",
    "Create Function",
    "Create Event",
)


def _definition(connection: Connection, statement: str, database: str) -> str:
    try:
        row = connection.rows(statement)[0]
    except SqlError as error:
        if error.code in LOST:
            raise
        return "unseen"
    text = next((row[key] for key in _DEFINITIONS if key in row), None)
    if text is None:  # SHOW CREATE PROCEDURE without the right to see the body
        return "unseen"
    # A view names its database everywhere; the copy may have another name.
    text = str(text).replace("%s." % quote_identifier(database), "")
    for pattern, instead in _NOT_PART:
        text = pattern.sub(instead, text)
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def differences(manifest: Any, contents: Contents) -> List[Dict[str, Any]]:
    """What differs: a list of ``{what, expected, observed}``, ``what`` being such as ``table accounts rows``. Pure.

    What the manifest could not read (None, ``unseen``) can't be compared; see ``uncompared``.
    """
    found: List[Dict[str, Any]] = []

    def note(what: str, expected: Any, observed: Any) -> None:
        if expected != observed:
            found.append({"what": what, "expected": expected, "observed": observed})

    for name in sorted(set(manifest.tables) | set(contents.tables)):
        if name not in manifest.tables or name not in contents.tables:
            note("table %s" % name, name in manifest.tables, name in contents.tables)
            continue
        for fact in ("rows", "checksum"):
            if manifest.tables[name].get(fact) is not None:
                note("table %s %s" % (name, fact), manifest.tables[name][fact], contents.tables[name].get(fact))
    for name, store in sorted(manifest.event_stores.items()):
        for fact in ("highest_id", "chain"):
            note("event store %s %s" % (name, fact), store[fact], (contents.event_stores.get(name) or {}).get(fact))
    for name in sorted(set(manifest.objects) | set(contents.objects)):
        if manifest.objects.get(name) != "unseen" and not (
            name.startswith("table:") and name[6:] not in contents.tables
        ):
            note(name, manifest.objects.get(name), contents.objects.get(name))
    return found


def uncompared(manifest: Any) -> List[str]:
    """What the manifest says nothing of, so that no comparison can be whole."""
    found = ["table %s" % name for name, facts in sorted(manifest.tables.items()) if facts.get("checksum") is None]
    return found + [name for name, digest in sorted(manifest.objects.items()) if digest == "unseen"]
