# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock's rules: tables for each act, and laws over any order of acts."""

from __future__ import annotations

import json

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.environment import lock
from ansible_collections.finaegis.runbook.plugins.module_utils.environment.lock import Lease, Process, State
from hypothesis import given
from hypothesis import strategies as st

NOW = 1_769_824_800.0
RUN = Process("control", "boot/pid", 42, 777)


def wish(
    token: str, owner: str = "alice@control", now: float = NOW, ttl: float = 900, run: Process | None = RUN
) -> Lease:
    return Lease(owner, "Maintenance", "CHG-1", now, now + ttl, 0, token, run)


def alive(process: Process) -> bool:
    return False


def dead(process: Process) -> bool:
    return True


def held(token: str = "a") -> State:
    return lock.acquire("prod", State(), NOW, wish(token), alive).state


def test_a_free_lock_is_taken() -> None:
    decision = lock.acquire("prod", State(), NOW, wish("a"), alive)
    assert decision.changed
    assert decision.lease == decision.state.lease
    assert decision.lease is not None and decision.lease.token == "a"
    assert decision.lease.fence == int(NOW * 1000)
    assert not decision.taken_over


def test_the_second_learns_who_since_when_until_when_and_why() -> None:
    with pytest.raises(lock.Held) as caught:
        lock.acquire("prod", held(), NOW + 60, wish("b", "bob@laptop", NOW + 60), dead)
    for part in (
        "alice@control",
        "2026-01-31T02:00:00Z",
        "2026-01-31T02:15:00Z",
        "14 min 0 s left",
        "Maintenance",
        "CHG-1",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("owner", "run", "gone", "taken"),
    [
        ("alice@control", RUN, dead, True),
        ("alice@control", RUN, alive, False),
        ("alice@control", None, dead, False),  # not known which process it was
        ("bob@control", RUN, dead, False),  # somebody else's crash: wait or break
    ],
)
def test_only_the_same_owner_takes_over_and_only_from_the_dead(
    owner: str, run: Process | None, gone, taken: bool
) -> None:
    state = lock.acquire("prod", State(), NOW, wish("a", run=run), alive).state
    if not taken:
        with pytest.raises(lock.Held):
            lock.acquire("prod", state, NOW + 1, wish("b", owner), gone)
        return
    decision = lock.acquire("prod", state, NOW + 1, wish("b", owner), gone)
    assert decision.taken_over
    assert decision.previous == state.lease
    with pytest.raises(Refused, match="taken over at .* by alice@control.*It is now held by alice@control"):
        lock.renew("prod", decision.state, NOW + 2, "a", 900)


def test_an_expired_lock_is_anybodys_and_the_late_holder_is_told() -> None:
    decision = lock.acquire("prod", held(), NOW + 900, wish("b", "bob@laptop", NOW + 900), alive)
    assert decision.changed and not decision.taken_over
    assert decision.previous is not None and decision.previous.token == "a"
    for act in (
        lambda: lock.renew("prod", decision.state, NOW + 901, "a", 900),
        lambda: lock.release("prod", decision.state, NOW + 901, "a", "alice@control"),
    ):
        with pytest.raises(Refused, match="ran out at 2026-01-31T02:15:00Z and was then taken by bob@laptop") as caught:
            act()
        assert "It is now held by bob@laptop" in str(caught.value)


def test_an_expired_lock_that_nobody_took_is_extended_and_says_so() -> None:
    decision = lock.renew("prod", held(), NOW + 1000, "a", 900)
    assert decision.renewed and not decision.changed
    assert "had run out 1 min 40 s ago" in decision.message
    assert decision.state.holder(NOW + 1000) is not None


def test_an_extension_never_shortens() -> None:
    decision = lock.renew("prod", held(), NOW + 1, "a", 10)
    assert decision.lease is not None and decision.lease.until == NOW + 900


def test_the_holder_of_a_broken_lock_learns_by_whom_and_why() -> None:
    broken = lock.break_lock("prod", held(), NOW + 5, "carol@control", "Alice's laptop is lost")
    assert broken.changed and broken.state.lease is None
    ending = broken.state.last_broken()
    assert ending is not None and (ending.owner, ending.by, ending.at) == ("alice@control", "carol@control", NOW + 5)
    with pytest.raises(
        Refused, match="broken at .* by carol@control because: Alice's laptop is lost. It is now held by nobody"
    ):
        lock.renew("prod", broken.state, NOW + 6, "a", 900)
    again = lock.break_lock("prod", broken.state, NOW + 7, "carol@control", "again")
    assert not again.changed and again.state == broken.state


