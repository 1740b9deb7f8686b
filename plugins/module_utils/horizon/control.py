# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling Horizon's processes what to do through Redis, and seeing that they did.

Each master and supervisor looks at a list of its own once a second, takes all elements out and runs them. A list that was taken
is not yet success (a bad element is taken too), and a list whose process is dead stays for ever. So: one element a list, then wait
for the list to be taken and for the process' own record to show the effect; an element that nobody takes is removed again.
"""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from typing import Any, Callable, Dict, List, Optional, Sequence

from .connection import Wire
from .model import Snapshot
from .observe import Watcher
from .targets import ORDERS, Target, state_of

#: The mark in the options of our elements; Horizon ignores it. With it ours are told from those of others.
SENDER = "finaegis.runbook"


@dataclasses.dataclass
class Outcome:
    """What came of one target. ``acknowledged`` is None where nothing was sent through Redis; ``seconds`` until the effect."""

    target: Target
    wanted: str
    sent: bool = False
    acknowledged: Optional[bool] = None
    removed: bool = False
    after: str = ""
    seconds: float = 0.0

    @property
    def needed(self) -> bool:
        return self.target.before != self.wanted

    @property
    def reached(self) -> bool:
        return self.after == self.wanted and self.acknowledged is not False


@dataclasses.dataclass(frozen=True)
class Timing:
    """Seconds: until a command must have been taken, until its effect must be seen, and between two looks."""

    acknowledge: float
    effect: float
    interval: float
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def element(state: str) -> str:
    """A command as Horizon reads it. Both keys are needed: without ``options`` it would be lost and so would what follows it."""
    order, options, _artisan, _wanted = ORDERS[state]
    return json.dumps({"command": order, "options": {**options, "sender": SENDER, "id": uuid.uuid4().hex}})


def send(wire: Wire, watcher: Watcher, outcomes: Sequence[Outcome], state: str, timing: Timing) -> Snapshot:
    """Send the command to each target that needs it and fill in its outcome. Returns the last snapshot."""
    started = timing.clock()
    lists = {o.target.name: "%scommands:%s" % (watcher.place.horizon_prefix, o.target.inbox) for o in outcomes}
    order = element(state)
    waiting = [o for o in outcomes if o.needed]
    while True:  # one element a list: what others sent must have been taken first
        lengths = wire.ask([("LLEN", lists[o.target.name]) for o in waiting])
        ready = [o for o, length in zip(waiting, lengths) if not length]
        if len(ready) == len(waiting) or timing.clock() - started >= timing.acknowledge:
            break
        timing.sleep(timing.interval)
    wire.ask([("RPUSH", lists[o.target.name], order) for o in ready], atomic=True)
    for outcome in waiting:
        outcome.sent, outcome.acknowledged = outcome in ready, False
    return watch(wire, watcher, outcomes, timing, lists, order)


def watch(
    wire: Wire,
    watcher: Watcher,
    outcomes: Sequence[Outcome],
    timing: Timing,
    lists: Dict[str, str],
    order: str,
) -> Snapshot:
    """Look until every target is as wanted or its time is over; take back what was not taken. Returns the last snapshot."""
    started = timing.clock()
    for outcome in outcomes:
        outcome.after = outcome.target.before
    while True:
        pending = [o for o in outcomes if o.sent and not o.acknowledged and not o.removed]
        held = wire.ask([("LRANGE", lists[o.target.name], 0, -1) for o in pending])
        spent = timing.clock() - started
        for outcome, elements in zip(pending, held):
            outcome.acknowledged = order not in elements
        overdue = [o for o in pending if not o.acknowledged] if spent >= timing.acknowledge else []
        counts = wire.ask([("LREM", lists[o.target.name], 0, order) for o in overdue])
        for outcome, count in zip(overdue, counts):  # none there: taken in this very moment
            outcome.removed, outcome.acknowledged = bool(count), not count
        now = watcher.look()
        spent = timing.clock() - started
        for outcome in outcomes:
            if not outcome.reached:
                outcome.after, outcome.seconds = (
                    state_of(now, outcome.target.kind, outcome.target.name),
                    round(spent, 2),
                )
        hopeful = [o for o in outcomes if not o.reached and not o.removed and (o.sent or o.acknowledged is None)]
        if not hopeful or spent >= timing.effect:
            return now
        timing.sleep(timing.interval)


def clear_leftovers(wire: Wire, watcher: Watcher, now: Snapshot, check_mode: bool) -> List[Dict[str, Any]]:
    """Remove commands that an interrupted run of ours left for processes that are gone; those of others stay."""
    prefix = "%scommands:" % watcher.place.horizon_prefix
    lists = [prefix + target for target in now.leftovers]
    found = [
        (key, one)
        for key, elements in zip(lists, wire.ask([("LRANGE", key, 0, -1) for key in lists]))
        for one in elements
        if '"sender": "%s"' % SENDER in one
    ]
    if not check_mode:
        wire.ask([("LREM", key, 0, one) for key, one in found])
    return [{"list": key, "command": json.loads(one)["command"]} for key, one in found]
