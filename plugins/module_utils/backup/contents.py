# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database holds, in a form that can be compared: rows and a checksum per table, the chain of each event store, a hash per object.

How rows become a checksum is in ``sums``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..mysql.connection import LOST, Connection, SqlError
from ..mysql.dialect import Server, quote_identifier
from . import sums
from .sums import Column, Table

#: Goes to the manifest; changes whenever the same rows would give another checksum.
METHOD = "sha256-crc32-1"
_GENERATED = re.compile(r"(STORED|VIRTUAL|PERSISTENT)( GENERATED)?", re.I)


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
    are further sessions that see the same state; they read side by side.

    A table that this user may not read has None for rows and checksum.

    :raises SqlError: when a connection is lost.
    """
    readers = [connection, *others]
    for one in readers:
        session(one, server)
    columns, listed = columns_of(connection, database), _tables(connection, database)
    tables = [Table(name, columns[name], size) for name, (unused, size) in listed.items() if name in columns]
    wide = {name for name, facts in (like or {}).items() if str(facts.get("checksum") or "").startswith(sums.WIDE)}
    definitions = objects(connection, database)
    found, stores = sums.read(readers, database, tables, wide)
    facts = {name: dict(found[name], engine=listed[name][0]) for name in sorted(found)}
    return Contents(facts, stores, definitions)


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


def _tables(connection: Connection, database: str) -> Dict[str, Tuple[str, int]]:
    """Engine and bytes of each table."""
    rows = connection.rows(
        "SELECT TABLE_NAME AS t, ENGINE AS e, DATA_LENGTH AS size FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
        " AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME",
        [database],
    )
    return {row["t"]: (row["e"] or "", int(row["size"] or 0)) for row in rows}


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
