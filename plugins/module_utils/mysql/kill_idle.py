# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of mysql_kill_idle: read, match, choose, act, observe."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any, Dict, List, Sequence, Tuple

from ..core.errors import BadInput, Failed, Refused, RunbookError
from ..core.verdict import CRITICAL, OK, UNKNOWN, WARNING, Finding, measure, summary
from ..core.waiting import wait_until
from .connection import Connection, SqlError, server
from .enter import enter, way_taken
from .kill import Killing, kill, survivors
from .match import LONG_RUNNING, Policy
from .processlist import WHAT_TO_DO, Process, Snapshot, Threads, parse_snapshot
from .read import Reader
from .victims import Choice, by_age, choose

#: Longer than any of our statements takes, so a server that hangs does not hold the task.
_ANSWER_SECONDS = 60
#: The server ends thousands of idle connections in about this time.
_FIRST_LOOK_SECONDS = 0.01


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Decide on a saved process list, or on a server and act there unless in check mode. The keys are always the same."""
    policy = Policy(**{field.name: params[field.name] for field in dataclasses.fields(Policy)})
    _check(policy)
    if params["processlist_file"]:
        snapshot = parse_snapshot(_read(params["processlist_file"]), params["processlist_file"])
        choice = _chosen(snapshot, policy)
        return _result(params, snapshot, choice, Killing(), [], snapshot.threads, changed=False)
    connection, way, failed = enter(params)
    with connection:
        connection.time_limit(_ANSWER_SECONDS)
        reader = Reader(connection, server(connection))
        snapshot = reader.snapshot()
        facts = {"connected_by": way_taken(way, snapshot.threads), "ways_failed": failed}
        if params["snapshot_to"] and not check_mode:
            _write(params["snapshot_to"], snapshot.render())
        choice = _chosen(snapshot, policy)
        if check_mode or not choice.victims:
            changed = bool(choice.victims)
            return dict(_result(params, snapshot, choice, Killing(), [], snapshot.threads, changed), **facts)
        done, left, threads = _act(connection, reader, choice, policy, params)
        return dict(_result(params, snapshot, choice, done, left, threads, bool(done.killed)), **facts)


def _check(policy: Policy) -> None:
    limits: Dict[str, Any] = {"only_above_percent": policy.only_above_percent, "until_percent": policy.until_percent}
    for name, value in limits.items():
        if value is not None and not 0 <= value <= 100:
            raise BadInput("%s is %s; it is a percentage." % (name, value))
    if None not in limits.values() and limits["until_percent"] > limits["only_above_percent"]:
        raise BadInput("until_percent is above only_above_percent, so it could be reached before anything is done.")
    if min(policy.idle_seconds, policy.query_seconds) < 1 or policy.max_kills < 1:
        raise BadInput("idle_seconds, query_seconds and max_kills must be 1 or more.")
    if policy.mode == LONG_RUNNING and policy.until_percent is not None:
        raise BadInput("until_percent is for mode idle: ending a statement frees no connection.")


def _chosen(snapshot: Snapshot, policy: Policy) -> Choice:
    """:raises Refused: when the policy would end more than ``max_kills``; it lists them."""
    choice = choose(snapshot, policy)
    if choice.wanted > policy.max_kills:
        raise Refused(
            "%d connections would be ended, max_kills is %d. None was." % (choice.wanted, policy.max_kills),
            "Look at the victims, then raise max_kills or narrow the policy (users, idle_seconds, until_percent).",
            victims=_dicts(choice.victims),
            threads_before=snapshot.threads.as_dict(),
        )
    return choice


def _act(
    connection: Connection, reader: Reader, choice: Choice, policy: Policy, params: Dict[str, Any]
) -> Tuple[Killing, List[Process], Threads]:
    done = Killing()
    try:
        kill(connection, choice.candidates, choice.wanted, policy, reader, time.monotonic, done)
        if done.refused and not done.killed:
            raise Failed(done.refused[0][1], "Nothing was ended.")
        left = _observe(reader, done, policy, params)
        return done, left, reader.threads()
    except RunbookError as error:
        error.data.update(changed=bool(done.killed), killed=_dicts(done.killed), victims=_dicts(choice.victims))
        if isinstance(error, SqlError):
            raise Failed(
                "%s Before that %d of %d connections were told to end; whether they did was not seen."
                % (error.message, len(done.killed), choice.wanted),
                error.advice,
                **error.data,
            ) from error
        raise


def _observe(reader: Reader, done: Killing, policy: Policy, params: Dict[str, Any]) -> List[Process]:
    left = [process.id for process in done.killed]
    if not left:
        return []

    def look() -> List[Process]:
        left[:] = reader.present(left)
        return survivors(done.killed, reader.again(left), policy.mode) if left else []

    waited = wait_until(
        look,
        lambda left: not left,
        params["wait_timeout"] if params["wait"] else 0,
        params["wait_sleep"],
        first=_FIRST_LOOK_SECONDS,
    )
    return waited.value


def _result(
    params: Dict[str, Any],
    snapshot: Snapshot,
    choice: Choice,
    done: Killing,
    left: Sequence[Process],
    threads: Threads,
    changed: bool,
) -> Dict[str, Any]:
    remaining = {process.id for process in left}
    ended = [process for process in done.killed if process.id not in remaining]
    return {
        "changed": changed,
        "connected_by": None,
        "ways_failed": [],
        "server_version": snapshot.server,
        "source": snapshot.source,
        "candidates": len(choice.candidates),
        "victims": _dicts(choice.victims),
        "reason": choice.reason,
        "killed": _dicts(ended),
        "survived": _dicts(left),
        "spared": _with_reasons([*done.spared, *((one, "it had ended by itself") for one in done.gone), *done.refused]),
        "protected": _with_reasons(choice.protected),
        "unmatched": choice.unmatched,
        "blind_spots": snapshot.blind_spots,
        "longest_window_ms": done.longest_window_ms,
        "threads_before": snapshot.threads.as_dict(),
        "threads_after": threads.as_dict(),
        "snapshot_path": params["snapshot_to"],
        "diff": {"before": {"connections": _ids(choice.victims)}, "after": {"connections": []}},
        **summary(_findings(params, snapshot, choice, done, left, threads)),
    }


def _findings(
    params: Dict[str, Any],
    snapshot: Snapshot,
    choice: Choice,
    done: Killing,
    left: Sequence[Process],
    threads: Threads,
) -> List[Finding]:
    findings = [
        Finding("visibility", OK, True, True, "All connections and their transactions can be seen.")
        if not snapshot.unknown
        else Finding(
            "visibility",
            UNKNOWN,
            False,
            True,
            "Nothing was ended: %s." % snapshot.unknown,
            WHAT_TO_DO.get(snapshot.unknown, ""),
        ),
        measure(
            "connections",
            threads.percent,
            params["warning_percent"],
            params["critical_percent"],
            "%d of %d connections are in use (%.1f %%)." % (threads.connected, threads.maximum, threads.percent),
            "Find out who opens them; lower idle_seconds or widen the policy; raise max_connections where memory allows it.",
        ),
    ]
    if left:
        message = "%d connections were told to end and are still there; a large rollback takes its time." % len(left)
        findings.append(Finding("survivors", WARNING, len(left), 0, message, "Wait, and run it again."))
    if done.refused:
        message = "The server refused to end %d connections: %s" % (len(done.refused), done.refused[0][1])
        findings.append(Finding("refused", CRITICAL, len(done.refused), 0, message, "Grant the right that it names."))
    if params["open_transactions"] == "report":
        findings += [_open(process) for process, unused in choice.protected if process.transaction is not None]
    return findings


def _open(process: Process) -> Finding:
    transaction = process.transaction
    if transaction is None:
        raise ValueError("connection %d has no transaction" % process.id)
    message = "Connection %d of %s from %s has been idle for %d s in a transaction that is open for %d s." % (
        process.id,
        process.user,
        process.host,
        process.seconds,
        transaction.seconds,
    )
    observed = {"rows_changed": transaction.rows_changed, "blocks": transaction.blocks}
    advice = "Ending it rolls its changes back (open_transactions=kill); find out first what the client is waiting for."
    return Finding("open_transaction", WARNING, observed, None, message, advice)


def _dicts(processes: Sequence[Process]) -> List[Dict[str, Any]]:
    """The oldest first, in whatever order they were ended."""
    return [process.as_dict() for process in sorted(processes, key=by_age)]


def _with_reasons(pairs: Sequence[Tuple[Process, str]]) -> List[Dict[str, Any]]:
    return [dict(process.as_dict(), reason=reason) for process, reason in pairs]


def _ids(processes: Sequence[Process]) -> List[int]:
    return [process.id for process in processes]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as handle:
            return handle.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise BadInput("processlist_file %s can't be read: %s." % (path, reason)) from error


def _write(path: str, text: str) -> None:
    """Readable by its owner only, because it names users and hosts."""
    partial = "%s.partial-%d" % (path, os.getpid())
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
            handle.write(text)
        os.rename(partial, path)
    except OSError as error:
        raise BadInput(
            "snapshot_to %s can't be written: %s." % (path, error.strerror), "Nothing was ended; check the directory."
        ) from error
