# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is killed, in which order, and whether the limits allow it. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import Dict, List, Optional, Tuple

from .match import LONG_RUNNING, Policy, protected, unmatched
from .processlist import Process, Snapshot, Threads

GONE = "gone"


@dataclasses.dataclass(frozen=True)
class Choice:
    """``candidates`` may be killed, oldest first; the first ``wanted`` of them are to be. ``protected`` match but are spared,
    with the reason. ``unmatched`` counts the others by reason. ``reason`` says why fewer are wanted than may be killed.
    """

    candidates: List[Process]
    wanted: int
    protected: List[Tuple[Process, str]]
    unmatched: Dict[str, int]
    reason: str = ""

    @property
    def victims(self) -> List[Process]:
        return self.candidates[: self.wanted]


def by_age(process: Process) -> Tuple[float, int]:
    """The oldest first; of the same age the lower id."""
    return -process.seconds, process.id


def choose(snapshot: Snapshot, policy: Policy) -> Choice:
    """Decide on every connection of the snapshot. Where something of others is unknown none is chosen."""
    others: Dict[str, int] = Counter()
    spared: List[Tuple[Process, str]] = []
    candidates: List[Process] = []
    for process in snapshot.processes:
        why_not = unmatched(process, policy)
        if why_not is not None:
            others[why_not] += 1
            continue
        reason = protected(process, policy, snapshot.own_id)
        if reason is not None:
            spared.append((process, reason))
        else:
            candidates.append(process)
    candidates.sort(key=by_age)
    wanted, reason = _wanted(len(candidates), snapshot.threads, policy)
    if snapshot.unknown:
        wanted, reason = 0, snapshot.unknown
    return Choice(candidates, wanted, spared, dict(others), reason)


def _wanted(candidates: int, threads: Threads, policy: Policy) -> Tuple[int, str]:
    if policy.only_above_percent is not None and threads.percent <= policy.only_above_percent:
        return 0, "%.1f %% of max_connections is not above only_above_percent" % threads.percent
    if policy.until_percent is None or policy.mode == LONG_RUNNING:
        return candidates, ""
    surplus = max(0, threads.connected - math.floor(threads.maximum * policy.until_percent / 100.0))
    return min(candidates, surplus), "until_percent is reached" if surplus < candidates else ""


def changed_hands(before: Process, now: Optional[Process]) -> Optional[str]:
    """Why ``now``, read under the id of ``before``, is not the same connection in the same rest; None when it is.

    A server counts ids upwards and ``host`` has the client's port, so what could be mistaken is the same connection after
    it did something: then its rest is shorter than before, or in MariaDB its last statement another one.
    """
    if now is None:
        return GONE
    if (before.user, before.host) != (now.user, now.host):
        return "the id belongs to another connection now"
    if now.command != before.command or now.query_id != before.query_id or now.seconds < before.seconds:
        return "it became active"
    return None
