# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writers held off for the moments of a swap: the application down, projectors' queues run empty, the tables locked."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any, Callable, Dict, List, Sequence

from ..core import redis_connection
from ..core.errors import Failed, TimedOut
from ..core.waiting import wait_until
from ..laravel.artisan import Artisan
from ..mysql.connection import Connection, SqlError, login
from ..mysql.login import Login
from .replay_app import Application
from .replay_schema import Names, q

#: Seconds one attempt at the lock waits: all who come after it wait behind it.
_LOCK_SECONDS = 2
_LOCK_TIMED_OUT = 1205


class Blocked:
    """How long writers are held off, against the limit. Seconds by a steady clock."""

    def __init__(self, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._clock, self._start = limit, clock, clock()
        self.marks: Dict[str, float] = {}

    @property
    def seconds(self) -> float:
        return self._clock() - self._start

    @property
    def left(self) -> float:
        return max(self._limit - self.seconds, 0.0)

    def mark(self, name: str) -> None:
        """Note when a step was done, in seconds since the beginning."""
        self.marks[name] = round(self.seconds, 3)

    def check(self, doing: str) -> None:
        """:raises TimedOut: when writers have waited as long as they may."""
        if not self.left:
            raise TimedOut(
                "Writers had waited %.1f s, the most that max_blocked_seconds allows, while %s. They were let go on."
                % (self.seconds, doing),
                "No table was swapped. Try when less is written, or allow more.",
                blocked_seconds=round(self.seconds, 3),
            )


def queued(params: Dict[str, Any]) -> Dict[str, int]:
    """Jobs in each of the queues, whatever their state: ready, in hand, delayed."""
    client = redis_connection.connect(params)
    found = {}
    with redis_connection.errors(params):
        for name in params["queues"]:
            key = "%squeues:%s" % (params["queue_prefix"], name)
            pipeline = client.pipeline(transaction=True)
            pipeline.llen(key).zcard(key + ":reserved").zcard(key + ":delayed")
            found[name] = sum(int(number) for number in pipeline.execute())
    client.close()
    return found


class Writers:
    """Stops those who write events or projections, and lets them go on again."""

    def __init__(self, app: Application, params: Dict[str, Any], blocked: Blocked) -> None:
        self._params, self._blocked = params, blocked
        self._target = app.target
        self._artisan = Artisan(app.transport, app.app_dir, app.php, {}, 60.0)

    def down(self) -> None:
        """:raises Failed: when the application does not go into maintenance."""
        self._command("down", ["--retry=5"])

    def up(self) -> None:
        self._command("up", [])

    def drain(self) -> None:
        """Run the projectors' queues empty. In maintenance workers take no jobs, so it is done here.

        :raises TimedOut: when jobs are left after ``max_blocked_seconds``.
        """
        if not self._params["queues"]:
            return
        while True:
            waiting = queued(self._params)
            if not any(waiting.values()):
                return
            self._blocked.check("jobs were left in %s" % ", ".join("%s (%d)" % one for one in waiting.items()))
            names = "--queue=" + ",".join(self._params["queues"])
            self._command(
                "queue:work", [names, "--stop-when-empty", "--force", "--max-time=%d" % max(int(self._blocked.left), 1)]
            )
            wait_until(
                lambda: queued(self._params), lambda found: not any(found.values()), min(1.0, self._blocked.left), 0.1
            )

    def _command(self, command: str, arguments: Sequence[str]) -> None:
        done = self._artisan.run(self._target, command, arguments)
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        if done.rc != 0:
            raise Failed(
                "'artisan %s' on %s ended with %s: %s"
                % (
                    command,
                    self._target,
                    "its time limit" if done.timed_out else done.rc,
                    said,
                ),
                "No table was swapped.",
            )


class Lock:
    """The tables read-locked by a session of its own: nobody writes, everybody reads. A context manager."""

    def __init__(self, admin: Login, names: Names, tables: Sequence[str], blocked: Blocked) -> None:
        self._admin, self._names, self._tables, self._blocked = admin, names, tables, blocked
        self._connection: Connection

    def __enter__(self) -> Lock:
        self._connection = login(self._admin)
        try:
            self._connection.rows("SET SESSION lock_wait_timeout = %d" % _LOCK_SECONDS)
            self._take()
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        self._connection.close()

    def _take(self) -> None:
        locks = ", ".join("%s READ" % self._names.live_table(table) for table in self._tables)
        while True:
            self._blocked.check("a lock on the tables could not be had")
            try:
                self._connection.rows("LOCK TABLES " + locks)
                return
            except SqlError as error:
                if error.code != _LOCK_TIMED_OUT:
                    raise

    def swap(self, renames: Sequence[str], waiter: Connection) -> float:
        """Rename under the lock: the statement waits for us alone, and is served before the writers behind it. Its seconds.

        :raises SqlError: when the server refuses; then nothing was renamed.
        """
        waiter.rows("SET SESSION lock_wait_timeout = %d" % max(int(self._blocked.left), 1))
        begun = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            running = pool.submit(waiter.rows, "RENAME TABLE " + ", ".join(renames))
            try:
                wait_until(lambda: running.done() or self._waits(waiter.id), bool, min(5.0, self._blocked.left), 0.005)
            finally:
                self._connection.rows("UNLOCK TABLES")
            running.result()
        return time.monotonic() - begun

    def _waits(self, thread: int) -> bool:
        state = self._connection.value("SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = %s", [thread])
        return "metadata lock" in str(state).lower()

    def standing_writers(self, tables: Sequence[str]) -> List[str]:
        """Statements that wait to write a projection: their event is stored already, so after a swap it would count twice."""
        rows = self._connection.rows(
            "SELECT INFO AS i FROM information_schema.PROCESSLIST WHERE DB = %s AND STATE LIKE 'Waiting for table%%' AND INFO IS NOT NULL",
            [self._names.live],
        )
        return [str(row["i"])[:200] for row in rows if any(table.lower() in str(row["i"]).lower() for table in tables)]


def renames(pairs: Sequence[Sequence[str]]) -> List[str]:
    """``(schema, table, to_schema)`` as the parts of one RENAME."""
    return ["%s TO %s" % (q(schema, table), q(to, table)) for schema, table, to in pairs]
