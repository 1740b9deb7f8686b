# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.finaegis.runbook.plugins.module_utils.core.times import iso, words
from ansible_collections.finaegis.runbook.plugins.module_utils.core.waiting import wait_until


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def test_what_is_there_already_needs_no_sleep() -> None:
    clock = Clock()
    waited = wait_until(lambda: "up", lambda value: value == "up", 0, 1, clock, clock.sleep)
    assert (waited.reached, waited.value, clock.naps) == (True, "up", [])


def test_a_state_reached_at_the_very_end_counts() -> None:
    clock = Clock()
    waited = wait_until(clock, lambda now: now >= 102.5, 2.5, 1, clock, clock.sleep)
    assert waited.reached
    assert clock.naps == [1, 1, 0.5]


def test_the_first_pauses_may_be_short() -> None:
    clock = Clock()
    assert wait_until(clock, lambda now: now >= 108, 60, 3, clock, clock.sleep, first=0.5).reached
    assert clock.naps == [0.5, 1, 2, 3, 3]
    clock.naps.clear()
    wait_until(clock, lambda now: False, 2, 1, clock, clock.sleep, first=5)
    assert clock.naps == [1, 1]


def test_a_time_out_returns_what_was_seen_last() -> None:
    clock = Clock()
    waited = wait_until(clock, lambda now: False, 2, 1, clock, clock.sleep)
    assert (waited.reached, waited.value, waited.seconds) == (False, 102.0, 2.0)


def test_times_are_iso_and_durations_are_words() -> None:
    assert iso(0) == "1970-01-01T00:00:00Z"
    assert [words(4.24), words(200), words(7500)] == ["4.2 s", "3 min 20 s", "2 h 5 min"]
