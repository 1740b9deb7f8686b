# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How events get into the scratch tables: by our driver, or by the package's own command in slices."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import re
from typing import Any, Dict, List, Optional

from ..core.errors import Failed
from ..mysql.connection import Connection
from . import replay_driver, replay_php
from .replay_app import Application, Aside, Told
from .replay_plan import Scope
from .replay_schema import PART, RUN, Names

#: Events in one run of the package's command: its start takes 0.15 s, and a killed one is begun again.
SLICE = 20000


@dataclasses.dataclass
class Work:
    """What all programs of a task did together. ``memory_bytes`` is the most that one of them took."""

    chunks: int = 0
    retried: int = 0
    seconds: float = 0.0
    memory_bytes: int = 0

    def add(self, told: Told) -> None:
        self.chunks += told.chunks
        self.retried += told.done["retried"]
        self.memory_bytes = max(self.memory_bytes, told.done["memory_bytes"])


@dataclasses.dataclass(frozen=True)
class Progress:
    """What the checkpoints say: events applied by class, and those whose projector threw and was let pass."""

    upto: int
    classes: Dict[str, int]
    skipped: int
    skipped_ids: List[int]

    @property
    def events(self) -> int:
        return sum(self.classes.values())


def progress(connection: Connection, names: Names) -> Progress:
    """All parts together; ``upto`` is the least that one of them reached."""
    rows = connection.rows("SELECT last_id, state FROM %s ORDER BY part" % names.scratch_table(PART))
    classes: Dict[str, int] = {}
    states = [json.loads(row["state"]) for row in rows]
    for state in states:
        for name, number in dict(state["classes"] or {}).items():
            classes[name] = classes.get(name, 0) + number
    return Progress(
        min(int(row["last_id"]) for row in rows),
        dict(sorted(classes.items())),
        sum(state["skipped"] for state in states),
        sorted(one for state in states for one in state["skipped_ids"])[:20],
    )


