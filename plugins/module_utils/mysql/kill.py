# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending connections or statements, each looked at again right before, and looking whether they are gone."""

from __future__ import annotations

import dataclasses
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from .connection import LOST, Connection, SqlError
from .match import IDLE, Policy, protected, unmatched
from .processlist import Process
from .read import Reader
from .victims import GONE, changed_hands

#: So many are looked at again with one statement and then killed. More makes it faster and the time between longer.
BATCH = 500
_NO_SUCH_THREAD = 1094
#: The thread belongs to somebody this user may not touch, or the right to kill others' threads is missing.
_REFUSED = (1095, 1227)


@dataclasses.dataclass
class Killing:
    """What was done. ``killed`` were told to end and the server agreed; ``gone`` had ended by themselves; ``spared`` had changed
    since they were chosen; ``refused`` the server would not end for us. Each with a reason where there is one.
    """

    killed: List[Process] = dataclasses.field(default_factory=list)
    gone: List[Process] = dataclasses.field(default_factory=list)
    spared: List[Tuple[Process, str]] = dataclasses.field(default_factory=list)
    refused: List[Tuple[Process, str]] = dataclasses.field(default_factory=list)
    longest_window_ms: float = 0.0


def statement(process_id: int, mode: str, procedures: Sequence[str]) -> str:
    """The statement that ends a connection (``idle``) or what it runs. Where the provider has procedures for it, those."""
    procedure = "rds_kill" if mode == IDLE else "rds_kill_query"
    if procedure in procedures:
        return "CALL mysql.%s(%d)" % (procedure, process_id)
    return "KILL %s%d" % ("" if mode == IDLE else "QUERY ", process_id)


def provider_procedures(connection: Connection) -> List[str]:
    """Those of Amazon RDS and Aurora, whose administrators may not KILL."""
    rows = connection.rows(
        "SELECT routine_name AS name FROM information_schema.routines"
        " WHERE routine_schema = 'mysql' AND routine_name IN ('rds_kill', 'rds_kill_query')"
    )
    return [row["name"] for row in rows]


def judge_again(before: Process, now: Optional[Process], policy: Policy, own_id: int) -> Optional[str]:
    """Why a chosen connection is to be spared after all; None when nothing changed."""
    changed = changed_hands(before, now)
    if changed is not None or now is None:
        return changed
    now = dataclasses.replace(now, program=before.program)
    return unmatched(now, policy) or protected(now, policy, own_id)


def kill(
    connection: Connection,
    candidates: Sequence[Process],
    wanted: int,
    policy: Policy,
    reader: Reader,
    clock: Callable[[], float],
    done: Killing,
) -> None:
    """End the first ``wanted`` of the candidates; one that is spared is made up for by the next.

    Among those to be ended the newest come first: MariaDB finds a thread by walking its list from there, which makes ending
    all of thousands more than twice as fast. ``done`` is filled as it goes, so it also tells how far it came when the
    connection is lost. It stops when the server refuses all of a batch.

    :raises SqlError: when the connection is lost, or for an error that is about more than one victim.
    """
    procedures = provider_procedures(connection)
    place = 0
    while place < len(candidates) and len(done.killed) + len(done.gone) < wanted:
        missing = wanted - len(done.killed) - len(done.gone)
        chosen = sorted(candidates[place : place + missing], key=lambda process: -process.id)
        place += len(chosen)
        for start in range(0, len(chosen), BATCH):
            _kill_batch(connection, chosen[start : start + BATCH], policy, procedures, reader, clock, done)
            if done.refused and not done.killed:
                return


def _kill_batch(
    connection: Connection,
    batch: Sequence[Process],
    policy: Policy,
    procedures: Sequence[str],
    reader: Reader,
    clock: Callable[[], float],
    done: Killing,
) -> None:
    looked = clock()
    at_rest = reader.at_rest(batch)
    others = [process.id for process in batch if process.id not in at_rest]
    now = reader.again(others) if others else {}
    doomed = []
    for process in batch:
        reason = None
        if process.id not in at_rest:
            reason = judge_again(process, now.get(process.id), policy, connection.id)
        if reason is None:
            doomed.append(process)
        elif reason == GONE:
            done.gone.append(process)
        else:
            done.spared.append((process, reason))
    statements = [statement(process.id, policy.mode, procedures) for process in doomed]
    # A procedure may answer with more than one result, so those are called one at a time.
    outcomes = _one_by_one(connection, statements) if procedures else connection.each(statements)
    for error, process in zip(outcomes, doomed):
        _note(process, error, done)
    done.longest_window_ms = max(done.longest_window_ms, round((clock() - looked) * 1000, 1))


def _one_by_one(connection: Connection, statements: Sequence[str]) -> Iterator[Optional[SqlError]]:
    for sql in statements:
        try:
            connection.rows(sql)
            yield None
        except SqlError as error:
            if error.code in LOST:
                raise
            yield error


def _note(process: Process, error: Optional[SqlError], done: Killing) -> None:
    if error is None:
        done.killed.append(process)
    elif error.code == _NO_SUCH_THREAD:
        done.gone.append(process)
    elif error.code in _REFUSED:
        done.refused.append((process, str(error)))
    else:
        raise error


def survivors(killed: Sequence[Process], now: Dict[int, Process], mode: str) -> List[Process]:
    """Those that are still there after their KILL: rolling back, or (``long_running``) still at the same statement."""
    left = []
    for process in killed:
        seen = now.get(process.id)
        if seen is None or (seen.user, seen.host) != (process.user, process.host):
            continue
        if mode == IDLE or changed_hands(process, seen) is None:
            left.append(seen)
    return left
