# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rebuilt tables put in the place of the live ones by one statement, and the old ones put back."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ..core.errors import Failed, Refused
from ..core.times import iso
from ..mysql.connection import Connection, SqlError, login
from . import replay_schema
from .replay_app import Facts
from .replay_aside import Ground, Rebuild, Site
from .replay_compare import Drift
from .replay_schema import Names, q, run_sql
from .replay_writers import Blocked, Lock, Writers, queued, renames

#: In the schema of the old tables: what was activated or is replayed in place, and whether we took the application down for it.
RECORD = "runbook_replay_activation"


@dataclasses.dataclass(frozen=True)
class Record:
    tables: List[str]
    store: str
    upto: int
    at: str
    down_by_us: bool
    in_place: bool = False
    copied: bool = False


def read_record(connection: Connection, names: Names) -> Optional[Record]:
    """What the schema of the old tables says; None when there is none, or none of ours."""
    there = replay_schema.tables_of(connection, names.old)
    if RECORD not in there:
        return None
    rows = connection.rows("SELECT what FROM %s" % names.old_table(RECORD))
    return Record(**json.loads(rows[0]["what"])) if rows else None


def write_record(connection: Connection, names: Names, record: Record) -> None:
    """Keep it, making the schema when it is not there."""
    run_sql(
        connection,
        "CREATE DATABASE IF NOT EXISTS %s" % q(names.old),
        "CREATE TABLE IF NOT EXISTS %s (id TINYINT PRIMARY KEY, what LONGTEXT NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
        % names.old_table(RECORD),
    )
    connection.rows(
        "REPLACE INTO %s VALUES (1, %%s)" % names.old_table(RECORD), [json.dumps(dataclasses.asdict(record))]
    )


def kept_tables(connection: Connection, names: Names) -> List[str]:
    return [name for name in replay_schema.tables_of(connection, names.old) if name != RECORD]


def refuse_old(connection: Connection, names: Names) -> None:
    """:raises Refused: when the third schema holds something already."""
    kept = kept_tables(connection, names)
    if kept:
        raise Refused(
            "%s holds %s: the tables that an earlier activation replaced, or somebody else's."
            % (names.old, ", ".join(kept)),
            "When they are not needed for undo any more, remove them with cleanup; or name another old_schema. Nothing was changed.",
        )


@contextlib.contextmanager
def held(site: Site, record: Record, blocked: Blocked) -> Iterator[Writers]:
    """Writers stopped for the time of the body. With ``writers: maintenance`` by us, and let go on whatever happens."""
    params, connection, names = site.params, site.connection, site.names
    writers = Writers(site.app, params, blocked)
    ours = params["writers"] == "maintenance" and not site.facts.down
    write_record(connection, names, dataclasses.replace(record, down_by_us=ours))
    try:
        if ours:
            writers.down()
            time.sleep(params["settle_seconds"])  # requests that were under way
        blocked.mark("writers_stopped")
        yield writers
    finally:
        if ours:
            writers.up()
            blocked.mark("writers_back")
            with contextlib.suppress(SqlError):
                current = read_record(connection, names)
                if current is not None:
                    write_record(connection, names, dataclasses.replace(current, down_by_us=False))


def refuse_running(site: Site) -> None:
    """:raises Refused: when nobody stops the writers."""
    if site.params["writers"] == "stopped" and not site.facts.down:
        raise Refused(
            "The application is not down, and writers is 'stopped': events written during the swap could be lost or count twice.",
            "Put it into maintenance on all hosts (maintenance_mode) first, or set writers to maintenance when this is the only host.",
        )


def refuse_queues(params: Dict[str, Any], projectors: Sequence[str], facts: Facts) -> None:
    """:raises Refused: when queued projectors could not be waited for."""
    late = [name for name in projectors if facts.projectors[name]["queued"]]
    if late and not params["queues"]:
        raise Refused(
            "%s is applied through a queue: jobs left in it would be applied again after the swap." % late[0],
            "Name its queues in queues, with queue_prefix and the redis_* options.",
        )
    if params["queues"]:
        queued(params)  # that Redis answers is better known before writers are stopped


def activate(ground: Ground, built: Rebuild, drifts: Sequence[Drift]) -> Dict[str, Any]:
    """Swap; what it did and how long writers waited. Nothing is swapped when the live tables are right already.

    :raises TimedOut: when writers would have to wait too long; everything is as it was.
    """
    connection, names, tables = ground.connection, ground.names, ground.scope.tables
    if not any(drift.total or drift.unsettled for drift in drifts):
        return {"activated": False}
    refuse_old(connection, names)
    skipped = built.progress().skipped
    if skipped:
        raise Refused(
            "%d events could not be applied (catch_exceptions let them pass), so the rebuilt tables are wrong too."
            % skipped,
            "Mend the projector; the application's log has the errors. Nothing live was changed.",
        )
    for statement in replay_schema.foreign_key_statements(connection, names, tables):
        run_sql(connection, statement)
    built.catch_up()  # so that little is left for the time that writers wait
    record = Record(list(tables), ground.store.name, built.goal, iso(time.time()), False)
    blocked = Blocked(ground.params["max_blocked_seconds"])
    with held(ground, record, blocked) as writers:
        while True:
            writers.drain()
            blocked.mark("queues_empty")
            with Lock(ground.admin, names, [ground.store.name, *tables], blocked) as lock:
                blocked.mark("locked")
                built.catch_up(settled=True, within=blocked.left)
                blocked.mark("caught_up")
                if _nobody_between(ground, lock):
                    _keep_counters(connection, names, tables)
                    write_record(
                        connection, names, dataclasses.replace(_current(connection, names, record), upto=built.goal)
                    )
                    pairs = [(names.live, one, names.old) for one in tables] + [
                        (names.scratch, one, names.live) for one in tables
                    ]
                    with login(ground.admin) as waiter:
                        seconds = lock.swap(renames(_ordered(pairs, tables)), waiter)
                    blocked.mark("swapped")
                    break
            blocked.check("others still wrote to the tables")
    _observe(connection, names, tables)
    return {"activated": True, "upto": built.goal, "rename_seconds": round(seconds, 3), **_waited(blocked)}


