# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for whom, as a tree. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence, Set, Tuple

from .processlist import Process

#: Metadata locks that exclude others which do not want the object for themselves (``MDL_lock`` in both servers).
_STRONG = ("EXCLUSIVE", "SHARED", "SHARED_NO_READ_WRITE", "SHARED_NO_WRITE", "SHARED_READ_ONLY")
_FOR_ITSELF = ("EXCLUSIVE", "SHARED_NO_READ_WRITE")
#: Stands for a blocker that the server does not tell.
UNKNOWN = -1


@dataclasses.dataclass(frozen=True)
class Wait:
    """One connection waits for another, or for UNKNOWN. ``on`` says for what. The id 0 is a transaction without connection."""

    waiter: int
    blocker: int
    on: str


@dataclasses.dataclass(frozen=True)
class Lock:
    """A metadata lock that a connection has (``granted``) or waits for."""

    id: int
    on: str
    mode: str
    granted: bool


def of_metadata(locks: Sequence[Lock]) -> List[Wait]:
    """The waits behind metadata locks.

    Who wants an object for itself (DDL) waits for all that hold it. Others wait for a holder that excludes them, or in the
    queue behind one who wants the object for itself.
    """
    found: List[Wait] = []
    for lock in locks:
        if lock.granted:
            continue
        others = [other for other in locks if other.on == lock.on and other.id != lock.id]
        blockers = [o for o in others if o.granted and (lock.mode in _FOR_ITSELF or o.mode in _STRONG)]
        blockers = blockers or [o for o in others if not o.granted and o.mode in _FOR_ITSELF]
        ids = sorted({blocker.id for blocker in blockers})
        found += [Wait(lock.id, each, lock.on) for each in ids] or [Wait(lock.id, UNKNOWN, lock.on)]
    return found


def tree(waits: Sequence[Wait], processes: Mapping[int, Process]) -> List[Dict[str, Any]]:
    """Those that block others and do not wait themselves, each with those that wait for it under ``blocks``, and so on.

    In a queue, a waiter stands under the last of its blockers, not also under those for whom that one waits. Waiters whose
    blocker is not told stand under an entry with the id None. A circle begins at its lowest id.
    """
    blockers: Dict[int, Set[int]] = {}
    on: Dict[Tuple[int, int], str] = {}
    for wait in waits:
        blockers.setdefault(wait.waiter, set()).add(wait.blocker)
        on[(wait.waiter, wait.blocker)] = wait.on
    below: Dict[int, List[int]] = {}
    for waiter in sorted(blockers):
        for blocker in _nearest(waiter, blockers):
            below.setdefault(blocker, []).append(waiter)
    shown: Set[int] = set()

    def node(each: int, what: str, above: FrozenSet[int]) -> Dict[str, Any]:
        shown.add(each)
        path = above | {each}
        waiting = [node(one, on[(one, each)], path) for one in below.get(each, []) if one not in path]
        return {**_describe(each, processes), "waits_for": what, "blocks": waiting}

    roots = sorted(each for each in below if each not in blockers)
    found = [node(each, "", frozenset()) for each in roots]
    for each in sorted(blockers):
        if each not in shown:
            found.append(node(each, "", frozenset()))
    return found


def _nearest(waiter: int, blockers: Mapping[int, Set[int]]) -> List[int]:
    """The blockers of one waiter for whom no other of them waits. One in a circle with the waiter hides nobody."""
    behind = {each: _waited_for(each, blockers) for each in blockers[waiter]}
    return [
        each
        for each in sorted(behind)
        if not any(
            each in reached and other not in behind[each] and waiter not in reached for other, reached in behind.items()
        )
    ]


def _waited_for(each: int, blockers: Mapping[int, Set[int]]) -> Set[int]:
    """All for whom ``each`` waits, directly or not."""
    found: Set[int] = set()
    left = [each]
    while left:
        for blocker in blockers.get(left.pop(), set()) - found:
            found.add(blocker)
            left.append(blocker)
    return found


def _describe(each: int, processes: Mapping[int, Process]) -> Dict[str, Any]:
    process = processes.get(each)
    if process is None:
        return {
            "id": None if each == UNKNOWN else each,
            "user": "",
            "host": "",
            "database": None,
            "command": "not told" if each == UNKNOWN else "no connection",
            "seconds": None,
            "statement": "",
            "transaction_seconds": None,
        }
    return {
        "id": process.id,
        "user": process.user,
        "host": process.host,
        "database": process.database,
        "command": process.command,
        "seconds": process.seconds,
        "statement": process.statement,
        "transaction_seconds": process.transaction.seconds if process.transaction else None,
    }
