# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task event_archive: its own options, and from them a run to a result."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any, Dict, List, Optional, Tuple

from ..core.errors import BadInput, Refused, RunbookError
from ..mysql.connection import Connection, connect
from ..storage.base import Storage, open_storage
from . import archive_guard, archive_rows
from .archive import Mover, Settings, Stop, missing_events
from .archive_plan import KEPT, NO_SNAPSHOT, Planner
from .archive_store import ARCHIVED, RESTORED, WRITTEN, Archive, load
from .options import wanted_schemas
from .passes import Budget
from .session import open_session
from .stores import Found, Table, discover
from .verify import settled

#: An event gets its id into its metadata after it was stored; so one of less than a minute is never moved.
SETTLE_SECONDS = 60
#: An event that lies further ahead than this many seconds, ten years, has a wrong time and does not count as young.
_AHEAD_SECONDS = 315360000
_LIMITS = {"segment_rows": (100, 200000), "chunk_rows": (10, 10000), "compression_level": (1, 9), "workers": (1, 8)}
_LEAST = {"keep_latest": 1, "older_than_days": 0, "max_events": 1, "max_seconds": 0, "max_lag_seconds": 0}


def archive_spec() -> Dict[str, Dict[str, Any]]:
    return {
        "state": {"type": "str", "choices": ["archived", "restored"], "default": "archived"},
        "dest": {"type": "path", "required": True},
        "older_than_days": {"type": "float"},
        "keep_latest": {"type": "int"},
        "max_events": {"type": "int"},
        "max_seconds": {"type": "float"},
        "stop_file": {"type": "path"},
        "replicas": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "login_host": {"type": "str", "required": True},
                "login_port": {"type": "int", "default": 3306},
            },
        },
        "max_lag_seconds": {"type": "float", "default": 5.0},
        "lag_timeout_seconds": {"type": "float", "default": 600.0},
        "chunk_rows": {"type": "int", "default": 1000},
        "segment_rows": {"type": "int", "default": 10000},
        "compression_level": {"type": "int", "default": 3},
        "workers": {"type": "int", "default": 2},
    }


def check_options(params: Dict[str, Any]) -> None:
    """:raises BadInput: for what can be told to be wrong without a server."""
    for name, (low, high) in _LIMITS.items():
        if not low <= params[name] <= high:
            raise BadInput("%s must be from %d to %d, not %d." % (name, low, high, params[name]))
    for name, least in _LEAST.items():
        if params[name] is not None and params[name] < least:
            raise BadInput("%s must be %d or more." % (name, least))
    if params["state"] == "archived" and params["older_than_days"] is None and params["keep_latest"] is None:
        raise BadInput("Which events are to be archived is not said.", "Give older_than_days, keep_latest or both.")
    dest = params["dest"]
    if not dest.startswith("s3:") and not (os.path.isdir(dest) and os.access(dest, os.W_OK | os.X_OK)):
        raise BadInput("dest is %s, which is no directory this user can write to." % dest, "Create it first.")
    if params["stop_file"] and os.path.exists(params["stop_file"]):
        raise Refused("The stop file %s is there." % params["stop_file"], "Remove it when events may be moved.")


