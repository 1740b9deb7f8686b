# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tables are event stores and which hold snapshots: told by their columns, in one schema or in many, never by name."""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Refused
from ..mysql.connection import Connection
from ..mysql.dialect import quote_identifier

#: What every version of the package needs; meta_data and event_version came later or are missing in some applications. An
#: application's own table of archived events has no created_at and is no store.
EVENT_COLUMNS = frozenset({"aggregate_uuid", "aggregate_version", "event_class", "event_properties", "created_at"})
SNAPSHOT_COLUMNS = frozenset({"aggregate_uuid", "aggregate_version", "state"})
_COLUMNS = EVENT_COLUMNS | SNAPSHOT_COLUMNS | {"event_version", "meta_data"}
_NO_SCHEMAS = ("information_schema", "performance_schema", "mysql", "sys")


def name_sql(name: str) -> str:
    """A name for a statement with arguments, in which a percent sign must be doubled."""
    return quote_identifier(name).replace("%", "%%")


@dataclasses.dataclass(frozen=True)
class Table:
    """One event or snapshot table. ``columns`` are those of ours it has, with their data types (lower case).

    ``uuid_collation`` is that of aggregate_uuid, None where it is no text. ``key`` is its primary key's one column, None when there
    is no such key. ``unique_versions`` tells whether a unique index holds exactly uuid and version, ``uuid_index`` whether any index
    begins with the uuid. ``estimated_rows`` is the server's guess.
    """

    schema: str
    name: str
    columns: Dict[str, str]
    uuid_collation: Optional[str]
    key: Optional[str]
    unique_versions: bool
    uuid_index: bool
    estimated_rows: int

    @property
    def label(self) -> str:
        return "%s.%s" % (self.schema, self.name)

    @property
    def sql(self) -> str:
        """The table's name for a statement with arguments."""
        return "%s.%s" % (name_sql(self.schema), name_sql(self.name))

    @property
    def id(self) -> str:
        """The key column's name for a statement with arguments."""
        return name_sql(self.key or "id")

    def of_uuid(self, alias: str, uuid: str) -> str:
        """The condition for the rows (under an alias) of one aggregate, a column of another table, so that the index is used.

        Two tables need not have the same collation, and texts of two can't be compared.
        """
        if self.uuid_collation:
            charset = self.uuid_collation.split("_")[0]
            uuid = "CONVERT(%s USING %s) COLLATE %s" % (uuid, charset, self.uuid_collation)
        return "%s.aggregate_uuid = %s" % (alias, uuid)

    def is_text(self, column: str) -> bool:
        """Whether a JSON column is text (MariaDB), which can hold anything, rather than the server's own type (MySQL)."""
        return self.columns.get(column, "json") != "json"


@dataclasses.dataclass(frozen=True)
class Store:
    """An event table and the snapshot tables whose snapshots may be of its aggregates."""

    events: Table
    snapshots: Tuple[Table, ...]


@dataclasses.dataclass(frozen=True)
class Found:
    """All tables of ``schemas``. ``pairs`` says of which event table a snapshot table is, by names within a schema."""

    schemas: Tuple[str, ...]
    events: Tuple[Table, ...]
    snapshots: Tuple[Table, ...]
    pairs: Dict[str, str] = dataclasses.field(default_factory=dict)

    def stores(self) -> List[Store]:
        return [Store(table, tuple(s for s in self.snapshots if table in self.events_of(s))) for table in self.events]

    def events_of(self, snapshots: Table) -> List[Table]:
        """The event tables that a snapshot table may be of: the one named in ``pairs``, else all of its schema."""
        near = [table for table in self.events if table.schema == snapshots.schema]
        paired = self.pairs.get(snapshots.name)
        return near if paired is None else [table for table in near if table.name == paired]


def kind(columns: Iterable[str]) -> Optional[str]:
    """``events``, ``snapshots`` or None, for the names of a table's columns."""
    names = frozenset(columns)
    if names >= EVENT_COLUMNS:
        return "events"
    return "snapshots" if names >= SNAPSHOT_COLUMNS and "event_class" not in names else None


def choose_schemas(wanted: Sequence[str], there: Sequence[str]) -> List[str]:
    """The schemas that are there and that ``wanted`` names; a wanted one may be a pattern with ``*``.

    :raises Refused: when a name or pattern fits none.
    """
    chosen: List[str] = []
    for one in wanted:
        fitting = [name for name in there if fnmatch.fnmatchcase(name, one) and name not in _NO_SCHEMAS]
        if not fitting:
            raise Refused(
                "There is no database '%s' here, or this user has no right to see it." % one,
                "Check the option schemas (or login_db) and the user's grants; it needs SELECT.",
            )
        chosen += [name for name in fitting if name not in chosen]
    return chosen


