# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recording compensating events: through a command of the application, or by ourselves in one transaction. Seen in the table either way."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Sequence

from ..core.errors import Failed, Refused
from ..laravel import output
from ..laravel.artisan import Artisan
from ..mysql.connection import Connection
from .compensate import Compensation, Event
from .stores import Table


def read(connection: Connection, table: Table, uuid: str, version: int, lock: str = "") -> List[Event]:
    """The events of an aggregate from a version on. ``lock`` may be ``FOR UPDATE``."""
    meta = "CAST(e.meta_data AS CHAR)" if "meta_data" in table.columns else "'{}'"
    rows = connection.rows(
        "SELECT CAST(e.%s AS CHAR) AS id, e.aggregate_version AS version, e.event_class AS event_class, "
        "CAST(e.event_properties AS CHAR) AS properties, %s AS meta FROM %s e "
        "WHERE e.aggregate_uuid = %%s AND e.aggregate_version >= %%s ORDER BY e.aggregate_version %s"
        % (table.id, meta, table.sql, lock),
        [uuid, version],
    )
    return [
        Event(
            str(row["id"]),
            int(row["version"]),
            row["event_class"],
            _json(table, row, "properties"),
            _json(table, row, "meta") or {},
        )
        for row in rows
    ]


def _json(table: Table, row: Dict[str, Any], name: str) -> Any:
    try:
        return json.loads(row[name] or "null")
    except ValueError as error:
        raise Refused(
            "The %s of event %s of %s are no JSON (%s)." % (name, row["id"], table.label, error),
            "See event_store_verify; such an event can't be undone by a rule.",
        ) from error


def append(connection: Connection, table: Table, uuid: str, planned: Sequence[Compensation], first: int) -> List[str]:
    """Insert the events in one transaction, provided the aggregate is as it was planned for; their ids. ``first`` is the version of the
    first event that was read for the plan.

    :raises Refused: when an event came meanwhile; nothing was done then.
    :raises Failed: when what was written reads back differently; undone.
    """
    connection.rows("START TRANSACTION")
    try:
        now = read(connection, table, uuid, first, "FOR UPDATE")
        if max(one.version for one in now) != planned[0].version - 1:
            raise Refused("The aggregate %s got a new event meanwhile. Nothing was done." % uuid, "Run it again.")
        ids = [_insert(connection, table, uuid, one) for one in planned]
        seen = {one.id: one for one in read(connection, table, uuid, planned[0].version)}
        for number, one in zip(ids, planned):
            if not _is_there(seen.get(number), one):
                raise Failed("Event %s does not read back as it was written; all of it was undone." % number)
        connection.rows("COMMIT")
        return ids
    except BaseException:
        connection.rows("ROLLBACK")
        raise


def _insert(connection: Connection, table: Table, uuid: str, one: Compensation) -> str:
    """The event, and its id in its metadata: with the keys, and in the order, that the package writes."""
    now = str(connection.value("SELECT DATE_FORMAT(NOW(), '%Y-%m-%d %H:%i:%s')"))
    meta = {"aggregate-root-uuid": uuid, "created-at": now, "aggregate-root-version": one.version, **one.meta}
    values: Dict[str, Any] = {
        "aggregate_uuid": uuid,
        "aggregate_version": one.version,
        "event_class": one.event_class,
        "event_properties": _text(one.properties),
        "meta_data": _text(meta),
        "created_at": now,
    }
    if "event_version" in table.columns:
        values["event_version"] = one.event_version
    connection.rows(
        "INSERT INTO %s (%s) VALUES (%s)" % (table.sql, ", ".join(values), ", ".join(["%s"] * len(values))),
        list(values.values()),
    )
    number = int(connection.value("SELECT LAST_INSERT_ID()"))
    connection.rows(
        "UPDATE %s SET meta_data = %%s WHERE %s = %%s" % (table.sql, table.id),
        [_text({**meta, "stored-event-id": number}), number],
    )
    return str(number)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _is_there(event: Any, one: Compensation) -> bool:
    return event is not None and (event.event_class, event.properties, event.undoes) == (
        one.event_class,
        one.properties,
        one.undoes,
    )


def through_artisan(
    artisan: Artisan, target: str, command: str, arguments: Sequence[str], uuid: str, one: Compensation
) -> None:
    """Ask the application to record one event. Whether it did is for the caller to see."""
    # Amounts and names are for no process list.
    done = artisan.run(target, command, secret_arguments=filled(arguments, uuid, one))
    if done.rc != 0:
        said = output.headline(output.plain(done.stdout)) or " ".join(done.stderr.split())[:500]
        raise Failed(
            "%s for event %s ended with %s: %s"
            % (command, one.undoes, "its time limit" if done.timed_out else done.rc, output.sentence(said)),
            "Events recorded before it stay; run it again to go on.",
        )


def filled(arguments: Sequence[str], uuid: str, one: Compensation) -> List[str]:
    """The command's arguments with the placeholders replaced, each once, so that no value is taken for a placeholder."""
    values = {
        "{aggregate_uuid}": uuid,
        "{event_class}": one.event_class,
        "{properties}": _text(one.properties),
        "{undoes}": one.undoes,
    }
    found = []
    for argument in arguments:
        for name, value in values.items():
            if name in argument:
                argument = argument.replace(name, value)
                break
        found.append(argument)
    return found


def recorded(connection: Connection, table: Table, uuid: str, one: Compensation, first: int) -> Event:
    """The event that undoes, as the application recorded it.

    :raises Failed: when it is not there, or is another one than was asked for.
    """
    for event in read(connection, table, uuid, first):
        if event.undoes == one.undoes:
            if _is_there(event, one):
                return event
            raise Failed(
                "The application recorded %s with %s for event %s, not %s with %s."
                % (event.event_class, _text(event.properties), one.undoes, one.event_class, _text(one.properties)),
                "Compare its command with inverses.",
            )
    raise Failed(
        "The command ended well, and no event of %s has compensates-event-id %s in its metadata." % (uuid, one.undoes),
        "The application must write it there, so that a second run does not undo the event again.",
    )