def test_released_twice_is_released_once() -> None:
    first = lock.release("prod", held(), NOW + 5, "a", "alice@control")
    assert first.changed and first.state.lease is None
    second = lock.release("prod", first.state, NOW + 9, "a", "alice@control")
    assert not second.changed and "already" in second.message
    with pytest.raises(Refused, match="released at"):
        lock.renew("prod", second.state, NOW + 10, "a", 900)


@pytest.mark.parametrize("act", [lock.renew, lock.release])
def test_a_store_that_lost_its_data_is_never_taken_for_ours(act) -> None:
    with pytest.raises(Refused, match="no record of this token.*flush.*It is now held by nobody"):
        act("prod", State(), NOW, "a", 900) if act is lock.renew else act("prod", State(), NOW, "a", "alice@control")


def test_the_fence_grows_even_when_the_data_was_lost() -> None:
    first = lock.acquire("prod", State(), NOW, wish("a"), alive)
    after_flush = lock.acquire("prod", State(), NOW + 0.01, wish("b"), alive)
    assert first.lease is not None and after_flush.lease is not None
    assert after_flush.lease.fence > first.lease.fence


def test_the_fence_grows_when_the_clock_goes_back() -> None:
    freed = lock.release("prod", held(), NOW, "a", "alice@control").state
    again = lock.acquire("prod", freed, NOW - 3600, wish("b", now=NOW - 3600), alive)
    assert again.state.fence == freed.fence + 1


def test_the_document_reads_back_as_it_was() -> None:
    state = lock.break_lock("prod", held(), NOW + 5.123456, "carol", "weil ä").state
    state = lock.acquire("prod", state, NOW + 6, wish("c", run=None), alive).state
    assert lock.load(lock.dump(state), "here") == state
    assert lock.load(lock.dump(held()), "here") == held()
    assert lock.load(None, "here") == State()


@pytest.mark.parametrize(
    "text", ["", "x", "[]", "{}", "null", "7", '{"fence": 1}', json.dumps({"fence": 1, "lease": {}, "endings": []})]
)
def test_what_is_not_a_lock_lets_nobody_in(text: str) -> None:
    with pytest.raises(Failed, match="key x of Redis.*not a lock"):
        lock.load(text, "key x of Redis")


acts = st.lists(
    st.tuples(
        st.sampled_from(["acquire", "renew", "release", "break", "lose"]),
        st.integers(0, 3),
        st.integers(0, 400),
        st.booleans(),
    ),
    max_size=40,
)


@given(acts)
def test_whatever_happens_one_holder_at_a_time_and_fences_only_grow(steps: list[tuple[str, int, int, bool]]) -> None:
    state, now, fences, serial = State(), NOW, [], 0
    mine: dict[int, str] = {}
    #: Until when each operator may believe to hold the lock, by the last answer it got.
    believes: dict[int, float] = {}
    for act, who, pause, crashed in steps:
        now += pause + 0.001
        owner = f"operator{who}"
        held_before = state.holder(now)
        try:
            if act == "acquire":
                serial += 1
                decision = lock.acquire("e", state, now, wish(str(serial), owner, now, 300), dead if crashed else alive)
                assert held_before is None or decision.taken_over and held_before.owner == owner
                assert decision.lease is not None
                fences.append(decision.lease.fence)
                mine[who], believes[who] = decision.lease.token, decision.lease.until
            elif act == "renew":
                decision = lock.renew("e", state, now, mine.get(who, "none"), 300)
                assert decision.lease is not None
                believes[who] = decision.lease.until
            elif act == "release":
                decision = lock.release("e", state, now, mine.get(who, "none"), owner)
                believes.pop(who, None)
            elif act == "break":
                decision = lock.break_lock("e", state, now, owner, "why")
                if decision.changed:
                    believes.clear()
            else:
                state = State()
                believes.clear()
                continue
        except Refused:
            continue
        state = lock.load(lock.dump(decision.state), "here")
        assert len(state.endings) <= lock.ENDINGS_KEPT
        holders = [name for name, until in believes.items() if until > now]
        assert len(holders) <= 1
    assert fences == sorted(set(fences))
