# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking again: until a state is seen, and where the place had to be guessed."""

from __future__ import annotations

from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.discovery import Wanted
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.observe import Watcher, observe
from fixtures.redis import keyspace
from fixtures.redis.keyspace import Keys
from unit.horizon.fake_wire import FakeWire


class Film:
    """Recordings shown one after the other: each sleep shows the next."""

    def __init__(self, *names: str) -> None:
        self.scenes: list[dict[int, Keys]] = [keyspace.load(name) for name in names]
        self.wire = FakeWire(self.scenes[0], keyspace.recorded_at(self.scenes[0]))
        self.seconds = 0.0

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if len(self.scenes) > 1:
            self.scenes.pop(0)
        self.wire.databases = self.scenes[0]
        self.wire.now = keyspace.recorded_at(self.scenes[0])

    def clock(self) -> float:
        return self.seconds


def test_waits_until_all_run() -> None:
    film = Film("02-backlog-before-start", "04-paused", "03-running-2-supervisors-backlog", "06-terminated-cleanly")
    seen = observe(Watcher(film.wire, Wanted()), "running", 60, 1, 0, film.clock, film.sleep)
    assert (seen.reached, seen.seconds, seen.snapshot.status) == (True, 2.0, "running")


def test_drained_is_not_inactive() -> None:
    film = Film("06a-paused-with-inflight-job", "08-all-kill9-after-expiry", "06b-terminated-after-inflight")
    seen = observe(Watcher(film.wire, Wanted()), "drained", 60, 1, 0, film.clock, film.sleep)
    assert (seen.reached, seen.seconds) == (True, 2.0)


def test_gives_up() -> None:
    film = Film("04-paused")
    seen = observe(Watcher(film.wire, Wanted()), "running", 5, 2, 0, film.clock, film.sleep)
    assert (seen.reached, seen.seconds, seen.snapshot.status) == (False, 5.0, "paused")


def test_a_horizon_that_shows_itself_while_we_wait_is_found() -> None:
    film = Film("00-empty-redis", "03-running-2-supervisors-backlog")
    watcher = Watcher(film.wire, Wanted())
    assert not watcher.place.settled
    seen = observe(watcher, "running", 60, 1, 0, film.clock, film.sleep)
    assert seen.reached
    assert watcher.place.horizon_prefix == "ref_bank_horizon:"


def test_a_queue_prefix_that_was_guessed_is_looked_for_again() -> None:
    film = Film("01b-after-idle-commands", "02-backlog-before-start")
    watcher = Watcher(film.wire, Wanted())
    assert not watcher.look().queues
    film.sleep(1)
    assert {queue.name: queue.ready for queue in watcher.look().queues} == {"default": 25, "payments": 4}
    assert watcher.place.settled


def test_two_looks() -> None:
    film = Film("03-running-2-supervisors-backlog", "04b-continued")
    seen = observe(Watcher(film.wire, Wanted()), None, 60, 1, 6, film.clock, film.sleep)
    assert seen.earlier is not None
    assert (seen.earlier.queues[0].ready, seen.snapshot.queues[0].ready, film.seconds) == (4, 0, 6)
