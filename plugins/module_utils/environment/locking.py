# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes, renews, releases and breaks the lock in a store, by compare and swap, so that of many only one succeeds."""

from __future__ import annotations

import dataclasses
import re
import time
import uuid
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, Optional, Tuple, Union

from ..core.errors import BadInput, Failed, Refused
from ..core.waiting import wait_until
from . import lock, process
from .lock import Decision, Lease, State

#: A lost swap means that another's succeeded, so even a crowd is served long before this many.
SWAPS = 100
#: Seconds between two looks while waiting for the lock.
LOOK_SECONDS = 0.5
#: Stands for the token that check mode can't get, so that the later tasks of a play can be checked too.
CHECK_MODE_TOKEN = "check-mode"


class Store(ABC):
    """Where the lock's document is kept. ``place`` names it in messages."""

    place: str

    @abstractmethod
    def read(self) -> Tuple[Optional[str], float]:
        """The document, or None when there is none, and the time in Unix seconds that counts for it."""

    @abstractmethod
    def swap(self, old: Optional[str], new: str) -> bool:
        """Replace the document that ``read`` returned last, ``old``, with ``new``; False when it is not that any more."""


def make(params: Dict[str, Any]) -> Store:
    """The store that the options of environment_lock ask for; connects only when they make sense.

    :raises BadInput: see ``check``.
    """
    check(params)
    if params["backend"] == "redis":
        from .lock_redis import RedisStore

        return RedisStore(params)
    from .lock_file import FileStore

    return FileStore(params["path"], params["environment"])


def check(params: Dict[str, Any]) -> None:
    """:raises BadInput: for an option that is empty or can't be."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", params["environment"]):
        raise BadInput(
            "'%s' can't be the name of an environment." % params["environment"],
            "It becomes part of a key or file name: use letters, digits, '.', '_' and '-', at most 100, a letter or digit first.",
        )
    if params["ttl_seconds"] < 1:
        raise BadInput("ttl_seconds is %s." % params["ttl_seconds"], "Give the seconds the lock shall last, 1 or more.")
    needed = {"released": "token", "broken": "break_reason"}.get(params["state"])
    if params["state"] == "acquired" and not params["token"]:
        needed = "reason"
    if needed and not (params[needed] or "").strip():
        raise BadInput("state=%s needs %s, and it is empty." % (params["state"], needed), "Nothing was done.")


def perform(
    params: Dict[str, Any],
    store: Store,
    check_mode: bool,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Dict[str, Any]:
    """Do what ``state`` asks for and return the module's result.

    :raises Refused: when it can't be done; who holds the lock is in its data.
    """
    decide = _act(params, check_mode)

    def look() -> Union[Dict[str, Any], lock.Held]:
        try:
            return _once(params, store, check_mode, decide)
        except lock.Held as held:
            return held

    timeout = 0 if check_mode else params["wait_timeout"]
    seen = wait_until(look, lambda it: isinstance(it, dict), timeout, LOOK_SECONDS, clock, sleep).value
    if isinstance(seen, lock.Held):
        raise seen
    return seen


def _act(params: Dict[str, Any], check_mode: bool) -> Callable[[State, float], Decision]:
    """The act as a function of state and time; made once, so that one run has one token however often it must try."""
    name, owner, token = params["environment"], params["owner"] or process.login(), params["token"] or ""
    pretended = check_mode and token == CHECK_MODE_TOKEN
    if params["state"] == "broken":
        return lambda state, now: lock.break_lock(name, state, now, owner, params["break_reason"])
    if params["state"] == "queried":
        return lambda state, now: lock.query(name, state, now)
    if params["state"] == "released":
        if pretended:
            return lambda state, now: Decision(state, "The lock of %s is released." % name, True)
        return lambda state, now: lock.release(name, state, now, token, owner)
    if token and not pretended:
        return lambda state, now: lock.renew(name, state, now, token, params["ttl_seconds"])
    new, run = CHECK_MODE_TOKEN if check_mode else uuid.uuid4().hex, process.current()

    def acquire(state: State, now: float) -> Decision:
        until = now + params["ttl_seconds"]
        wish = Lease(owner, params["reason"] or "", params["ticket"] or "", now, until, 0, new, run)
        decision = lock.acquire(name, state, now, wish, process.gone)
        # Check mode, and an earlier task would have taken the lock: this one would extend it.
        return dataclasses.replace(decision, changed=False, renewed=True) if pretended else decision

    return acquire


def _once(
    params: Dict[str, Any], store: Store, check_mode: bool, decide: Callable[[State, float], Decision]
) -> Dict[str, Any]:
    """Read, decide, write, until no other was faster."""
    for _unused in range(SWAPS):
        text, now = store.read()
        before = lock.load(text, store.place)
        try:
            decision = decide(before, now)
        except Refused as refused:
            refused.data.update(_present(params, before, now))
            raise
        if check_mode and (decision.changed or decision.renewed):
            decision = dataclasses.replace(decision, message="Check mode, not done: " + decision.message)
        if check_mode or decision.state == before or store.swap(text, lock.dump(decision.state)):
            return _result(params, before, now, decision)
    raise Failed(
        "The lock at %s changed under each of %d attempts." % (store.place, SWAPS), "Run this again when it is calmer."
    )


def _present(params: Dict[str, Any], state: State, now: float) -> Dict[str, Any]:
    """The return values that say how things are."""
    holder, broken = state.holder(now), state.last_broken()
    return dict(
        lock.lease_data(holder),
        environment=params["environment"],
        held=holder is not None,
        last_broken=lock.ending_data(broken) if broken else None,
    )


def _result(params: Dict[str, Any], before: State, now: float, decision: Decision) -> Dict[str, Any]:
    return dict(
        _present(params, decision.state, now),
        changed=decision.changed,
        token=decision.lease.token if decision.lease else None,
        renewed=decision.renewed,
        taken_over=decision.taken_over,
        previous=lock.lease_data(decision.previous) if decision.previous else None,
        message=decision.message,
        diff={"before": lock.lease_data(before.holder(now)), "after": lock.lease_data(decision.state.holder(now))},
    )
