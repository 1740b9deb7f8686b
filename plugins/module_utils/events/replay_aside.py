# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The read model built again beside the live one, and held against it."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

from ..core.errors import Refused, RunbookError
from ..mysql.connection import Connection, SqlError
from ..mysql.login import Login
from . import replay_counts, replay_schema
from .replay_app import Application, Facts
from .replay_compare import Comparison, Drift, Shape
from .replay_engines import Engine, Progress, progress
from .replay_plan import Scope
from .replay_schema import Names
from .stores import Table


@dataclasses.dataclass(frozen=True)
class Site:
    """The server, the application and the options. ``connection`` holds the lock; ``params`` are the module's."""

    connection: Connection
    admin: Login
    names: Names
    app: Application
    facts: Facts
    params: Dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Ground(Site):
    """All that was read and found fit before anything was made."""

    scope: Scope
    store: Table
    shapes: List[Shape]

    def plan(self) -> Dict[str, Any]:
        """What must be the same for an interrupted replay to be gone on with."""
        return {
            "projectors": list(self.scope.projectors),
            "tables": list(self.scope.tables),
            "classes": list(self.scope.classes),
            "model": self.facts.model,
            "uuid": self.scope.uuid,
            "from_id": self.scope.from_id,
            "workers": self.params["workers"],
            "engine": self.params["engine"],
            "copy": self.scope.from_id > 1,
            "structure": replay_schema.structure(self.connection, self.names, self.scope.tables),
        }

    def head(self) -> int:
        return replay_counts.head(self.connection, self.names, self.store.name)

    def by_class(self, upto: int) -> Dict[str, int]:
        return replay_counts.by_class(self.connection, self.names, self.store.name, self.scope, upto)


class Rebuild:
    """The scratch tables and the engine that fills them."""

    def __init__(
        self, ground: Ground, engine: Engine, resumed: bool, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._ground, self.engine, self.resumed, self._sleep = ground, engine, resumed, sleep
        self.goal = 0
        self.first = progress(ground.connection, ground.names)

    def progress(self) -> Progress:
        return progress(self._ground.connection, self._ground.names)

    def catch_up(self, settled: bool = False, within: Optional[float] = None) -> None:
        """Apply everything there is now, but what may still be under way unless nobody writes (``settled``), and count it.

        ``within`` is how many seconds it may take. An event is stored before its metadata has its own id, and a lower id may be
        committed after a higher one.

        :raises Failed: when other events were applied than SQL counts.
        """
        goal = self._ground.head()
        if not settled and goal > self.goal:
            self._sleep(self._ground.params["settle_seconds"])
        self.catch_up_to(goal, within)

    def catch_up_to(self, goal: int, within: Optional[float] = None) -> None:
        self.engine.reset()
        self.engine.catch_up(goal, within)
        self.goal = goal
        replay_counts.compare_counts(self._ground.by_class(goal), self.progress().classes, goal)

    def comparisons(self) -> List[Comparison]:
        ground = self._ground
        return [
            Comparison(ground.connection, ground.names, shape, ground.params["chunk_rows"], ground.scope.uuid)
            for shape in ground.shapes
        ]

    def compare(self) -> List[Drift]:
        """Go through all tables; rows that differ while events come in are looked at again after catching up with those."""
        comparisons = self.comparisons()
        before = self._ground.head()
        drifts = [one.run() for one in comparisons]
        for _round in range(self._ground.params["rounds"]):
            if not any(drift.differing for drift in drifts) or self._ground.head() == before == self.goal:
                break
            before = self._ground.head()
            self.catch_up()
            for comparison, drift in zip(comparisons, drifts):
                drift.unsettled = 0
                comparison.again(drift)
        return drifts


@contextlib.contextmanager
def rebuild(ground: Ground, restart: bool) -> Iterator[Rebuild]:
    """The scratch schema, made anew or as an interrupted run left it, with the user for it.

    :raises Refused: when an interrupted run left half a chunk behind and ``restart`` is not set.
    """
    connection, names = ground.connection, ground.names
    replay_schema.end_orphans(connection, names, replay_schema.user_name(ground.params, names))
    state = replay_schema.read_state(connection, names)
    plan = ground.plan()
    resumed = state is not None and state.plan == plan and not restart
    if resumed and state is not None and state.broken:
        if ground.params["engine"] == "driver":
            raise Refused(
                "In %s part of a chunk was committed by a projector, so it can't be known which of its events were applied."
                % names.scratch,
                "Rebuild with restart; if the projector commits by itself (DDL, TRUNCATE, DB::commit), mend it or use engine artisan.",
            )
        resumed = False
    if not resumed:
        replay_schema.create(connection, names, ground.scope.tables, plan)
    try:
        with _entered(ground) as engine:
            yield Rebuild(ground, engine, resumed)
    except RunbookError:
        with contextlib.suppress(SqlError):  # a server that is gone keeps what it has for the next run
            if not progress(connection, names).events:
                replay_schema.drop(connection, names.scratch)
        raise


@contextlib.contextmanager
def _entered(ground: Ground) -> Iterator[Engine]:
    """The application sent aside, by its own word."""
    connection, names = ground.connection, ground.names
    with replay_schema.guest(
        connection, names, [*ground.scope.tables, ground.store.name], ground.admin, ground.params
    ) as aside:
        proved = ground.app.facts(ground.params["stored_event_model"], aside)
        _same_application(ground.facts, proved)
        yield Engine(connection, names, ground.app, aside, ground.scope, ground.store.name, ground.params)


def _same_application(live: Facts, aside: Facts) -> None:
    """:raises Refused: when the settings of the replay change more than where the data goes."""
    for name in ("model", "table", "projectors", "class_map"):
        if getattr(live, name) != getattr(aside, name):
            raise Refused(
                "Under the settings of the replay the application has another %s than live: a cached configuration is out of date, "
                "or its .env was changed since." % name,
                "Run 'php artisan config:cache' (or config:clear) there first. Nothing was changed.",
            )


def sample(ground: Ground) -> Optional[float]:
    """Seconds an event takes, measured with the first ones in a scratch schema of its own, which is removed; None without any."""
    wanted = ground.params["sample_events"]
    total = sum(ground.by_class(ground.head()).values())
    if not wanted or not total:
        return None
    names = Names(ground.names.live, ground.names.scratch + "_sample", ground.names.old)
    trial = dataclasses.replace(ground, names=names, params={**ground.params, "workers": 1})
    where, args = ground.scope.where(ground.head())
    goal = ground.connection.value(
        f"SELECT MAX(id) FROM (SELECT id FROM {ground.store.sql} WHERE {where} ORDER BY id LIMIT {int(wanted)}) s",
        args,
    )
    replay_schema.read_state(ground.connection, names)
    try:
        with rebuild(trial, restart=True) as trying:
            trying.catch_up_to(int(goal))
            return trying.engine.work.seconds / max(trying.progress().events, 1)
    finally:
        replay_schema.drop(ground.connection, names.scratch)