class Engine:
    """Feeds the scratch tables. ``params`` are the module's."""

    def __init__(
        self,
        connection: Connection,
        names: Names,
        app: Application,
        aside: Aside,
        scope: Scope,
        store: str,
        params: Dict[str, Any],
    ) -> None:
        self._db, self._names, self._app, self._aside = connection, names, app, aside
        self._scope, self._store, self._params = scope, store, params
        self.work = Work()

    def reset(self) -> None:
        """Let the projectors empty what they keep, once; tables that start as a copy stay as they are."""
        if not self._db.value("SELECT reset_done FROM %s" % self._names.scratch_table(RUN)):
            if self._scope.from_id <= 1:
                self._app.run(replay_php.RESET, {**self._common(), "uuid": self._scope.uuid}, self._aside)
            self._db.rows("UPDATE %s SET reset_done = 1" % self._names.scratch_table(RUN))

    def catch_up(self, goal: int, within: Optional[float] = None) -> None:
        """Apply all events of the scope up to the id ``goal`` that were not applied yet, ``within`` so many seconds.

        :raises ReplayStopped: when a projector fails; the tables then stand at the last chunk (driver).
        """
        if progress(self._db, self._names).upto >= goal:
            return
        app = self._app if within is None else dataclasses.replace(self._app, timeout=max(within, 0.1))
        if self._params["engine"] == "driver":
            self._drive(goal, app)
        else:
            self._slices(goal, app)

    def _common(self) -> Dict[str, Any]:
        return {"projectors": list(self._scope.projectors), "model": self._scope.model}

    def _drive(self, goal: int, app: Application) -> None:
        parts = self._params["workers"]

        def one(part: int) -> Told:
            settings = {
                **self._common(),
                "uuid": self._scope.uuid,
                "from": self._scope.from_id,
                "to": goal,
                "parts": parts,
                "part": part,
                "chunk": self._params["chunk_events"],
                "chunk_seconds": self._params["chunk_seconds"],
                "lock": self._names.lock("part%d" % part),
            }
            return app.run(replay_driver.DRIVER, settings, self._aside)

        with concurrent.futures.ThreadPoolExecutor(parts) as pool:
            running = [pool.submit(one, part) for part in range(parts)]
            concurrent.futures.wait(running)
        seconds = 0.0
        for done in running:
            told = done.result()
            self.work.add(told)
            seconds = max(seconds, told.done["seconds"])
        self.work.seconds += seconds

    def _slices(self, goal: int, app: Application) -> None:
        """The command reads what the view shows. A slice that was begun and not ended is known by ``in_chunk``."""
        part, view = self._names.scratch_table(PART), self._names.scratch_table(self._store)
        while True:
            state = self._db.rows("SELECT last_id, state FROM %s" % part)[0]
            after = max(int(state["last_id"]), self._scope.from_id - 1)
            if after >= goal:
                return
            upto = self._slice_end(after, goal)
            events = self._names.live_table(self._store)
            sql = "CREATE OR REPLACE SQL SECURITY INVOKER VIEW %s AS SELECT * FROM %s WHERE id > %d AND id <= %d"
            self._db.rows(sql % (view, events, after, upto))
            counted = self._counted(after, upto)
            self._db.rows("UPDATE %s SET in_chunk = %%s" % part, [upto])
            if counted:
                told = app.run(replay_php.ARTISAN, {"arguments": arguments(self._scope, after + 1)}, self._aside)
                judge(told.answer, sum(counted.values()))
                self.work.add(told)
                self.work.chunks += 1
                self.work.seconds += told.done["seconds"]
            self._db.rows(
                "UPDATE %s SET last_id = %%s, state = %%s, in_chunk = NULL" % part,
                [upto, json.dumps(_more(json.loads(state["state"]), counted, told.answer if counted else None))],
            )

    def _slice_end(self, after: int, goal: int) -> int:
        where, args = self._scope.where(goal)
        found = self._db.value(
            "SELECT id FROM {} WHERE id > %s AND {} ORDER BY id LIMIT 1 OFFSET {}".format(
                self._names.live_table(self._store).replace("%", "%%"), where, SLICE - 1
            ),
            [after, *args],
        )
        return goal if found is None else int(found)

    def _counted(self, after: int, upto: int) -> Dict[str, int]:
        where, args = self._scope.where(upto)
        rows = self._db.rows(
            "SELECT event_class AS c, COUNT(*) AS n FROM {} WHERE id > %s AND {} GROUP BY event_class".format(
                self._names.live_table(self._store).replace("%", "%%"), where
            ),
            [after, *args],
        )
        return {str(row["c"]): int(row["n"]) for row in rows}


def arguments(scope: Scope, first: int) -> Dict[str, Any]:
    """Those of the package's command. From 0 it empties the projections before."""
    found: Dict[str, Any] = {"projector": list(scope.projectors), "--from": str(first), "--no-interaction": True}
    if scope.model:
        found["--stored-event-model"] = scope.model
    if scope.uuid:
        found["--aggregate-uuid"] = scope.uuid
    return found


def judge(answer: Dict[str, Any], events: int) -> None:
    """The command ends with 0 whatever it did: judged by the number it says.

    :raises Failed: when it is another than SQL counts.
    """
    said = re.search(r"Replaying (\d+) events", answer["output"])
    if answer["rc"] != 0 or said is None or int(said.group(1)) != events:
        raise Failed(
            "event-sourcing:replay was to replay %d events, ended with %s and said: %s"
            % (events, answer["rc"], " ".join(answer["output"].split())[-300:] or "nothing"),
            "Nothing live was changed.",
        )


def _more(state: Dict[str, Any], counted: Dict[str, int], answer: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    classes = dict(state["classes"] or {})
    for name, number in counted.items():
        classes[name] = classes.get(name, 0) + number
    more = answer or {"skipped": 0, "skipped_ids": []}
    return {
        "classes": classes,
        "skipped": state["skipped"] + more["skipped"],
        "skipped_ids": (state["skipped_ids"] + more["skipped_ids"])[:20],
    }