def _waited(blocked: Blocked) -> Dict[str, Any]:
    """Writers waited from the first act against them until the last was taken back."""
    return {"blocked_seconds": max(blocked.marks.values()), "steps": dict(blocked.marks)}


def _current(connection: Connection, names: Names, otherwise: Record) -> Record:
    return read_record(connection, names) or otherwise


def _ordered(pairs: List[Any], tables: Sequence[str]) -> List[Any]:
    """Each table out of the way before its successor comes: the statement goes from left to right."""
    half = len(tables)
    return [pair for two in zip(pairs[:half], pairs[half:]) for pair in two]


def _nobody_between(ground: Ground, lock: Lock) -> bool:
    """Whether no event is stored but not projected yet: in a queue, or by a writer that our lock stopped half-way."""
    if ground.params["queues"] and any(queued(ground.params).values()):
        return False
    return not lock.standing_writers(ground.scope.tables)


def _keep_counters(connection: Connection, names: Names, tables: Sequence[str]) -> None:
    """New rows must not get numbers that rows of the old table had."""
    for table in tables:
        value = connection.value(
            "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
            [names.live, table],
        )
        if value is not None:
            run_sql(connection, "ALTER TABLE %s AUTO_INCREMENT = %d" % (names.scratch_table(table), int(value)))


def _observe(connection: Connection, names: Names, tables: Sequence[str]) -> None:
    """:raises Failed: when the tables are not where they should be."""
    there = {schema: replay_schema.tables_of(connection, schema) for schema in (names.live, names.old)}
    missing = ["%s.%s" % (schema, table) for schema in there for table in tables if table not in there[schema]]
    if missing:
        raise Failed(
            "After the swap %s is not there." % ", ".join(missing),
            "Look at the three schemas before anything else is done.",
        )


def undo(site: Site, check_mode: bool) -> Dict[str, Any]:
    """Put the replaced tables back; those that had replaced them are dropped, since a replay makes them again.

    :raises Refused: when more events than ``undo_max_events`` came since: the old tables lack them.
    """
    connection, names = site.connection, site.names
    record, tables = read_record(connection, names), kept_tables(connection, names)
    if record is None or not tables:
        return {"changed": False, "undone": False, "tables": [], "events_since": 0}
    since = int(
        connection.value(
            "SELECT COUNT(*) FROM %s WHERE id > %%s" % names.live_table(record.store).replace("%", "%%"), [record.upto]
        )
    )
    if since > site.params["undo_max_events"]:
        raise Refused(
            "%d events came since the activation (%s); the old tables lack them." % (since, record.at),
            "Rather mend what is wrong and replay again. To go back all the same, allow that many in undo_max_events.",
            events_since=since,
        )
    refuse_running(site)
    result = {"changed": True, "undone": not check_mode, "tables": tables, "events_since": since}
    return result if check_mode else {**result, **_put_back(site, tables, record)}


def _put_back(site: Site, tables: Sequence[str], record: Record) -> Dict[str, Any]:
    connection, names = site.connection, site.names
    replay_schema.create_empty(connection, names)
    blocked = Blocked(site.params["max_blocked_seconds"])
    with held(site, record, blocked) as writers:
        writers.drain()
        with Lock(site.admin, names, [record.store, *tables], blocked) as lock, login(site.admin) as waiter:
            blocked.mark("locked")
            pairs = [(names.live, one, names.scratch) for one in tables] + [
                (names.old, one, names.live) for one in tables
            ]
            seconds = lock.swap(renames(_ordered(pairs, tables)), waiter)
            blocked.mark("swapped")
    there = replay_schema.tables_of(connection, names.live)
    missing = [table for table in tables if table not in there]
    if missing:
        raise Failed(
            "After the swap %s is not in %s." % (missing[0], names.live),
            "Look at the three schemas before anything else.",
        )
    replay_schema.drop(connection, names.scratch)
    replay_schema.drop(connection, names.old)
    return {"rename_seconds": round(seconds, 3), **_waited(blocked)}


def cleanup(connection: Connection, names: Names, check_mode: bool) -> List[str]:
    """Remove the scratch schema and the replaced tables; which ones there were.

    :raises Refused: when one of them was not made by a replay.
    """
    found = []
    if replay_schema.read_state(connection, names) is not None or replay_schema.exists(connection, names.scratch):
        found.append(names.scratch)
    if replay_schema.exists(connection, names.old):
        if read_record(connection, names) is None:
            raise Refused(
                "%s has no record of an activation; it is left alone." % names.old, "Name the right old_schema."
            )
        found.append(names.old)
    if not check_mode:
        for schema in found:
            replay_schema.drop(connection, schema)
    return found