def discover(
    connection: Connection, wanted: Sequence[str], tables: Sequence[str] = (), pairs: Optional[Dict[str, str]] = None
) -> Found:
    """Look for stores in the schemas ``wanted`` (names or patterns); with ``tables`` only event tables of these names count.

    :raises BadInput: when a named table is no event table, or ``pairs`` names one that is not there.
    :raises Refused: when a schema is not there or can't be seen.
    """
    there = [
        row["name"] for row in connection.rows("SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA ORDER BY 1")
    ]
    schemas = choose_schemas(wanted, there)
    columns, collations = _columns(connection, schemas)
    indexes = _indexes(connection, schemas)
    sizes = _sizes(connection, schemas)
    found: Dict[str, List[Table]] = {"events": [], "snapshots": []}
    for (schema, name), own in sorted(columns.items()):
        if (schema, name) in sizes and kind(own) is not None:
            at = (schema, name)
            table = describe(schema, name, own, collations[at], indexes.get(at, {}), sizes[at])
            found[str(kind(own))].append(table)
    missing = [name for name in tables if not any(table.name == name for table in found["events"])]
    if missing:
        raise BadInput(_no_store(missing[0], schemas, columns, connection))
    events = tuple(table for table in found["events"] if not tables or table.name in tables)
    result = Found(tuple(schemas), events, tuple(found["snapshots"]), dict(pairs or {}))
    _check_pairs(result, found["events"], schemas)
    return result


def describe(
    schema: str,
    name: str,
    columns: Dict[str, str],
    uuid_collation: Optional[str],
    indexes: Dict[str, Tuple[bool, List[str]]],
    rows: int,
) -> Table:
    """Put a Table together; ``indexes`` has for each index whether it is unique and its columns in their order."""
    primary = indexes.get("PRIMARY", (True, []))[1]
    return Table(
        schema=schema,
        name=name,
        columns=columns,
        uuid_collation=uuid_collation,
        key=primary[0] if len(primary) == 1 else None,
        unique_versions=any(u and sorted(c) == ["aggregate_uuid", "aggregate_version"] for u, c in indexes.values()),
        uuid_index=any(c and c[0] == "aggregate_uuid" for unused, c in indexes.values()),
        estimated_rows=rows,
    )


def _marks(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _columns(
    connection: Connection, schemas: Sequence[str]
) -> Tuple[Dict[Tuple[str, str], Dict[str, str]], Dict[Tuple[str, str], Optional[str]]]:
    names = sorted(_COLUMNS)
    rows = connection.rows(
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, LOWER(COLUMN_NAME) AS c, LOWER(DATA_TYPE) AS d, "
        "COLLATION_NAME AS o FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA IN (%s) AND COLUMN_NAME IN (%s)" % (_marks(schemas), _marks(names)),
        [*schemas, *names],
    )
    found: Dict[Tuple[str, str], Dict[str, str]] = {}
    collations: Dict[Tuple[str, str], Optional[str]] = {}
    for row in rows:
        found.setdefault((row["s"], row["t"]), {})[row["c"]] = str(row["d"])
        if row["c"] == "aggregate_uuid":
            collations[row["s"], row["t"]] = row["o"]
    return found, collations


def _indexes(
    connection: Connection, schemas: Sequence[str]
) -> Dict[Tuple[str, str], Dict[str, Tuple[bool, List[str]]]]:
    rows = connection.rows(
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, INDEX_NAME AS i, NON_UNIQUE AS n, COLUMN_NAME AS c "
        "FROM information_schema.STATISTICS WHERE TABLE_SCHEMA IN (%s) ORDER BY SEQ_IN_INDEX" % _marks(schemas),
        schemas,
    )
    found: Dict[Tuple[str, str], Dict[str, Tuple[bool, List[str]]]] = {}
    for row in rows:
        index = found.setdefault((row["s"], row["t"]), {}).setdefault(row["i"], (not int(row["n"]), []))
        index[1].append(str(row["c"] or ""))  # an index on an expression has no column
    return found


def _sizes(connection: Connection, schemas: Sequence[str]) -> Dict[Tuple[str, str], int]:
    rows = connection.rows(
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t, TABLE_ROWS AS n FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA IN (%s) AND TABLE_TYPE = 'BASE TABLE'" % _marks(schemas),
        schemas,
    )
    return {(row["s"], row["t"]): int(row["n"] or 0) for row in rows}


def _no_store(
    name: str, schemas: Sequence[str], columns: Dict[Tuple[str, str], Dict[str, str]], connection: Connection
) -> str:
    where = ", ".join(schemas)
    schema = connection.value(
        "SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_SCHEMA IN (%s) AND TABLE_NAME = %%s LIMIT 1"
        % _marks(schemas),
        [*schemas, name],
    )
    if schema:
        lacking = EVENT_COLUMNS - frozenset(columns.get((schema, name), {}))
        return "%s.%s is no event table: it has no column %s." % (schema, name, ", ".join(sorted(lacking)))
    return "There is no table %s in %s, or this user has no right to see it." % (name, where)


def _check_pairs(found: Found, events: Sequence[Table], schemas: Sequence[str]) -> None:
    for snapshots, paired in found.pairs.items():
        for wanted, tables in ((snapshots, found.snapshots), (paired, events)):
            if not any(table.name == wanted for table in tables):
                raise BadInput(
                    "The option snapshots names %s, which is no such table in %s." % (wanted, ", ".join(schemas)),
                    "Its keys are snapshot tables, its values the event tables they belong to.",
                )
