# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SQL says of the events of a replay: how many there are of each class, and whether some are gone from the store."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..core.errors import Failed, Refused
from ..mysql.connection import Connection
from .replay_plan import Scope
from .replay_schema import Names, q
from .stores import Found, Table, discover


def store_table(connection: Connection, schema: str, name: str) -> Table:
    """The event table as it is in the live schema.

    :raises Refused: when it has no numeric key named id.
    """
    table = discover(connection, [schema], [name]).events[0]
    kind = connection.value(
        "SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = 'id'",
        [schema, name],
    )
    if table.key != "id" or str(kind).lower() not in ("bigint", "int", "mediumint"):
        raise Refused("%s has no numeric primary key id; replays go by it." % table.label, "Nothing was changed.")
    return table


def head(connection: Connection, names: Names, table: str) -> int:
    """The last id in the live store, 0 when it is empty."""
    return int(connection.value("SELECT COALESCE(MAX(id), 0) FROM %s" % names.live_table(table)))


def by_class(connection: Connection, names: Names, table: str, scope: Scope, upto: int) -> Dict[str, int]:
    """The events a replay up to ``upto`` has to apply, by the name in event_class."""
    where, args = scope.where(upto)
    rows = connection.rows(
        "SELECT event_class AS c, COUNT(*) AS n FROM {} WHERE {} GROUP BY event_class ORDER BY event_class".format(
            names.live_table(table).replace("%", "%%"), where
        ),
        args,
    )
    return {str(row["c"]): int(row["n"]) for row in rows}


def refuse_hidden(connection: Connection, names: Names, table: str, scope: Scope) -> None:
    """:raises Refused: when events lie under a name that the package does not look for."""
    for name in scope.hidden:
        if connection.rows(
            "SELECT 1 FROM %s WHERE event_class = %%s LIMIT 1" % names.live_table(table).replace("%", "%%"), [name]
        ):
            raise Refused(
                "%s has events stored as '%s', which the package passes over in a replay: it looks for the first alias of a class only."
                % (table, name),
                "Rename them in event_class to the first alias, or take the alias away. Nothing was changed.",
            )


def refuse_archived(connection: Connection, names: Names, store: Table) -> None:
    """:raises Refused: when events were moved out of the store: what is rebuilt from the rest would be wrong."""
    gone = _first_gone(connection, names, store)
    if gone is not None:
        raise Refused(
            "Events of %s were archived or deleted (%s), so a read model can't be rebuilt from it."
            % (store.label, gone),
            "Restore them first, with event_archive where it moved them. Nothing was changed.",
        )


def _first_gone(connection: Connection, names: Names, store: Table) -> Optional[str]:
    rows = connection.rows(
        f"SELECT aggregate_uuid AS u, MIN(aggregate_version) AS v FROM {store.sql} WHERE aggregate_uuid IS NOT NULL "
        "GROUP BY aggregate_uuid HAVING MIN(aggregate_version) > 1 LIMIT 1",
        [],
    )
    if rows:
        return "aggregate %s begins at version %s" % (rows[0]["u"], rows[0]["v"])
    found = discover(connection, [names.live])
    for table in _snapshots_of(found, store):
        rows = connection.rows(
            "SELECT s.aggregate_uuid AS u FROM {} s LEFT JOIN {} e ON {} AND e.aggregate_version = 1 "
            "WHERE e.id IS NULL LIMIT 1".format(table.sql, store.sql, store.of_uuid("e", "s.aggregate_uuid")),
            [],
        )
        if rows:
            return "aggregate %s has a snapshot and no events" % rows[0]["u"]
    columns = connection.rows(
        "SELECT TABLE_NAME AS t FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND COLUMN_NAME IN "
        "('source_table', 'aggregate_uuid', 'archived_at') GROUP BY TABLE_NAME HAVING COUNT(*) = 3",
        [names.live],
    )
    for row in columns:
        if connection.rows(
            "SELECT 1 FROM %s WHERE source_table = %%s LIMIT 1" % q(names.live, row["t"]).replace("%", "%%"),
            [store.name],
        ):
            return "%s holds some" % row["t"]
    return None


def _snapshots_of(found: Found, store: Table) -> List[Any]:
    """The snapshot tables that can only be of this store."""
    same = [one for one in found.events if one.schema == store.schema]
    return [table for table in found.snapshots if same == [store]]


def compare_counts(wanted: Dict[str, int], applied: Dict[str, int], upto: int) -> None:
    """:raises Failed: when not exactly the events that SQL counts were applied."""
    differ = {
        name: {"in_store": wanted.get(name, 0), "applied": applied.get(name, 0)}
        for name in sorted(set(wanted) | set(applied))
        if wanted.get(name, 0) != applied.get(name, 0)
    }
    if differ:
        name, numbers = next(iter(differ.items()))
        raise Failed(
            "Up to id %d the store has %d events of %s, but %d were applied: some were committed after others with a higher id, or "
            "deleted meanwhile." % (upto, numbers["in_store"], name, numbers["applied"]),
            "Nothing live was changed. Run again with restart and a longer settle_seconds.",
            counts=differ,
        )
