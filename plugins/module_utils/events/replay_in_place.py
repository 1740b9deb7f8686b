# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The package's own replay, on the live tables: writers stopped, a copy taken first, judged by what it did, undone when it failed."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Dict, List

from ..core.errors import Failed, Refused, RunbookError
from ..core.times import iso
from ..core.waiting import wait_until
from ..mysql.connection import Connection
from . import replay_activate, replay_php, replay_schema
from .replay_activate import Record, held, read_record, write_record
from .replay_app import Application, Facts
from .replay_aside import Ground
from .replay_compare import Comparison, Drift
from .replay_engines import arguments, judge
from .replay_plan import Scope
from .replay_schema import Names, copy_statement, run_sql
from .replay_writers import Blocked, Writers, queued

#: How long to wait for the php of a task that was killed: nothing can be put back under its hands.
_ORPHAN_SECONDS = 30.0


@dataclasses.dataclass(frozen=True)
class Replayed:
    """What the replay changed: ``drifts`` have the rows before as live and those after as rebuilt."""

    upto: int
    classes: Dict[str, int]
    seconds: float
    memory_bytes: int
    blocked_seconds: float
    drifts: List[Drift]


def refuse_projectors(params: Dict[str, Any], facts: Facts, scope: Scope) -> None:
    """:raises Refused: when applying the events to what is there would count them twice."""
    told = {name.lstrip("\\") for name in params["idempotent"]}
    for name in scope.projectors:
        if name in told:
            continue
        if scope.is_partial:
            raise Refused(
                "%s would apply a part of the events again, on top of what they did before." % name,
                "List it in idempotent if that is harmless (it sets values and adds to none), or use strategy aside.",
            )
        if not facts.projectors[name]["reset"]:
            raise Refused(
                "%s has no resetState: its tables are not emptied, so what it adds would be counted twice." % name,
                "List it in idempotent if it only sets values, or use strategy aside, which begins with empty tables.",
            )
    if facts.catch_exceptions:
        raise Refused(
            "The application's catch_exceptions is on: the package would pass over events that fail, and say nothing.",
            "Set EVENT_PROJECTOR_CATCH_EXCEPTIONS=false, or use strategy aside, which counts them.",
        )


def replay(ground: Ground) -> Replayed:
    """Replay in place.

    :raises Failed: when it did not do what it should; the tables are then as they were before.
    """
    connection, names, tables = ground.connection, ground.names, ground.scope.tables
    replay_activate.refuse_old(connection, names)
    blocked = Blocked(ground.params["max_blocked_seconds"])
    upto = ground.head()
    record = Record(list(tables), ground.store.name, upto, iso(time.time()), False, in_place=True)
    with held(ground, record, blocked) as writers:
        writers.drain()
        upto = ground.head()
        classes = ground.by_class(upto)
        _copy(connection, names, tables)
        try:
            done = _run(ground, sum(classes.values()))
        except RunbookError as error:
            give_back(connection, names)
            raise Failed(
                "%s The tables are as they were before." % error.message,
                "Mend the projector or its data; strategy aside shows what becomes of it without touching live tables.",
                **error.data,
            ) from error
        if ground.head() != upto or (ground.params["queues"] and any(queued(ground.params).values())):
            raise Failed(
                "Events were written during the replay (up to id %d), so some may have been applied twice."
                % ground.head(),
                "Stop all writers and run again: it begins with the copy of the tables from before.",
            )
        drifts = [_compare(ground, number) for number in range(len(ground.shapes))]
    replay_schema.drop(connection, names.old)
    return Replayed(upto, classes, done["seconds"], done["memory_bytes"], blocked.seconds, drifts)


def _copy(connection: Connection, names: Names, tables: Any) -> None:
    for table in tables:
        run_sql(
            connection,
            "CREATE TABLE %s LIKE %s" % (names.old_table(table), names.live_table(table)),
            copy_statement(connection, names.live, table, names.old),
        )
    record = read_record(connection, names)
    if record is not None:
        write_record(connection, names, dataclasses.replace(record, copied=True))


def give_back(connection: Connection, names: Names) -> bool:
    """Fill the tables from the copy, in one transaction, when a replay in place failed or was killed; whether there was one.

    Rows are put back rather than tables, for a copy has no foreign keys.
    """
    record = read_record(connection, names)
    if record is None or not record.in_place:
        return False
    free = wait_until(
        lambda: connection.value("SELECT IS_FREE_LOCK(%s)", [names.lock("php")]), bool, _ORPHAN_SECONDS, 0.2
    )
    if not free.reached:
        raise Refused(
            "The php of a replay in place that was killed is still at work on %s." % names.live,
            "End it, or wait until it has ended, and run again: the tables are then put back as they were.",
        )
    if record.copied:
        run_sql(connection, "SET SESSION foreign_key_checks = 0", "START TRANSACTION")
        for table in record.tables:
            run_sql(
                connection,
                "DELETE FROM %s" % names.live_table(table),
                copy_statement(connection, names.old, table, names.live),
            )
        run_sql(connection, "COMMIT", "SET SESSION foreign_key_checks = 1")
    replay_schema.drop(connection, names.old)
    return True


def recover(app: Application, connection: Connection, names: Names, params: Dict[str, Any]) -> None:
    """Make good what a task left that was killed: tables half-replayed in place, the application down because of us."""
    record = read_record(connection, names)
    if record is None:
        return
    given_back = give_back(connection, names)
    if record.down_by_us:
        Writers(app, params, Blocked(params["max_blocked_seconds"])).up()
        if not given_back:
            write_record(connection, names, dataclasses.replace(record, down_by_us=False))


def _run(ground: Ground, events: int) -> Dict[str, Any]:
    first = 0 if ground.scope.from_id <= 1 else ground.scope.from_id
    told = ground.app.run(
        replay_php.ARTISAN, {"arguments": arguments(ground.scope, first), "lock": ground.names.lock("php")}, None
    )
    if events:
        judge(told.answer, events)
    if told.answer["skipped"]:
        raise Failed("%d events could not be applied." % told.answer["skipped"], "See the application's log.")
    return told.done


def _compare(ground: Ground, number: int) -> Drift:
    """The copy from before against the live table after."""
    names = Names(ground.names.old, ground.names.live, ground.names.scratch)
    return Comparison(ground.connection, names, ground.shapes[number], ground.params["chunk_rows"]).run()
