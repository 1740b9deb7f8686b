# SPDX-License-Identifier: GPL-3.0-or-later
"""When the watch looks, on a clock of our own: nobody sleeps here."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.environment import watch as watching
from ansible_collections.finaegis.runbook.plugins.module_utils.environment.gate import (
    Gate,
    Limits,
    Reading,
    Requests,
    Rule,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.environment.probes import Probe

FINE, BAD = Reading(ms=1, status=200), Reading(error="down")


class Scripted(Probe):
    """A probe whose look at a time takes so many seconds; None: it never ends."""

    def __init__(self, name: str, takes: Callable[[float], float | None], brings: Callable[[float], Reading]) -> None:
        self.checks, self.timeout = ["http." + name], 10.0
        self.takes, self.brings = takes, brings

    def look(self) -> dict[str, Reading]:
        raise NotImplementedError


class World(watching.Hands):
    """Hands and clock in one: time passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1024.0
        self.pending: list[tuple[float, Probe, float]] = []
        self.stalls: dict[float, float] = {}

    def clock(self) -> float:
        return self.now

    def start(self, probe: Probe, at: float) -> None:
        assert isinstance(probe, Scripted)
        takes = probe.takes(at)
        if takes is not None:
            self.pending.append((self.now + takes, probe, at))

    def wait(self, seconds: float) -> watching.Result | None:
        # A real clock goes on even where the rest is too small to be added.
        until = self.now + max(seconds, 1e-6)
        self.pending.sort(key=lambda item: item[0])
        if self.pending and self.pending[0][0] <= until:
            done, probe, at = self.pending.pop(0)
            self.now = max(self.now, done)
            assert isinstance(probe, Scripted)
            return probe, at, {probe.checks[0]: probe.brings(at)}
        stalled = sum(self.stalls.pop(moment) for moment in sorted(self.stalls) if self.now <= moment < until)
        self.now = until + stalled
        return None


def run(
    world: World, probes: list[Probe], duration: float, interval: float, early: bool = False
) -> tuple[Gate, watching.Watched]:
    gate = Gate([Requests(p.checks[0][5:], Limits(500, 2000), Limits(1, 5), Rule(3, 5), 1) for p in probes], 1000)
    return gate, watching.watch(probes, gate, duration, interval, early, world, world.clock)


def times(gate: Gate, name: str) -> list[float]:
    return [round(sample.at, 3) for sample in gate.samples() if sample.check == "http." + name]


def test_it_looks_at_the_start_and_at_the_end() -> None:
    gate, watched = run(World(), [Scripted("a", lambda at: 0.1, lambda at: FINE)], 10, 2)
    assert times(gate, "a") == [0, 2, 4, 6, 8, 10]
    assert (watched.looks, watched.missed, watched.stopped_early) == (6, 0, False)
    assert watched.seconds == pytest.approx(10.1, abs=0.01)


@pytest.mark.parametrize(
    ("duration", "interval", "looks"), [(0, 5, 1), (4, 5, 1), (5, 5, 2), (1, 0.1, 11), (0.3, 0.1, 4)]
)
def test_how_often_it_looks(duration: float, interval: float, looks: int) -> None:
    gate, watched = run(World(), [Scripted("a", lambda at: 0, lambda at: FINE)], duration, interval)
    assert watched.looks == len(times(gate, "a")) == looks


def test_a_slow_probe_does_not_hold_up_the_others() -> None:
    slow, quick = Scripted("slow", lambda at: 5, lambda at: FINE), Scripted("quick", lambda at: 0.1, lambda at: FINE)
    gate, _ = run(World(), [slow, quick], 12, 2)
    assert times(gate, "quick") == [0, 2, 4, 6, 8, 10, 12]
    assert times(gate, "slow") == [0, 6, 12]


def test_it_stops_at_the_third_bad_one_of_five() -> None:
    probe = Scripted("a", lambda at: 0.5, lambda at: BAD if at in (2, 4, 8, 10) else FINE)
    gate, watched = run(World(), [probe], 100, 2, early=True)
    assert watched.stopped_early
    assert watched.seconds == pytest.approx(8.5, abs=0.01)
    assert times(gate, "a") == [0, 2, 4, 6, 8]
    _, whole = run(World(), [probe], 100, 2)
    assert not whole.stopped_early and whole.looks == 51


def test_a_look_that_never_ends_has_failed_each_time_and_at_the_end() -> None:
    world = World()
    stuck, quick = Scripted("stuck", lambda at: None, lambda at: FINE), Scripted("quick", lambda at: 0, lambda at: FINE)
    gate, watched = run(world, [stuck, quick], 20, 4)
    samples = [sample for sample in gate.samples() if sample.check == "http.stuck"]
    assert [round(sample.at, 3) for sample in samples] == [0, 12, 16, 20]
    assert all("no answer within 10 s" in sample.reading.error for sample in samples)
    assert times(gate, "quick") == [0, 4, 8, 12, 16, 20]
    assert watched.seconds == pytest.approx(20, abs=0.01)


def test_the_last_look_is_waited_for() -> None:
    probe = Scripted("a", lambda at: 7 if at == 10 else 0, lambda at: FINE)
    gate, watched = run(World(), [probe], 10, 5)
    assert times(gate, "a") == [0, 5, 10]
    assert watched.seconds == pytest.approx(17, abs=0.01)


def test_a_machine_that_stood_still_says_so_and_does_not_catch_up() -> None:
    world = World()
    world.stalls[1028.0] = 11.0
    gate, watched = run(world, [Scripted("a", lambda at: 0, lambda at: FINE)], 30, 5)
    assert watched.missed == 2
    assert watched.looks == 5
    assert times(gate, "a") == [0, 16, 20, 25, 30]


def test_threads_bring_readings_and_show_their_defects() -> None:
    class Broken(Scripted):
        def look(self) -> dict[str, Reading]:
            raise ZeroDivisionError("by zero")

    class Good(Scripted):
        def look(self) -> dict[str, Reading]:
            return {self.checks[0]: FINE}

    broken, good = (kind("a", lambda at: 0, lambda at: FINE) for kind in (Broken, Good))
    hands = watching.Threads()
    assert hands.wait(0) is None
    hands.start(good, 1.0)
    assert hands.wait(60) == (good, 1.0, {"http.a": FINE})
    hands.start(broken, 2.0)
    result = hands.wait(60)
    assert result is not None and "defect of this module: ZeroDivisionError" in result[2]["http.a"].error
    assert threading.active_count() < 10
