# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at Horizon: once, twice some seconds apart, or until a state is seen."""

from __future__ import annotations

import dataclasses
import time
from typing import Callable, Optional, Sequence

from ..core.waiting import wait_until
from .connection import Wire
from .discovery import Place, Wanted, locate
from .judge import unmet
from .model import Snapshot
from .snapshot import take


class Watcher:
    """Takes snapshots of one Horizon, whose place in Redis it finds at first and again as long as it had to be guessed.

    ``discovery_trips`` and ``trips`` are the round trips to Redis of the first discovery and of the last snapshot.
    """

    def __init__(self, wire: Wire, wanted: Wanted, queues: Sequence[str] = (), failed_limit: int = 10000) -> None:
        self._wire, self._wanted, self._queues, self._failed_limit = wire, wanted, queues, failed_limit
        self.place: Place = locate(wire, wanted)
        self.discovery_trips = wire.trips
        self.trips = 0

    def look(self) -> Snapshot:
        if self.trips and not self.place.settled:
            self.place = locate(self._wire, self._wanted)
        before = self._wire.trips
        snapshot = take(self._wire, self.place, self._queues, self._failed_limit)
        self.trips = self._wire.trips - before
        return snapshot


@dataclasses.dataclass(frozen=True)
class Observed:
    """What was seen. ``reached`` is False only when the state waited for did not come within ``seconds``."""

    snapshot: Snapshot
    earlier: Optional[Snapshot]
    reached: bool
    seconds: float


def observe(
    watcher: Watcher,
    wait_for: Optional[str],
    wait_timeout: float,
    wait_sleep: float,
    observe_seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Observed:
    """Look until ``wait_for`` is reached (once when it is None), then again after ``observe_seconds`` when that is above 0."""
    waited = wait_until(
        watcher.look,
        lambda snapshot: wait_for is None or not unmet(snapshot, wait_for),
        wait_timeout,
        wait_sleep,
        clock,
        sleep,
    )
    if observe_seconds <= 0:
        return Observed(waited.value, None, waited.reached, waited.seconds)
    sleep(observe_seconds)
    return Observed(watcher.look(), waited.value, waited.reached, waited.seconds)
