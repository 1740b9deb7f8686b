# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task event_compensate: its own options, and from them a plan, its recording, and what can be seen of it."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..core.errors import BadInput, Refused, RunbookError
from ..laravel.artisan import Artisan
from ..mysql.connection import Connection
from ..transport.base import make
from . import compensate, compensate_record
from .compensate import Compensation
from .options import wanted_schemas
from .session import open_session
from .stores import Table, discover


def compensate_spec() -> Dict[str, Dict[str, Any]]:
    return {
        "table": {"type": "str", "required": True},
        "time_zone": {"type": "str", "default": "+00:00"},
        "aggregate_uuid": {"type": "str", "required": True},
        "from_event": {"type": "str", "required": True},
        "inverses": {
            "type": "list",
            "elements": "dict",
            "required": True,
            "options": {
                "event_class": {"type": "str", "required": True},
                "inverse_class": {"type": "str", "required": True},
                "properties": {"type": "dict", "default": {}},
                "event_version": {"type": "int", "default": 1},
            },
        },
        "skip_classes": {"type": "list", "elements": "str", "default": []},
        "max_events": {"type": "int", "default": 100},
        "append": {"type": "bool", "default": False},
        "command": {"type": "str"},
        "arguments": {"type": "list", "elements": "str", "default": []},
        "timeout": {"type": "float", "default": 60.0},
    }


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Plan, and unless in check mode record, one event after the other."""
    known = compensate.inverses(params["inverses"])
    if params["append"] and params["command"]:
        raise BadInput("Give command or append, not both: an event is recorded once.")
    if params["max_events"] < 1:
        raise BadInput("max_events must be 1 or more.")
    schemas = wanted_schemas({**params, "schemas": []})
    connection, _server = open_session(params)
    with connection:
        table = discover(connection, schemas, [params["table"]]).events[0]
        first = _first_version(connection, table, params)
        events = compensate_record.read(connection, table, params["aggregate_uuid"], first)
        planned = compensate.plan(events, known, params["skip_classes"])
        result = _result(planned, compensate.compensated(events), params)
        if len(planned) > params["max_events"]:
            raise Refused(
                "%d events would be compensated, max_events is %d. Nothing was done."
                % (len(planned), params["max_events"]),
                "Look at the plan, then raise max_events.",
                **_plan_of(result),
            )
        if params["append"] and planned:
            _check_append(connection, table, params["aggregate_uuid"])
        artisan = None if not params["command"] or not planned else _artisan(params)
        if planned and not check_mode:
            connection.rows("SET SESSION TRANSACTION READ WRITE")
            connection.rows("SET SESSION sql_mode = 'STRICT_ALL_TABLES'")
            _record(connection, table, artisan, planned, first, params, result)
    result["diff"] = {
        "before": [],
        "after": [{key: row[key] for key in row if key != "id"} for row in result["events"]],
    }
    return result


def _first_version(connection: Connection, table: Table, params: Dict[str, Any]) -> int:
    version = connection.value(
        "SELECT e.aggregate_version FROM %s e WHERE e.%s = %%s AND e.aggregate_uuid = %%s" % (table.sql, table.id),
        [params["from_event"], params["aggregate_uuid"]],
    )
    if version is None:
        raise BadInput(
            "%s has no event %s of the aggregate %s." % (table.label, params["from_event"], params["aggregate_uuid"]),
            "Check from_event and aggregate_uuid; an archived event must be restored first.",
        )
    return int(version)


def _check_append(connection: Connection, table: Table, uuid: str) -> None:
    """:raises Refused: when an event that only the application can write is needed."""
    if "meta_data" not in table.columns:
        raise Refused("%s has no meta_data, so an event can't point at what it undoes." % table.label)
    kind = connection.value(
        "SELECT EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COLUMN_NAME = %s",
        [table.schema, table.name, table.key],
    )
    if "auto_increment" not in str(kind).lower():
        raise Refused("The ids of %s are made by the application, not by the database." % table.label, "Give command.")
    for event in compensate_record.read(connection, table, uuid, 0):
        found = next(compensate.hashes(event.properties), None)
        if found:
            raise Refused(
                "Event %s of %s has a hash at %s: the application chains its events, and only it can go on with the chain. "
                "Nothing was done." % (event.id, table.label, found),
                "Give a command of the application that records the events.",
            )


def _artisan(params: Dict[str, Any]) -> Artisan:
    if not params["app_dir"]:
        raise BadInput("command needs app_dir, the directory of the application.")
    text = " ".join(params["arguments"])
    lacking = [name for name in ("{properties}", "{undoes}", "{aggregate_uuid}") if name not in text]
    if lacking:
        raise BadInput(
            "arguments have no %s, without which the command can't know what to record." % lacking[0],
            "Each event is one run of the command; {event_class} may be in them too.",
        )
    one = Artisan(make(params), params["app_dir"], params["php"], {}, params["timeout"])
    target = one.transport.targets()[0]
    one.require(target)
    if params["command"] not in one.capabilities(target).commands:
        raise Refused("The application has no command %s. Nothing was done." % params["command"], "Check command.")
    return one


def _record(
    connection: Connection,
    table: Table,
    artisan: Optional[Artisan],
    planned: List[Compensation],
    first: int,
    params: Dict[str, Any],
    result: Dict[str, Any],
) -> None:
    uuid = params["aggregate_uuid"]
    if artisan is None and not params["append"]:
        raise Refused(
            "%d events are to be compensated, and it is not said who records them. Nothing was done." % len(planned),
            "Give command, a command of the application; or append=true, when its events carry no hashes.",
            **_plan_of(result),
        )
    if artisan is None:
        for row, number in zip(result["events"], compensate_record.append(connection, table, uuid, planned, first)):
            row["id"] = number
        result["recorded"] = len(planned)
        return
    target = artisan.transport.targets()[0]
    for row, one in zip(result["events"], planned):
        try:
            compensate_record.through_artisan(artisan, target, params["command"], params["arguments"], uuid, one)
            event = compensate_record.recorded(connection, table, uuid, one, first)
        except RunbookError as error:
            error.data.update(_plan_of(result), changed=result["recorded"] > 0)
            raise
        row["id"], row["aggregate_version"] = event.id, event.version
        result["recorded"] += 1


def _plan_of(result: Dict[str, Any]) -> Dict[str, Any]:
    """The return values that go with an error, which has a message of its own."""
    return {name: value for name, value in result.items() if name not in ("message", "changed")}


def _result(planned: List[Compensation], before: List[str], params: Dict[str, Any]) -> Dict[str, Any]:
    by = "append" if params["append"] else "artisan" if params["command"] else "nobody"
    projected = "The application projects what its command records."
    if by != "artisan":
        projected = "Projectors see none of it: replay the projections of this aggregate afterwards."
    return {
        "changed": bool(planned),
        "events": [
            {
                "undoes": one.undoes,
                "undone_class": one.undone_class,
                "aggregate_version": one.version,
                "event_class": one.event_class,
                "properties": one.properties,
                "id": None,
            }
            for one in planned
        ],
        "recorded": 0,
        "recorded_by": by,
        "already_compensated": before,
        "message": "%d events of %s undo those from %s on. %s"
        % (len(planned), params["aggregate_uuid"], params["from_event"], projected)
        if planned
        else "Every event of %s from %s on is compensated already, or skipped."
        % (params["aggregate_uuid"], params["from_event"]),
    }
