# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs in hand: waiting until there are none, and naming those that remain."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence

from ..core.waiting import Waited, wait_until
from .connection import Wire, pairs
from .model import Snapshot
from .observe import Watcher

#: The most jobs that are named; their number is always told.
MOST_NAMED = 100


def reserved(now: Snapshot, queues: Sequence[str]) -> int:
    return sum(queue.reserved for queue in now.queues if queue.name in queues)


def wait_drained(watcher: Watcher, queues: Sequence[str], timeout: float, interval: float) -> Waited[Snapshot]:
    return wait_until(watcher.look, lambda now: reserved(now, queues) == 0, timeout, interval)


def at_risk(wire: Wire, watcher: Watcher, now: Snapshot, queues: Sequence[str]) -> List[Dict[str, Any]]:
    """The jobs in hand, those whose reservation ends first at the top: class, queue, uuid, attempt and ages in seconds."""
    place, busy = watcher.place, [q.name for q in now.queues if q.reserved and q.name in queues]
    found: List[Dict[str, Any]] = []
    replies = wire.ask(
        [
            ("ZRANGE", place.queue_prefix + place.queue(name).key + ":reserved", 0, MOST_NAMED - 1, "WITHSCORES")
            for name in busy
        ]
    )
    for name, reply in zip(busy, replies):
        for payload, until in pairs(reply).items():
            found.append(_job(name, payload, float(until), now.taken_at))
    found = sorted(found, key=lambda job: str(job["reserved_until"]))[:MOST_NAMED]
    starts = wire.ask([("HGET", "%s%s" % (place.horizon_prefix, job["uuid"]), "reserved_at") for job in found])
    for job, start in zip(found, starts):
        job["reserved_seconds"] = _since(start, now.taken_at)
    return found


def _job(queue: str, payload: str, until: float, now: float) -> Dict[str, Any]:
    try:
        job = json.loads(payload)
    except ValueError:
        job = {}
    return {
        "class": job.get("displayName"),
        "queue": queue,
        "uuid": job.get("uuid"),
        "attempt": job.get("attempts"),
        "age_seconds": _since(job.get("pushedAt") or job.get("createdAt"), now),
        "reserved_until": until,
        "expired": until < now,
    }


def _since(start: Any, now: float) -> Optional[float]:
    try:
        return round(max(now - float(start), 0.0), 1)
    except (TypeError, ValueError):
        return None
