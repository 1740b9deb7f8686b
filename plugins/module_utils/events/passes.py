# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Going through a table in ranges of a key, several at a time: what every check has in common.

A range is read in one read-only transaction of its own on the connection of a worker. Results are taken in the order of the ranges,
so whatever was accepted last is where the next run goes on.
"""

from __future__ import annotations

import collections
import dataclasses
import time
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple

from ..core.errors import Unavailable
from ..mysql.connection import Connection, SqlError
from .anomalies import Anomalies, merge
from .session import OUT_OF_TIME, STATEMENT_SECONDS, lag_seconds, open_session, snapshot


@dataclasses.dataclass(frozen=True)
class Range:
    """Keys above ``after`` (None: from the beginning) up to and with ``upto``; ``full`` when more rows may follow."""

    after: Any
    upto: Any
    full: bool


@dataclasses.dataclass
class Outcome:
    """What a range held: rows read, what is wrong with them, and what else the pass wants to keep of it."""

    rows: int
    anomalies: Anomalies = dataclasses.field(default_factory=dict)
    extra: Any = None


@dataclasses.dataclass
class State:
    """How far a pass is. JSON in and out, so ``after`` is a number, a text or None."""

    after: Any = None
    rows: int = 0
    anomalies: Anomalies = dataclasses.field(default_factory=dict)

    def take(self, part: Range, outcome: Outcome, samples: int) -> None:
        """Go on to the end of a range that was read."""
        self.after = part.upto
        self.rows += outcome.rows
        merge(self.anomalies, outcome.anomalies, samples)


class Pass:
    """One way through one table. ``name`` is its key in the checkpoint."""

    name = ""

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        """The range behind ``after``; None when there is none."""
        raise NotImplementedError

    def work(self, connection: Connection, part: Range) -> Outcome:
        """Read one range, within a transaction. Must touch nothing that other ranges share."""
        raise NotImplementedError


def key_range(connection: Connection, table: str, key: str, after: Any, upto: Any, rows: int) -> Optional[Range]:
    """The next ``rows`` rows by ``key`` (SQL names), found in the index alone, counted from ``after`` on. NULLs are not among them."""
    where, args = _bounds(key, after, upto)
    last = connection.value(f"SELECT {key} FROM {table} WHERE {where} ORDER BY {key} LIMIT %s, 1", [*args, rows - 1])
    if last is not None:
        return Range(after, plain(last), True)
    last = connection.value(f"SELECT MAX({key}) FROM {table} WHERE {where}", args)
    return None if last is None else Range(after, plain(last), False)


def id_range(connection: Connection, table: str, key: str, after: Any, upto: Any, rows: int) -> Optional[Range]:
    """The next at most ``rows`` rows up to the id ``upto``. Numbers are counted on from the next id there is, so nothing is read
    to find the end of the range, and holes between ids cost one look each.
    """
    where, args = _bounds(key, after, upto)
    first = connection.value(f"SELECT {key} FROM {table} WHERE {where} ORDER BY {key} LIMIT 1", args)
    if not isinstance(first, int) or not isinstance(upto, int):
        return None if first is None else key_range(connection, table, key, after, upto, rows)
    return Range(after, min(first + rows - 1, upto), first + rows - 1 < upto)


def _bounds(key: str, after: Any, upto: Any) -> Tuple[str, List[Any]]:
    parts = ["%s IS NOT NULL" % key]
    args = []
    for sign, value in ((">", after), ("<=", upto)):
        if value is not None:
            parts.append("%s %s %%s" % (key, sign))
            args.append(value)
    return " AND ".join(parts), args


def within(key: str, part: Range) -> Tuple[str, List[Any]]:
    """The condition for the rows of a range."""
    return _bounds(key, part.after, part.upto)


def plain(value: Any) -> Any:
    """A key as JSON has it: a number or a text."""
    return value if value is None or isinstance(value, (int, str)) else str(value)


class Budget:
    """When to stop and when to pause. ``seconds`` None is no end; ``max_lag`` None is not to look at replication."""

    def __init__(
        self,
        seconds: Optional[float],
        max_lag: Optional[float],
        lag_timeout: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._start = clock()
        self._end = None if seconds is None else self._start + seconds
        self._max_lag, self._lag_timeout = max_lag, lag_timeout
        self._looked: Optional[float] = None
        self.paused_seconds = 0.0
        self.reason = ""

    @property
    def spent(self) -> float:
        return self._clock() - self._start

    def stop(self) -> bool:
        """Whether the time is over or replication would not catch up; ``reason`` then says which."""
        if self._end is not None and self._clock() >= self._end:
            self.reason = self.reason or "max_seconds is over"
        return bool(self.reason)

    def wait_for_replica(self, ask: Callable[[], Tuple[bool, Optional[float]]]) -> None:
        """Hold still while this replica lags; looks at it once a second at most."""
        now = self._clock()
        if self._max_lag is None or (self._looked is not None and now - self._looked < 1):
            return
        while True:
            replica, lag = ask()
            self._looked = self._clock()
            if not replica or (lag is not None and lag <= self._max_lag):
                break
            waited = self._looked - now
            if waited >= self._lag_timeout:
                self.reason = "the replica stayed %s for %d seconds" % (
                    "stopped" if lag is None else "%d seconds behind" % lag,
                    waited,
                )
            if self.stop():
                break
            self._sleep(1)
        self.paused_seconds += self._clock() - now


class Crew:
    """Workers, each with a session of its own, and one more session to plan with. Use it as a context manager."""

    def __init__(self, params: Dict[str, Any], workers: int) -> None:
        self._connections: List[Connection] = []
        self._free: SimpleQueue[Connection] = SimpleQueue()
        self.workers = workers
        try:
            self.planner, self.server = open_session(params)
            self._connections.append(self.planner)
            for _unused in range(workers):
                self._connections.append(open_session(params)[0])
                self._free.put(self._connections[-1])
        except BaseException:
            self._close()
            raise
        self._pool = ThreadPoolExecutor(workers)

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        self._close()

    def _close(self) -> None:
        for connection in self._connections:
            connection.close()

    def submit(self, work: Callable[[Connection, Range], Outcome], part: Range) -> Future[Outcome]:
        return self._pool.submit(self._run, work, part)

    def _run(self, work: Callable[[Connection, Range], Outcome], part: Range) -> Outcome:
        connection = self._free.get()
        try:
            with snapshot(connection):
                return work(connection, part)
        except SqlError as error:
            if error.code not in OUT_OF_TIME:
                raise
            raise Unavailable(
                "Reading one range took longer than %d seconds and was ended: %s" % (STATEMENT_SECONDS, error.message),
                "Give a smaller chunk_rows; what was verified before is kept in the checkpoint.",
            ) from error
        finally:
            self._free.put(connection)


def go(crew: Crew, one: Pass, after: Any, budget: Budget, accept: Callable[[Range, Outcome], None]) -> bool:
    """Run a pass on from ``after``. Whether it came to the end of the table. ``accept`` is given each range in order."""
    running: Deque[Tuple[Range, Future[Outcome]]] = collections.deque()
    ended = False
    try:
        while True:
            while not ended and len(running) <= crew.workers:
                budget.wait_for_replica(lambda: lag_seconds(crew.planner, crew.server))
                if budget.stop():
                    break
                part = one.next_range(crew.planner, after)
                ended = part is None or not part.full
                if part is not None:
                    after = part.upto
                    running.append((part, crew.submit(one.work, part)))
            if not running:
                return ended
            part, future = running.popleft()
            accept(part, future.result())
    finally:
        for _unused, future in running:
            future.cancel()
