# SPDX-License-Identifier: GPL-3.0-or-later
"""The acts on a store in memory: races, waiting, check mode, bad input."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Failed, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.environment import lock, locking

NOW = 1_769_824_800.0


class Memory(locking.Store):
    place = "memory"

    def __init__(self) -> None:
        self.text: str | None = None
        self.now = NOW
        self.writes = 0
        self.faster: list[str] = []

    def read(self) -> tuple[str | None, float]:
        return self.text, self.now

    def swap(self, old: str | None, new: str) -> bool:
        if self.faster:
            self.text = self.faster.pop(0)
        if self.text != old:
            return False
        self.text, self.writes = new, self.writes + 1
        return True


def params(**more: Any) -> dict[str, Any]:
    none = dict.fromkeys(["ticket", "token", "break_reason", "path"])
    given = {
        "environment": "prod",
        "state": "acquired",
        "owner": "alice@control",
        "reason": "Window",
        "ttl_seconds": 900,
    }
    return {**none, **given, "wait_timeout": 0, **more}


def act(store: Memory, check: bool = False, **more: Any) -> dict[str, Any]:
    return locking.perform(params(**more), store, check, lambda: store.now, lambda seconds: pass_time(store, seconds))


def pass_time(store: Memory, seconds: float) -> None:
    store.now += seconds


def test_the_life_of_a_lock() -> None:
    store = Memory()
    taken = act(store, ticket="CHG-1")
    assert (taken["changed"], taken["held"], taken["renewed"], taken["previous"]) == (True, True, False, None)
    assert (taken["owner"], taken["ticket"]) == ("alice@control", "CHG-1")
    assert (taken["since"], taken["until"]) == ("2026-01-31T02:00:00Z", "2026-01-31T02:15:00Z")
    store.now += 60
    extended = act(store, token=taken["token"], reason=None)
    assert (extended["changed"], extended["renewed"], extended["token"]) == (False, True, taken["token"])
    assert (extended["until"], extended["fence"]) == ("2026-01-31T02:16:00Z", taken["fence"])
    seen = act(store, state="queried")
    assert (seen["changed"], seen["held"], seen["token"], seen["reason"]) == (False, True, None, "Window")
    released = act(store, state="released", token=taken["token"])
    assert (released["changed"], released["held"], released["owner"]) == (True, False, None)
    assert released["previous"]["fence"] == taken["fence"]
    assert released["diff"]["before"]["owner"] == "alice@control"
    assert released["diff"]["after"]["owner"] is None
    assert not act(store, state="released", token=taken["token"])["changed"]


def test_the_refusal_carries_the_holder_but_not_its_token() -> None:
    store = Memory()
    token = act(store)["token"]
    with pytest.raises(lock.Held) as caught:
        act(store, owner="bob@laptop")
    assert caught.value.data["owner"] == "alice@control"
    assert caught.value.data["held"] is True
    assert token not in repr(caught.value.data) + str(caught.value)


def test_a_race_lost_to_a_winner_is_a_refusal() -> None:
    store, other = Memory(), Memory()
    act(other, owner="bob@laptop")
    assert other.text is not None
    store.faster = [other.text]
    with pytest.raises(lock.Held, match="bob@laptop"):
        act(store)
    assert store.writes == 0


def test_a_race_lost_to_a_release_is_tried_again() -> None:
    store, other = Memory(), Memory()
    token = act(other, owner="bob@laptop")["token"]
    act(other, owner="bob@laptop", state="released", token=token)
    assert other.text is not None
    store.faster = [other.text]
    assert act(store)["owner"] == "alice@control"


def test_a_store_that_never_stands_still_is_given_up() -> None:
    store = Memory()
    other = Memory()
    texts = []
    for _ in range(2):
        token = act(other)["token"]
        act(other, state="released", token=token)
        texts.append(other.text)
    store.faster = texts * locking.SWAPS
    with pytest.raises(Failed, match="changed under each of"):
        act(store)


def test_waiting_gets_the_lock_when_it_runs_out_and_gives_up_in_time() -> None:
    store = Memory()
    act(store, ttl_seconds=60)
    with pytest.raises(lock.Held):
        act(store, owner="bob@laptop", wait_timeout=30)
    assert store.now == NOW + 30
    assert act(store, owner="bob@laptop", wait_timeout=60)["owner"] == "bob@laptop"
    assert store.now == NOW + 60


def test_check_mode_writes_nothing_and_plays_the_whole_life() -> None:
    store = Memory()
    taken = act(store, check=True)
    assert (taken["changed"], taken["held"], taken["owner"]) == (True, True, "alice@control")
    assert taken["message"].startswith("Check mode, not done: ")
    extended = act(store, check=True, token=taken["token"])
    assert (extended["changed"], extended["renewed"], extended["held"], extended["token"]) == (
        False,
        True,
        True,
        taken["token"],
    )
    released = act(store, check=True, state="released", token=taken["token"])
    assert (released["changed"], released["held"]) == (True, False)
    assert not act(store, check=True, state="broken", break_reason="x")["changed"]
    assert store.text is None
    assert set(taken) == set(extended) == set(released) == set(act(store))


def test_check_mode_says_no_at_once_when_the_lock_is_held() -> None:
    store = Memory()
    real = act(store)
    with pytest.raises(lock.Held):
        act(store, check=True, owner="bob@laptop", wait_timeout=30)
    assert store.now == NOW
    assert act(store, check=True, state="released", token=real["token"])["changed"]
    assert act(store, check=True, state="broken", break_reason="x", owner="bob@laptop")["changed"]
    assert store.writes == 1


def test_the_token_of_check_mode_opens_nothing() -> None:
    store = Memory()
    act(store)
    for state in ("acquired", "released"):
        with pytest.raises(Refused, match="no record of this token"):
            act(store, state=state, token=locking.CHECK_MODE_TOKEN)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"reason": None}, "needs reason"),
        ({"reason": "  "}, "needs reason"),
        ({"state": "released", "token": ""}, "needs token"),
        ({"state": "broken", "break_reason": " "}, "needs break_reason"),
        ({"ttl_seconds": 0}, "ttl_seconds is 0"),
        ({"ttl_seconds": -5}, "ttl_seconds is -5"),
    ],
)
def test_bad_input_is_refused_before_anything_is_connected_to(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        locking.make(params(backend="redis", **given))


@pytest.mark.parametrize("name", ["", "a b", "../x", ".hidden", "a/b", "x" * 101, "a\n"])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="name of an environment"):
        locking.make(params(environment=name, backend="redis"))
