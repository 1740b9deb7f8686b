# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking a snapshot: four round trips at most, whatever the number of queues."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from . import names
from .connection import Wire, pairs
from .discovery import Place
from .model import Failed, Master, Queue, Snapshot, Supervisor

#: Seconds a master's and a supervisor's record lives after each heartbeat (EXPIRE in Horizon's repositories).
MASTER_TTL = 15
SUPERVISOR_TTL = 30
HOUR = 3600

_OPTIONS = (
    ("balance", "balance", str),
    ("minProcesses", "min_processes", int),
    ("maxProcesses", "max_processes", int),
    ("timeout", "timeout_seconds", int),
    ("memory", "memory_mb", int),
    ("maxTries", "max_tries", int),
    ("autoScalingStrategy", "auto_scaling_strategy", str),
)


def take(wire: Wire, place: Place, queues: Sequence[str] = (), failed_limit: int = 10000) -> Snapshot:
    """One look at everything. ``queues`` are named ones to report besides those found.

    Of the failed jobs the newest ``failed_limit`` are examined. All queues are counted at the same moment; the processes and the
    failed jobs are read just before it.
    """
    prefix = place.horizon_prefix
    if prefix is None:
        now = _clock(wire.ask([("TIME",)])[0])
        counted = _queues(wire, place, now, {*place.queues, *queues}, ())
        return Snapshot(now, False, (), (), counted, Failed(0, 0, 0, 0, 0), None)
    clock, beats, overseers, last_snapshot, measured_keys, listed, newest, *exist = wire.ask(
        [
            ("TIME",),
            ("ZRANGE", prefix + "masters", 0, -1),
            ("ZRANGE", prefix + "supervisors", 0, -1),
            ("GET", prefix + "last_snapshot_at"),
            ("SMEMBERS", prefix + "measured_queues"),
            ("ZCARD", prefix + "failed_jobs"),
            ("ZRANGE", prefix + "failed_jobs", 0, failed_limit - 1, "WITHSCORES"),
            *(("EXISTS", prefix + ending) for ending in names.ENDINGS),
        ]
    )
    now = _clock(clock)
    # Redis has them in the order of their last heartbeats, which is another one each second.
    beats, overseers = sorted(beats), sorted(overseers)
    failures = pairs(newest)
    commands = sorted(place.command_lists)
    replies = iter(
        wire.ask(
            [
                *_records(prefix, "master:", beats),
                *_records(prefix, "supervisor:", overseers),
                *(("LLEN", prefix + "commands:" + target) for target in commands),
                *(("HMGET", prefix + uuid, "status", "retried_by") for uuid in failures),
            ]
        )
    )
    masters = tuple(_master(name, pairs(next(replies)), next(replies)) for name in beats)
    supervisors = tuple(_supervisor(name, pairs(next(replies)), next(replies)) for name in overseers)
    supervisors += tuple(
        Supervisor(name, master.name, stale=True)
        for master in masters
        for name in master.supervisors
        if name not in overseers
    )
    lengths = {target: int(next(replies)) for target in commands}
    failed = count_failed([(float(score), next(replies)) for score in failures.values()], int(listed), now)
    measured = {key.split("queue:", 1)[1] for key in measured_keys if "queue:" in key}
    served = {queue for supervisor in supervisors for queue in supervisor.queues}
    counted = _queues(wire, place, now, {*place.queues, *queues, *measured, *served}, supervisors)
    return Snapshot(
        taken_at=now,
        found=any(exist) or place.trusted,
        masters=masters,
        supervisors=supervisors,
        queues=counted,
        failed=failed,
        jobs_per_minute=_per_minute(sum(q.throughput or 0 for q in counted), _number(last_snapshot), now),
        commands=lengths,
    )


def _records(prefix: str, kind: str, found: Sequence[str]) -> List[Tuple[str, str]]:
    return [(command, prefix + kind + name) for name in found for command in ("HGETALL", "PTTL")]


def _clock(reply: Sequence[Any]) -> float:
    return int(reply[0]) + int(reply[1]) / 1e6


def _number(text: Any) -> Optional[float]:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _whole(text: Any) -> Optional[int]:
    number = _number(text)
    return None if number is None else int(number)


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def _object(text: Any) -> Dict[str, Any]:
    """The JSON object in ``text``; empty when it is none (PHP writes an empty one as ``[]``)."""
    found = _json(text)
    return found if isinstance(found, dict) else {}


def _age(pttl: int, lifetime: int) -> Optional[float]:
    """Seconds since the record was written, from the milliseconds it has left; None when it never expires (-1)."""
    return None if pttl < 0 else round(max(lifetime - pttl / 1000, 0.0), 3)


def _master(name: str, record: Dict[str, str], pttl: int) -> Master:
    if not record:
        return Master(name, names.host_of(name), stale=True)
    return Master(
        name=name,
        host=names.host_of(name),
        stale=False,
        pid=_whole(record.get("pid")),
        environment=record.get("environment"),
        status=record.get("status"),
        supervisors=tuple(map(str, _json(record.get("supervisors")) or ())),
        heartbeat_age=_age(pttl, MASTER_TTL),
    )


def _supervisor(name: str, record: Dict[str, str], pttl: int) -> Supervisor:
    if not record:
        return Supervisor(name, name.split(":")[0], stale=True)
    given = _object(record.get("options"))
    options: Dict[str, Any] = {
        "connection": given.get("connection"),
        "queues": [queue for queue in str(given.get("queue") or "").split(",") if queue],
    }
    for theirs, ours, kind in _OPTIONS:
        value = given.get(theirs)
        options[ours] = _whole(value) if kind is int else value
    return Supervisor(
        name=name,
        master=record.get("master") or name.split(":")[0],
        stale=False,
        pid=_whole(record.get("pid")),
        status=record.get("status"),
        processes={pool: int(count) for pool, count in _object(record.get("processes")).items()},
        options=options,
        heartbeat_age=_age(pttl, SUPERVISOR_TTL),
    )


