# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One act on Horizon from end to end: choose, check, tell, see, drain."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Sequence

from ..core.errors import Failed, Refused, TimedOut, Unavailable
from .connection import Wire
from .control import Outcome, Timing, clear_leftovers, send, watch
from .drain import at_risk, reserved, wait_drained
from .model import Snapshot
from .observe import Watcher
from .targets import ORDERS, Selection, Target, check, on_host, queues_to_drain


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked. ``artisan`` runs an artisan command on the host named ``host`` and returns what it said; None goes by Redis."""

    state: str
    selection: Selection
    timing: Timing
    drain: bool = False
    drain_timeout: float = 90.0
    max_targets: Optional[int] = None
    check_mode: bool = False
    host: str = ""
    artisan: Optional[Callable[[str], str]] = None


def conduct(wire: Wire, watcher: Watcher, request: Request) -> Dict[str, Any]:
    """Do it and return the module's result.

    :raises Refused, BadInput: before anything is done.
    :raises Failed: when a target did not take the command or its effect was not seen; the result is the error's data.
    :raises TimedOut: when jobs are still in hand after ``drain_timeout``; likewise.
    """
    before = watcher.look()
    selection = on_host(before, request.host) if request.artisan else request.selection
    targets, absent = check(before, request.state, selection)
    queues = queues_to_drain(before, targets, selection) if request.drain else []
    outcomes = [Outcome(target, ORDERS[request.state][3]) for target in targets]
    needed = [outcome for outcome in outcomes if outcome.needed]
    if request.max_targets is not None and len(needed) > request.max_targets:
        raise Refused(
            "%d processes would be told, more than max_targets=%d: %s. Nothing was done."
            % (len(needed), request.max_targets, ", ".join(outcome.target.name for outcome in needed)),
            "Choose fewer with masters, hosts or supervisors, or raise max_targets.",
        )
    removed = clear_leftovers(wire, watcher, before, request.check_mode)
    result: Dict[str, Any] = {
        "changed": bool(needed or removed),
        "state": request.state,
        "method": "artisan" if request.artisan else "redis",
        "status_before": before.status,
        "status_after": before.status,
        "targets": [],
        "absent": absent,
        "removed_commands": removed,
        "drained": None,
        "drain_seconds": 0.0,
        "at_risk": [],
    }
    now, said = before, ""
    if request.check_mode:
        for outcome in outcomes:
            outcome.after = outcome.wanted
    else:
        try:
            if request.artisan:
                said = request.artisan(ORDERS[request.state][2]) if needed else ""
                now = watch(wire, watcher, outcomes, request.timing, {}, "")
            else:
                now = send(wire, watcher, outcomes, request.state, request.timing)
        except Unavailable as error:
            result["targets"] = _rows(outcomes, watcher, request)
            raise Failed(
                "%s This was after commands may have been sent; whether they took effect was not seen." % error,
                "Run the task again: it looks first and does only what is missing.",
                **result,
            ) from error
        result["status_after"] = now.status
        result["changed"] = bool(removed) or any(o.needed and (o.acknowledged or o.reached) for o in outcomes)
    result["targets"] = _rows(outcomes, watcher, request)
    _demand(outcomes, request, said, result)
    if request.drain:
        _drain(wire, watcher, request, now, queues, result)
    return result


def _rows(outcomes: Sequence[Outcome], watcher: Watcher, request: Request) -> List[Dict[str, Any]]:
    order, _options, command, _wanted = ORDERS[request.state]
    return [
        {
            "kind": outcome.target.kind,
            "name": outcome.target.name,
            "host": outcome.target.host,
            "pids": list(outcome.target.pids),
            "before": outcome.target.before,
            "after": outcome.after,
            "changed": outcome.needed,
            "command": None if not outcome.needed else command if request.artisan else order,
            "list": None if not outcome.needed or request.artisan else _list(watcher, outcome.target),
            "acknowledged": outcome.acknowledged,
            "command_removed": outcome.removed,
            "seconds": outcome.seconds,
        }
        for outcome in outcomes
    ]


def _list(watcher: Watcher, target: Target) -> str:
    return "%scommands:%s" % (watcher.place.horizon_prefix, target.inbox)


def _demand(outcomes: Sequence[Outcome], request: Request, said: str, result: Dict[str, Any]) -> None:
    reasons = []
    for outcome in outcomes:
        if outcome.reached:
            continue
        if outcome.removed:
            reason = "did not take the command within %g seconds, so it hangs or is dead; the command was removed again"
            reasons.append("%s %s" % (outcome.target.name, reason % request.timing.acknowledge))
        elif outcome.acknowledged is False:
            reasons.append("%s was not told, because nobody takes what is in its list already" % outcome.target.name)
        else:
            took = "took the command but " if outcome.acknowledged else ""
            reasons.append("%s %sis %s" % (outcome.target.name, took, outcome.after))
    if not reasons:
        return
    raise Failed(
        "Not all of Horizon is %s: %s.%s"
        % (request.state, "; ".join(reasons), " artisan said: " + said if said else ""),
        "Look at the processes on their hosts; a killed one leaves its workers behind for a while.",
        **result,
    )


def _drain(
    wire: Wire, watcher: Watcher, request: Request, now: Snapshot, queues: Sequence[str], result: Dict[str, Any]
) -> None:
    if not request.check_mode:
        waited = wait_drained(watcher, queues, request.drain_timeout, request.timing.interval)
        now, result["drain_seconds"] = waited.value, round(waited.seconds, 2)
    left = reserved(now, queues)
    result["at_risk"] = at_risk(wire, watcher, now, queues) if left else []
    result["drained"] = left == 0
    if left and not request.check_mode:
        jobs = ", ".join("%(class)s %(uuid)s of %(queue)s" % job for job in result["at_risk"][:10])
        raise TimedOut(
            "After %g seconds %d jobs are still in hand: %s." % (request.drain_timeout, left, jobs),
            "Wait longer (drain_timeout), or accept that these may run a second time when their workers are killed.",
            **result,
        )
