# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch: when to look, with threads, so that a slow probe holds up no other, and when to stop."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from abc import ABC, abstractmethod
from typing import Callable, Dict, Optional, Sequence, Tuple

from .gate import Gate, Reading
from .probes import Probe

#: Seconds a look may take beyond its probe's own limit (looking up a name has none) until it counts as failed.
GRACE_SECONDS = 1.0

#: A probe, when its look began, and what it brought.
Result = Tuple[Probe, float, Dict[str, Reading]]


class Hands(ABC):
    """Carries out looks, several at a time, and waits."""

    @abstractmethod
    def start(self, probe: Probe, at: float) -> None:
        """Begin a look, on the clock of the watch."""

    @abstractmethod
    def wait(self, seconds: float) -> Optional[Result]:
        """The next finished look, or None after so many seconds without one."""


class Threads(Hands):
    """A thread a look. They don't keep the process from ending."""

    def __init__(self) -> None:
        self._done: queue.Queue[Result] = queue.Queue()

    def start(self, probe: Probe, at: float) -> None:
        threading.Thread(target=self._look, args=(probe, at), daemon=True).start()

    def _look(self, probe: Probe, at: float) -> None:
        try:
            readings = probe.look()
        except Exception as error:  # a thread has no caller: the defect must become visible as a reading
            text = "defect of this module: %s %s" % (type(error).__name__, error)
            readings = dict.fromkeys(probe.checks, Reading(error=text))
        self._done.put((probe, at, readings))

    def wait(self, seconds: float) -> Optional[Result]:
        try:
            return self._done.get(timeout=max(seconds, 0))
        except queue.Empty:
            return None


@dataclasses.dataclass(frozen=True)
class Watched:
    """``looks`` is how often it was time to look and all probes were asked that were not still busy; ``missed`` how often nobody
    could, because this machine was stopped or too slow."""

    seconds: float
    looks: int
    missed: int
    stopped_early: bool


def watch(
    probes: Sequence[Probe],
    gate: Gate,
    duration: float,
    interval: float,
    stop_early: bool,
    hands: Optional[Hands] = None,
    clock: Callable[[], float] = time.monotonic,
) -> Watched:
    """Look at once and then every ``interval`` seconds for ``duration`` seconds; ``stop_early`` ends it on the first critical."""
    at_work = _AtWork(probes, gate, hands or Threads(), clock)
    looks = missed = 0
    planned = int(duration / interval + 1e-9) + 1
    stopped = False
    for number in range(planned):
        due = number * interval
        stopped = at_work.collect(due, stop_early)
        if stopped:
            break
        if at_work.now() >= due + interval and number + 1 < planned:
            missed += 1
            continue
        looks += 1
        at_work.look()
    if not stopped:
        at_work.finish()
    return Watched(at_work.now(), looks, missed, stopped)


class _AtWork:
    """The state of one watch: which looks are under way."""

    def __init__(self, probes: Sequence[Probe], gate: Gate, hands: Hands, clock: Callable[[], float]) -> None:
        self._probes, self._gate, self._hands, self._clock = probes, gate, hands, clock
        self._start = clock()
        self._busy: Dict[int, float] = {}

    def now(self) -> float:
        return self._clock() - self._start

    def look(self) -> None:
        """Begin a look at every probe that is free. One that is stuck beyond its limit has failed again."""
        now = self.now()
        for probe in self._probes:
            if id(probe) not in self._busy:
                self._busy[id(probe)] = now
                self._hands.start(probe, now)
            elif now > self._limit(probe):
                self._give_up(probe, now)

    def collect(self, until: float, stop_early: bool) -> bool:
        """Take in what comes until the time ``until``; True as soon as it is critical and that shall end the watch."""
        while True:
            if self._take(until - self.now()):
                if stop_early and self._gate.critical():
                    return True
            elif self.now() >= until:
                return False

    def finish(self) -> None:
        """Wait for the looks under way, each for as long as it may take."""
        while self._busy:
            late = [probe for probe in self._probes if id(probe) in self._busy and self.now() >= self._limit(probe)]
            for probe in late:
                self._give_up(probe, self._busy.pop(id(probe)))
            limits = [self._limit(probe) for probe in self._probes if id(probe) in self._busy]
            if limits:
                self._take(min(limits) - self.now())

    def _take(self, seconds: float) -> bool:
        """Take in the next finished look, if one comes within so many seconds."""
        result = self._hands.wait(seconds)
        if result is None:
            return False
        probe, at, readings = result
        del self._busy[id(probe)]
        for check in probe.checks:
            self._gate.add(check, at, readings[check])
        return True

    def _limit(self, probe: Probe) -> float:
        return self._busy[id(probe)] + probe.timeout + GRACE_SECONDS

    def _give_up(self, probe: Probe, at: float) -> None:
        reading = Reading(error="no answer within %g s, and the look did not end" % probe.timeout)
        for check in probe.checks:
            self._gate.add(check, at, reading)
