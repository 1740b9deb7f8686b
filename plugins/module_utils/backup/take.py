# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The taking itself: the engine streams while other sessions read, in the same state, what goes to the manifest."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Dict, List, Optional, Tuple

from ..core.ending import in_one_piece
from ..core.errors import Failed, TimedOut
from ..mysql import connection as mysql
from ..mysql.login import Login
from ..storage.base import Upload
from .contents import Contents
from .contents import read as read_contents
from .engines.base import Engine, Job, Running
from .pipeline import Pipeline, Streamed
from .source import GlobalReadLock, gtid_at, open_snapshot, plain_text, read_position, snapshot_position

Place = Optional[Tuple[str, int]]


@dataclasses.dataclass(frozen=True)
class Taken:
    """What the moment of the snapshot gave. ``same_state`` is whether ``contents`` and ``position`` are of the state in the backup."""

    contents: Contents
    same_state: bool
    reason: str
    lock: Dict[str, Any]
    position: Optional[Dict[str, Any]]
    position_reason: str
    taken: str


class Taking:
    """One backup being taken. ``limit`` is the longest time writers are held up, ``timeout`` that of all, in seconds (None: no limit)."""

    def __init__(
        self,
        connection: mysql.Connection,
        login: Login,
        engine: Engine,
        job: Job,
        filters: List[List[str]],
        limit: float,
        timeout: Optional[float],
    ) -> None:
        self._connection, self._login = connection, login
        self._engine, self._job, self._filters = engine, job, filters
        self._lock = GlobalReadLock(connection, limit if engine.fixes_first else 0.0)
        self._until = None if timeout is None else time.monotonic() + timeout
        self._timeout = timeout

    def run(self, upload: Upload) -> Tuple[Taken, Streamed]:
        """Take it; what was written is complete but has no name yet.

        :raises Failed: when what the engine gave is no backup. :raises TimedOut: when it took longer than allowed.
        """
        readers: List[mysql.Connection] = []
        pipeline: Optional[Pipeline] = None
        try:
            readers += [
                mysql.login(dataclasses.replace(self._login, database=None)) for unused in range(self._job.threads)
            ]
            self._job = dataclasses.replace(self._job, ask_position=self._may_ask())
            if self._engine.fixes_first:
                self._lock.take()
                position = self._open(readers)
                with in_one_piece():
                    running, pipeline = self._start(upload)
                # While the lock is held the engine has to open its snapshot.
                running.moment.wait(self._lock.remaining() if self._lock.held else 0.0)
                still = self._lock.held and running.fixed
                self._lock.release()
            else:
                with in_one_piece():
                    running, pipeline = self._start(upload)
                running.moment.wait(self._left())
                position, still = self._open(readers), False
            taken = str(readers[0].value("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')"))
            if not running.fixed and pipeline.ended:
                self._finish(pipeline)  # it failed at once: what it would be compared with need not be read
            contents = self._contents(readers)
            streamed = self._finish(pipeline)
            return self._judge(contents, still, position, running.position, taken), streamed
        finally:
            if pipeline is not None:
                pipeline.stop()
            for reader in readers:
                reader.close()

    def _may_ask(self) -> bool:
        """Whether MariaDB's own program can tell its place. It dies where the server can't find the GTID of the place, as in a log that
        holds an event longer than max_allowed_packet (10.11).
        """
        if not (self._job.binary_log and self._job.server.is_mariadb):
            return False
        open_snapshot(self._connection, self._job.server)
        place = snapshot_position(self._connection, self._job.server)
        self._connection.rows("COMMIT")
        return place is not None and gtid_at(self._connection, *place) is not None

    def _contents(self, readers: List[mysql.Connection]) -> Contents:
        for reader in readers:
            reader.time_limit(self._left())
        try:
            return read_contents(readers[0], self._job.server, self._job.database, None, readers[1:])
        except mysql.SqlError as error:
            if self._left() == 0:
                raise self._late() from error
            raise

    def _finish(self, pipeline: Pipeline) -> Streamed:
        streamed = pipeline.finish(self._left())
        if streamed is None:
            raise self._late()
        if streamed.problem:
            what = "%s of '%s'" % (self._engine.name, self._job.database)
            raise Failed("The backup by %s is none: %s." % (what, streamed.problem.rstrip(".")))
        if self._job.plain_text and not plain_text(self._connection, self._job.database):
            raise Failed(
                "A column that holds no UTF-8 came to '%s' while it was backed up." % self._job.database,
                "Take it again.",
            )
        return streamed

    def _late(self) -> TimedOut:
        return TimedOut("The backup took longer than timeout_seconds (%s)." % self._timeout)

    def _left(self) -> Optional[float]:
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def _start(self, upload: Upload) -> Tuple[Running, Pipeline]:
        running = self._engine.start(self._job)
        return running, Pipeline(running, self._filters, upload)

    def _open(self, readers: List[mysql.Connection]) -> Place:
        """Snapshots for the readers, and their place in the binary log; None where it can't be known."""
        for reader in readers:
            open_snapshot(reader, self._job.server)
        if not self._job.binary_log:
            return None
        places = [snapshot_position(reader, self._job.server) for reader in readers]
        if places[0] is not None:
            # Without a lock somebody may have written in between; then the readers do not see one state.
            return places[0] if len(set(places)) == 1 else None
        if not self._lock.held:
            return None
        try:
            found = read_position(self._connection, self._job.server)
        except mysql.SqlError:
            return None
        return found["file"], found["position"]

    def _judge(self, contents: Contents, still: bool, ours: Place, engines: Place, taken: str) -> Taken:
        """Two states are the same when nobody could write in between, or when both are at the same place of the binary log."""
        same = still or (ours is not None and ours == engines)
        if same and engines is not None and ours is not None and ours != engines:
            same = False
        reason = "" if same else self._reason(ours, engines)
        place = engines or (ours if same else None)
        position = self._position(place) if place else None
        position_reason = "" if place else self._no_position(reason)
        facts = {
            "held": still,
            "seconds": round(self._lock.seconds, 3),
            "reason": "" if still else self._without_lock(),
        }
        return Taken(contents, same, reason, facts, position, position_reason, taken)

    def _without_lock(self) -> str:
        if not self._engine.fixes_first:
            return "the engine holds up commits by itself."
        return self._lock.reason or "the engine did not open its snapshot within lock_timeout_seconds."

    def _reason(self, ours: Place, engines: Place) -> str:
        if self._engine.fixes_first and (ours is None or engines is None):
            return self._without_lock()
        if ours is None or engines is None:
            return "without a binary log whose place both know it can't be told whether both are of one state."
        return "somebody wrote between the two: the backup is at %s %d, what was read at %s %d." % (*engines, *ours)

    def _no_position(self, reason: str) -> str:
        return reason if self._job.binary_log else "the server writes no binary log (log_bin is off)."

    def _position(self, place: Tuple[str, int]) -> Dict[str, Any]:
        gtid = gtid_at(self._connection, *place) if self._job.server.is_mariadb else None
        return {"file": place[0], "position": place[1], "gtid": gtid}
