# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether events may be moved here at all: the table, its snapshots, the server, others at work. All is asked before anything is done."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Failed, Refused
from ..mysql.connection import Connection, connect, server
from ..mysql.dialect import Server
from ..mysql.match import is_backup
from ..mysql.read import Reader
from .session import lag_seconds
from .stores import Found, Table

_TRANSACTIONAL = ("innodb", "rocksdb")


def snapshots_of(found: Found, table: Table) -> Table:
    """The one snapshot table whose snapshots are of this event table. ``found`` holds every table of the schemas.

    An aggregate of another store may have the same uuid, so a guess could delete what no snapshot covers.

    :raises Refused: when there is none, or the columns alone don't tell which.
    """
    near = [one for one in found.snapshots if one.schema == table.schema]
    own = [one for one in near if found.pairs.get(one.name) == table.name]
    if not own and len(near) == 1 and near[0].name not in found.pairs:
        alone = [one for one in found.events if one.schema == table.schema] == [table]
        own = near if alone else []
    if len(own) == 1:
        return own[0]
    if not near:
        raise Refused(
            "%s has no snapshots: there is no snapshot table in its database, so every event is needed." % table.label,
            "Let the application take snapshots first.",
        )
    raise Refused(
        "Which snapshots are of %s can't be told: its database has the snapshot tables %s and %d event tables. Nothing was done."
        % (
            table.label,
            ", ".join(one.name for one in near),
            len([e for e in found.events if e.schema == table.schema]),
        ),
        "Say so with the option snapshots, such as {%s: %s}." % (near[0].name, table.name),
    )


def check_table(connection: Connection, table: Table, snapshots: Optional[Table], event: str) -> None:
    """:raises Refused: when moving events of this table can't be done in a safe way. ``event`` is ``DELETE`` or ``INSERT``."""
    for one in (table, snapshots):
        if one is not None and (one.key is None or not one.uuid_index):
            raise Refused(
                "%s lacks %s."
                % (one.label, "a primary key of one column" if one.key is None else "an index on aggregate_uuid"),
                "Add what the package's migration makes.",
            )
    if not table.unique_versions:
        raise Refused(
            "%s has no unique index on aggregate_uuid and aggregate_version, so versions prove nothing." % table.label,
            "See event_store_verify, then add the index.",
        )
    at = [table.schema, table.name]
    engine = str(
        connection.value("SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", at)
    )
    if engine.lower() not in _TRANSACTIONAL:
        raise Refused("%s is kept by the engine %s, which has no transactions." % (table.label, engine))
    trigger = connection.value(
        "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s "
        "AND EVENT_MANIPULATION = %s",
        [*at, event],
    )
    if trigger:
        raise Refused("%s has the trigger %s, which every %s would set off." % (table.label, trigger, event))
    child = connection.value(
        "SELECT CONCAT(TABLE_SCHEMA, '.', TABLE_NAME) FROM information_schema.KEY_COLUMN_USAGE "
        "WHERE REFERENCED_TABLE_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s LIMIT 1",
        at,
    )
    if child and event == "DELETE":
        raise Refused("%s has a foreign key to %s, so its rows would hinder or follow a move." % (child, table.label))


def check_server(connection: Connection, of: Server) -> None:
    """:raises Refused: when the server takes no writes, a backup runs, or whether one does can't be seen."""
    if int(connection.value("SELECT @@global.read_only")):
        raise Refused("%s is read-only." % connection.place, "Events are moved on the primary; its replicas follow.")
    running = backup(connection, of)
    if running:
        raise Refused(
            "A backup runs on %s: %s. Nothing was done." % (connection.place, running),
            "Wait for it: a backup taken meanwhile could hold events neither in the table nor in the archive's files.",
        )


def backup(connection: Connection, of: Server) -> str:
    """Who takes a backup now, empty when nobody does.

    :raises Refused: when the connections of others can't be seen.
    """
    seen = Reader(connection, of).snapshot()
    if not seen.complete:
        raise Refused(
            "Whether a backup runs on %s can't be seen without the PROCESS privilege." % connection.place,
            "Grant it to this user.",
        )
    found = [one for one in seen.processes if one.id != seen.own_id and is_backup(one)]
    return "; ".join("connection %d of %s from %s" % (one.id, one.user, one.machine) for one in found)


def take_lock(connection: Connection, table: Table) -> None:
    """One move at a time for each table. The server gives it back when this connection ends, however it does.

    :raises Refused: when another run has it.
    """
    name = _lock_name(table)
    if not connection.value("SELECT GET_LOCK(%s, 0)", [name]):
        holder = connection.value("SELECT IS_USED_LOCK(%s)", [name])
        raise Refused(
            "Another run moves events of %s (connection %s of %s)." % (table.label, holder, connection.place),
            "Wait for it to end.",
        )


def see_lock(connection: Connection, table: Table) -> None:
    """See that the lock is still ours, which also keeps the server from ending a connection that rests for long.

    :raises Failed: when it is not: then another run may be at work, and its catalogue must not be written over.
    """
    if not connection.value("SELECT IS_USED_LOCK(%s) <=> CONNECTION_ID()", [_lock_name(table)]):
        raise Failed(
            "The lock for moving events of %s on %s is no longer ours." % (table.label, connection.place),
            "Nothing more was begun. Look who ended the connection, then run again: it goes on.",
        )


def _lock_name(table: Table) -> str:
    return "finaegis.archive." + hashlib.sha256(table.label.encode()).hexdigest()[:32]


class Replicas:
    """The replicas to look at while events are moved."""

    def __init__(self, params: Dict[str, Any], places: Sequence[Dict[str, Any]]) -> None:
        """:raises Refused: when one is no replica."""
        self._all: List[Tuple[Connection, Server]] = []
        try:
            for place in places:
                one = connect({**params, "login_unix_socket": None, "login_db": None, **place})
                self._all.append((one, server(one)))
                if not lag_seconds(*self._all[-1])[0]:
                    raise Refused("%s is no replica." % one.place, "Check the option replicas.")
        except BaseException:
            self.close()
            raise

    def lag(self) -> Tuple[bool, Optional[float]]:
        """As ``session.lag_seconds``, the worst of all."""
        lags = [lag_seconds(*one)[1] for one in self._all]
        return bool(lags), None if None in lags else max((lag for lag in lags if lag is not None), default=0.0)

    def close(self) -> None:
        for connection, _server in self._all:
            connection.close()


def wanted_tables(found: Found, names: Sequence[str], schemas: Sequence[str]) -> List[Table]:
    """The event tables of these names.

    :raises BadInput: when none is named: what is to be moved must be said.
    """
    if not names:
        raise BadInput(
            "The option tables names no event table, and events are moved of named ones only.",
            "Those of %s are %s." % (", ".join(schemas), ", ".join(one.label for one in found.events) or "none"),
        )
    return [one for one in found.events if one.name in names]
