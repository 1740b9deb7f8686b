# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment lock as plain data: what is recorded and what each act makes of it. No clock, no I/O.

One JSON document an environment holds everything: the last fence, the lease of the holder, and how the last leases ended, so
that a holder who lost the lock learns how. It is only ever replaced as a whole, by whoever saw its present text (compare and swap).
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Callable, Dict, Optional, Tuple

from ..core.errors import Failed, Refused
from ..core.times import iso, words

#: How many ended leases the document remembers.
ENDINGS_KEPT = 20

RELEASED = "released"
EXPIRED = "expired"
BROKEN = "broken"
TAKEN_OVER = "taken_over"


class Held(Refused):
    """Somebody else holds the lock now; waiting may help."""


@dataclasses.dataclass(frozen=True)
class Process:
    """The process a lease was taken for. ``machine`` names one boot of a kernel and one PID namespace of it, the range within
    which ``pid`` and ``started`` (clock ticks after the boot) mean one process only."""

    host: str
    machine: str
    pid: int
    started: int


@dataclasses.dataclass(frozen=True)
class Lease:
    """One holding of the lock. ``since`` and ``until`` are Unix seconds on the clock of the store."""

    owner: str
    reason: str
    ticket: str
    since: float
    until: float
    fence: int
    token: str
    process: Optional[Process] = None


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a lease ended: released, expired, broken or taken_over, when (Unix seconds), by whom, and why if it was broken."""

    token: str
    owner: str
    since: float
    fence: int
    how: str
    at: float
    by: str
    why: str = ""


@dataclasses.dataclass(frozen=True)
class State:
    """The whole document. ``fence`` is the highest one ever given and survives the lease."""

    fence: int = 0
    lease: Optional[Lease] = None
    endings: Tuple[Ending, ...] = ()

    def holder(self, now: float) -> Optional[Lease]:
        """The lease that counts at ``now``, if any."""
        return self.lease if self.lease is not None and self.lease.until > now else None

    def last_broken(self) -> Optional[Ending]:
        return next((ending for ending in reversed(self.endings) if ending.how == BROKEN), None)


@dataclasses.dataclass(frozen=True)
class Decision:
    """What an act comes to. ``state`` is to be written if it differs; ``lease`` is the caller's own, if it has one now;
    ``previous`` the one that ended by it; ``changed`` what the task reports: an extension alone is no change."""

    state: State
    message: str
    changed: bool = False
    lease: Optional[Lease] = None
    previous: Optional[Lease] = None
    renewed: bool = False
    taken_over: bool = False


def dump(state: State) -> str:
    return json.dumps(dataclasses.asdict(state), sort_keys=True)


def load(text: Optional[str], place: str) -> State:
    """The state in ``text``; None, nothing recorded yet, is the empty state.

    :raises Failed: when the text is not such a document. Nobody gets the lock then, because somebody may hold it.
    """
    if text is None:
        return State()
    try:
        found = json.loads(text)
        lease = found["lease"]
        if lease is not None:
            process = lease.pop("process")
            lease = Lease(process=Process(**process) if process else None, **lease)
        return State(int(found["fence"]), lease, tuple(Ending(**one) for one in found["endings"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Failed(
            "What is recorded at %s is not a lock of this collection (%s)." % (place, error),
            "See what it is; when nobody can be working on the environment, delete it and run this again.",
        ) from error


def describe(lease: Lease, now: float) -> str:
    """Who holds the lock, since when, until when and why, as a sentence's middle."""
    ticket = ", ticket %s" % lease.ticket if lease.ticket else ""
    process = ", pid %d on %s" % (lease.process.pid, lease.process.host) if lease.process else ""
    left = "%s left" % words(lease.until - now) if lease.until > now else "expired"
    return "held by %s since %s until %s (%s): %s (fence %d%s%s)" % (
        lease.owner,
        iso(lease.since),
        iso(lease.until),
        left,
        lease.reason,
        lease.fence,
        ticket,
        process,
    )


def _end(state: State, how: str, at: float, by: str, why: str = "") -> Tuple[Ending, ...]:
    lease = state.lease
    if lease is None:
        return state.endings
    ending = Ending(lease.token, lease.owner, lease.since, lease.fence, how, at, by, why)
    return (state.endings + (ending,))[-ENDINGS_KEPT:]


def acquire(environment: str, state: State, now: float, wish: Lease, gone: Callable[[Process], bool]) -> Decision:
    """Take the lock for ``wish``, whose fence is still to be given.

    A lease of the same owner whose process is ``gone`` for certain is taken over at once: the owner's run crashed.

    :raises Held: when somebody, or another run of the same owner, holds it.
    """
    lease = state.lease
    if lease is not None and lease.token == wish.token:
        return Decision(state, "The lock of %s is taken until %s." % (environment, iso(lease.until)), True, lease)
    holder = state.holder(now)
    crashed = holder is not None and holder.owner == wish.owner and holder.process is not None and gone(holder.process)
    if holder is not None and not crashed:
        raise Held(
            "The lock of %s can't be taken: it is %s." % (environment, describe(holder, now)),
            "Ask the holder, set wait_timeout, or, if you know that nobody is at work, run this with state=broken and a "
            "break_reason.",
        )
    # Never lower than the clock in milliseconds: so it grows even when the store lost its data in between.
    fence = max(state.fence + 1, int(now * 1000))
    taken = dataclasses.replace(wish, fence=fence)
    message = "The lock of %s is taken until %s." % (environment, iso(taken.until))
    endings = state.endings
    if lease is not None:
        endings = _end(state, TAKEN_OVER if crashed else EXPIRED, now if crashed else lease.until, wish.owner)
        message += " It was %s." % describe(lease, now)
        if crashed:
            message += " That run has ended without releasing it, so its lock was taken over."
    return Decision(State(fence, taken, endings), message, True, taken, lease, taken_over=crashed)