class Task:
    """One run over the tables that the options name."""

    def __init__(self, params: Dict[str, Any], check_mode: bool) -> None:
        self._params, self._check = params, check_mode
        self._archives = params["state"] == "archived"
        self._budget = Budget(params["max_seconds"], params["max_lag_seconds"], params["lag_timeout_seconds"])
        self._storages: Dict[str, Storage] = {}

    def run(self) -> Dict[str, Any]:
        params = self._params
        check_options(params)
        open_storage(params["dest"], params).check()
        schemas = wanted_schemas(params)
        with contextlib.ExitStack() as stack:
            planner, of = open_session(params)
            stack.enter_context(planner)
            found = discover(planner, schemas, (), params["snapshots"])
            tables = archive_guard.wanted_tables(found, params["tables"], schemas)
            if len({one.name for one in tables}) < len(set(params["tables"])):
                discover(planner, schemas, params["tables"])  # says which and why
            pairs = [self._checked(planner, found, table) for table in tables]
            archive_guard.check_server(planner, of)
            replicas = archive_guard.Replicas(params, params["replicas"])
            stack.callback(replicas.close)
            reader, *writers = (stack.enter_context(_utc_session(params)) for _unused in range(1 + params["workers"]))

            def backup() -> str:
                for table, _snapshots in pairs:
                    archive_guard.see_lock(planner, table)
                return archive_guard.backup(writers[0], of)

            stop = Stop(self._budget, params["stop_file"], backup)

            def pause() -> None:
                if params["replicas"]:
                    self._budget.wait_for_replica(replicas.lag)

            rows, planners = [], []
            for table, snapshots in pairs:
                row, one = self._plan(planner, reader, table, snapshots)
                rows.append(row)
                planners.append(one)
            self._check_limit(rows)
            started = [_in_archive(self._archive(table)) for table, _snapshots in pairs]
            if not self._check:
                for (table, _snapshots), row, one in zip(pairs, rows, planners):
                    columns = archive_rows.read_columns(planner, table)
                    archive = self._archive(table)
                    mover = Mover(reader, writers, table, columns, archive, self._settings(), stop, pause)
                    try:
                        if one is not None:
                            mover.archive(one, decide=row is not rows[0])
                        else:
                            mover.restore()
                        row.update(_done(mover, archive))
                    except RunbookError as error:
                        row.update(_done(mover, archive))
                        error.data.update(tables=rows, changed=any(each["moved"] for each in rows))
                        raise
            return self._result(pairs, rows, started, stop.reason)

    def _checked(self, planner: Connection, found: Found, table: Table) -> Tuple[Table, Optional[Table]]:
        snapshots = archive_guard.snapshots_of(found, table) if self._archives else None
        archive_guard.check_table(planner, table, snapshots, "DELETE" if self._archives else "INSERT")
        archive_guard.take_lock(planner, table)
        return table, snapshots

    def _archive(self, table: Table) -> Archive:
        """Read anew; the storage of each table is opened once, because that takes long for S3."""
        if table.label not in self._storages:
            place = os.path.join(self._params["dest"], re.sub(r"[^\w.-]", "_", table.label), "")
            self._storages[table.label] = open_storage(place, self._params)
        return load(self._storages[table.label], table.schema, table.name)

    def _settings(self) -> Settings:
        params = self._params
        return Settings(params["segment_rows"], params["chunk_rows"], params["compression_level"], params["stop_file"])

    def _plan(
        self, planner: Connection, reader: Connection, table: Table, snapshots: Optional[Table]
    ) -> Tuple[Dict[str, Any], Optional[Planner]]:
        """The row of the result as it would be, and for archiving who says what to move."""
        archive = self._archive(table)
        archive_rows.read_columns(planner, table)
        row: Dict[str, Any] = {
            "schema": table.schema,
            "table": table.name,
            "snapshots": snapshots.name if snapshots else None,
            "archive": archive.storage.place,
            "aggregates": 0,
            "events": 0,
            "kept": {},
            "went_on": 0,
            "files": len(archive.segments),
            "moved": 0,
        }
        if snapshots is None:
            if not archive.segments:
                raise BadInput("%s holds no archive of %s." % (archive.storage.place, table.label), "Check dest.")
            row["events"] = missing_events(reader, table, archive, self._params["chunk_rows"])
            return row, None
        seconds = max(SETTLE_SECONDS, int((self._params["older_than_days"] or 0) * 86400))
        last = settled(planner, table, seconds, _AHEAD_SECONDS)
        one = Planner(planner, table, snapshots, last, self._params["keep_latest"] or 1)
        kept = row["kept"]
        for part, reason in one.decisions(None if self._check else reader):
            if part is None:
                kept[reason] = kept.get(reason, 0) + 1
            else:
                row["aggregates"] += 1
                row["events"] += part.events
        bare = one.without_snapshot()
        if bare:
            kept[NO_SNAPSHOT] = bare
        row["went_on"] = sum(each.events for each in archive.segments if each.state == WRITTEN)
        return row, one

    def _check_limit(self, rows: List[Dict[str, Any]]) -> None:
        total, limit = sum(row["events"] for row in rows), self._params["max_events"]
        if limit is not None and total > limit:
            raise Refused(
                "%d events would be %s, max_events is %d. Nothing was done." % (total, self._params["state"], limit),
                "Look at the plan with check mode, then raise max_events or keep more.",
                tables=rows,
            )

    def _result(
        self, pairs: List[Tuple[Table, Optional[Table]]], rows: List[Dict[str, Any]], started: List[int], stopped: str
    ) -> Dict[str, Any]:
        seconds = self._budget.spent
        moved = sum(row["events"] + row["went_on"] if self._check else row["moved"] for row in rows)
        labels = [table.label for table, _snapshots in pairs]
        ended = [
            count + (row["events"] if self._archives else -row["events"])
            if self._check
            else _in_archive(self._archive(table))
            for (table, _snapshots), row, count in zip(pairs, rows, started)
        ]
        return {
            "changed": moved > 0,
            "tables": rows,
            "moved": 0 if self._check else moved,
            "complete": not stopped,
            "stopped": stopped,
            "seconds": round(seconds, 3),
            "paused_seconds": round(self._budget.paused_seconds, 3),
            "events_per_second": 0.0 if self._check or not seconds else round(moved / seconds, 1),
            "message": self._message(rows, moved, stopped),
            "diff": {
                "before": {label: {"events_in_archive": count} for label, count in zip(labels, started)},
                "after": {label: {"events_in_archive": count} for label, count in zip(labels, ended)},
            },
        }

    def _message(self, rows: List[Dict[str, Any]], moved: int, stopped: str) -> str:
        said = ["%d events %s %s." % (moved, "would be" if self._check else "were", self._params["state"])]
        for row in rows:
            said += [
                "%d aggregates of %s.%s keep all their events: %s." % (count, row["schema"], row["table"], KEPT[reason])
                for reason, count in sorted(row["kept"].items())
            ]
        if stopped:
            said.append("It was stopped before the end: %s. Run it again to go on." % stopped)
        return " ".join(said)


def _in_archive(archive: Archive) -> int:
    return sum(one.events for one in archive.segments if one.state != RESTORED)


def _done(mover: Mover, archive: Archive) -> Dict[str, Any]:
    return {
        "went_on": mover.done.went_on,
        "moved": mover.done.moved,
        "files": len([one for one in archive.segments if one.state in (ARCHIVED, RESTORED, WRITTEN)]),
    }


def _utc_session(params: Dict[str, Any]) -> Connection:
    """A session that may write, and in which times are the same on every day and server."""
    connection = connect(params)
    try:
        connection.rows(
            "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', group_concat_max_len = 67108864, "
            "innodb_lock_wait_timeout = 10"
        )
        # So that events are locked and not what is between and behind them. Statements in the binary log would not allow it.
        if not int(connection.value("SELECT @@log_bin AND @@binlog_format = 'STATEMENT'")):
            connection.rows("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    except BaseException:
        connection.close()
        raise
    return connection


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Archive or restore as the options say, or plan it."""
    return Task(params, check_mode).run()