def count_failed(entries: Sequence[Tuple[float, Sequence[Optional[str]]]], listed: int, now: float) -> Failed:
    """``entries`` are a (negative) time of failure and the job's ``status`` and ``retried_by``, newest first.

    The list keeps jobs that were retried: by ``queue:retry`` under the same uuid, so the status changes and the record of one
    that succeeded expires; by the dashboard as a copy, whose outcome is in ``retried_by``.
    """
    last_hour = total = retrying = 0
    for score, (status, retried_by) in entries:
        copies = _json(retried_by) or []
        if status in ("pending", "reserved"):
            retrying += 1
        elif status == "failed" and not any(copy.get("status") == "completed" for copy in copies):
            total += 1
            last_hour += -score >= now - HOUR
    return Failed(last_hour, total, retrying, listed, len(entries))


def _per_minute(throughput: int, since: Optional[float], now: float) -> Optional[int]:
    """Jobs a minute since the metrics were last stored and reset, as Horizon computes it; None where that time is unknown."""
    return None if since is None else _rounded(throughput / max((now - since) / 60, 1.0))


def _rounded(number: float) -> int:
    """As PHP rounds positive numbers: a half goes up."""
    return int(number + 0.5)


def _queues(
    wire: Wire, place: Place, now: float, found: Set[str], supervisors: Sequence[Supervisor]
) -> Tuple[Queue, ...]:
    wanted = sorted(found)
    commands: List[Any] = []
    for name in wanted:
        key = place.queue_prefix + place.queue(name).key
        commands += [
            ("LLEN", key),
            ("LINDEX", key, 0),
            ("ZCARD", key + ":delayed"),
            ("ZCARD", key + ":reserved"),
            ("ZCOUNT", key + ":delayed", "-inf", int(now)),
            ("ZCOUNT", key + ":reserved", "-inf", int(now)),
        ]
        if place.horizon_prefix is not None:
            commands.append(("HMGET", place.horizon_prefix + "queue:" + name, "throughput", "runtime"))
    replies = iter(wire.ask(commands, atomic=True))
    rows: Dict[str, Dict[str, Any]] = {}
    for name in wanted:
        ready, head, delayed, reserved, due, lost = (next(replies) for unused in range(6))
        throughput, runtime = next(replies) if place.horizon_prefix is not None else (None, None)
        job = _object(head)
        pushed = _number(job.get("pushedAt")) or _number(job.get("createdAt"))
        rows[name] = {
            "ready": int(ready),
            "delayed": int(delayed),
            "reserved": int(reserved),
            "due": int(due),
            "lost": int(lost),
            "head": job.get("uuid"),
            "oldest_job_age": None if pushed is None else round(max(now - pushed, 0.0), 3),
            "throughput": _whole(throughput),
            "runtime_ms": _number(runtime),
        }
    live = [supervisor for supervisor in supervisors if not supervisor.stale]
    connections = {queue: s.connection for s in reversed(live) for queue in s.queues}
    flags = _paused(wire, place, [(connections.get(name) or "redis", name) for name in wanted])
    pools = _pools(live)
    return tuple(
        Queue(
            name=name,
            connection=connections.get(name),
            processes=sum(count for queues, count in pools.items() if name in queues),
            wait=_wait(name, pools, rows),
            served=name in connections,
            paused=flag,
            **rows[name],
        )
        for name, flag in zip(wanted, flags)
    )


def _pools(supervisors: Sequence[Supervisor]) -> Dict[Tuple[str, ...], int]:
    """Workers by the queues they serve together: ``redis:high,default`` is one pool for two queues."""
    pools: Dict[Tuple[str, ...], int] = {}
    for supervisor in supervisors:
        for pool, count in supervisor.processes.items():
            queues = tuple(pool.split(":", 1)[-1].split(","))
            pools[queues] = pools.get(queues, 0) + count
    return pools


def _wait(name: str, pools: Dict[Tuple[str, ...], int], rows: Dict[str, Dict[str, Any]]) -> Optional[int]:
    """Seconds until the ready jobs of the queue's pool are done, as Horizon computes it; the longest where it is in several.

    None where Horizon would say 0 without knowing: nobody serves the queue, or jobs wait whose runtime was never measured.
    """
    waits = []
    for queues, count in pools.items():
        if name not in queues:
            continue
        known = [rows[queue] for queue in queues if queue in rows]
        if any(row["ready"] and row["runtime_ms"] is None for row in known):
            return None
        waits.append(_rounded(sum(row["ready"] * (row["runtime_ms"] or 0) for row in known) / max(count, 1) / 1000))
    return max(waits) if waits else None


def _paused(wire: Wire, place: Place, queues: Sequence[Tuple[str, str]]) -> List[Optional[bool]]:
    """For each (connection, queue) whether ``queue:pause`` holds it; None where the cache can't be seen."""
    if place.cache_prefix is None or not queues:
        return [None for unused in queues]
    start = place.cache_prefix + "illuminate:"
    keys = [start + "queues:paused", *("%squeue:paused:%s:%s" % (start, *queue) for queue in queues)]
    everything, *each = wire.ask([("EXISTS", key) for key in keys], database=place.cache_database)
    return [bool(everything or one) for one in each]