def renew(environment: str, state: State, now: float, token: str, ttl: float) -> Decision:
    """Extend the lease of ``token`` to ``ttl`` seconds from ``now``; never shortens it.

    A lease that ran out but that nobody took since is extended too: no one else was in between.

    :raises Refused: when the lease is no longer the caller's.
    """
    lease = _own(environment, state, now, token, "renewed")
    extended = dataclasses.replace(lease, until=max(lease.until, now + ttl))
    message = "The lock of %s is extended until %s." % (environment, iso(extended.until))
    if lease.until <= now:
        message += " It had run out %s ago; nobody took it since. Renew earlier or raise ttl_seconds." % words(
            now - lease.until
        )
    return Decision(dataclasses.replace(state, lease=extended), message, lease=extended, renewed=True)


def release(environment: str, state: State, now: float, token: str, by: str) -> Decision:
    """Give up the lease of ``token``; a second time changes nothing.

    :raises Refused: when the lease was lost before: what was done under it may have met somebody else's work.
    """
    if state.lease is None or state.lease.token != token:
        ended = next((ending for ending in state.endings if ending.token == token), None)
        if ended is not None and ended.how == RELEASED:
            return Decision(state, "The lock of %s was released at %s already." % (environment, iso(ended.at)))
    lease = _own(environment, state, now, token, "released")
    message = "The lock of %s is released after %s." % (environment, words(now - lease.since))
    return Decision(State(state.fence, None, _end(state, RELEASED, now, by)), message, True, previous=lease)


def break_lock(environment: str, state: State, now: float, by: str, why: str) -> Decision:
    """End whoever's lease; the holder is told on the next renewal or release. Without a holder nothing changes."""
    holder = state.holder(now)
    if holder is None:
        return Decision(state, "The lock of %s is held by nobody; there is nothing to break." % environment)
    message = "The lock of %s is broken by %s: %s. It was %s." % (environment, by, why, describe(holder, now))
    return Decision(State(state.fence, None, _end(state, BROKEN, now, by, why)), message, True, previous=holder)


def query(environment: str, state: State, now: float) -> Decision:
    holder = state.holder(now)
    return Decision(
        state, "The lock of %s is %s." % (environment, describe(holder, now) if holder else "held by nobody")
    )


def _own(environment: str, state: State, now: float, token: str, verb: str) -> Lease:
    """The lease of ``token``, as long as it is the last one recorded.

    :raises Refused: saying what became of it and who holds the lock now.
    """
    if state.lease is not None and state.lease.token == token:
        return state.lease
    ended = next((ending for ending in state.endings if ending.token == token), None)
    holder = state.holder(now)
    present = "It is now %s." % (describe(holder, now) if holder else "held by nobody")
    if ended is None:
        what = (
            "there is no record of this token. The store lost its data (restart without persistence, flush, failover), or the "
            "token belongs to another environment, or it ended more than %d leases ago" % ENDINGS_KEPT
        )
    else:
        what = {
            RELEASED: "it was released at %(at)s",
            EXPIRED: "it ran out at %(at)s and was then taken by %(by)s",
            TAKEN_OVER: "it was taken over at %(at)s by %(by)s, who found that its process had ended",
            BROKEN: "it was broken at %(at)s by %(by)s because: %(why)s",
        }[ended.how] % {"at": iso(ended.at), "by": ended.by, "why": ended.why}
    raise Refused(
        "The lock of %s can't be %s: %s. %s" % (environment, verb, what, present),
        "Stop here: somebody else may have worked on the environment since. See what was done before you take the lock anew.",
    )


def lease_data(lease: Optional[Lease]) -> Dict[str, Any]:
    """A lease as return values, all None without one; the token, which is its owner's, is not among them."""
    if lease is None:
        return dict.fromkeys(("owner", "since", "until", "reason", "ticket", "fence", "process"))
    return {
        "owner": lease.owner,
        "since": iso(lease.since),
        "until": iso(lease.until),
        "reason": lease.reason,
        "ticket": lease.ticket,
        "fence": lease.fence,
        "process": {"host": lease.process.host, "pid": lease.process.pid} if lease.process else None,
    }


def ending_data(ending: Ending) -> Dict[str, Any]:
    return {
        "owner": ending.owner,
        "since": iso(ending.since),
        "fence": ending.fence,
        "by": ending.by,
        "at": iso(ending.at),
        "reason": ending.why,
    }
