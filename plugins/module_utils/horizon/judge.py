# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot means: findings against the runbook's thresholds, and whether a state is reached. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any, Iterable, List, Mapping, Optional

from ..core import thresholds
from ..core.verdict import CRITICAL, OK, UNKNOWN, WARNING, Finding, measure
from .model import DRAINED, INACTIVE, PAUSED, RUNNING, Queue, Snapshot

#: A loop beats each second and its record lives 15 seconds; later than this it is in trouble and soon gone.
LATE_SECONDS = 10
#: Idle workers look for jobs every 3 seconds (``sleep``); a job that is older while nobody works has been overlooked.
STALLED_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Limits:
    """Above the first number is a warning, above the second critical; None does not apply."""

    queue_length_warning: Optional[int] = thresholds.QUEUE_LENGTH[0]
    queue_length_critical: Optional[int] = thresholds.QUEUE_LENGTH[1]
    failed_jobs_warning: Optional[int] = thresholds.FAILED_JOBS_PER_HOUR[0]
    failed_jobs_critical: Optional[int] = thresholds.FAILED_JOBS_PER_HOUR[1]
    stalled_seconds: int = STALLED_SECONDS

    @classmethod
    def from_options(cls, params: Mapping[str, Any]) -> Limits:
        return cls(**{field.name: params[field.name] for field in dataclasses.fields(cls)})


def judge(
    now: Snapshot, limits: Limits, expect: Optional[str] = None, earlier: Optional[Snapshot] = None
) -> List[Finding]:
    """All findings. ``earlier`` is a snapshot of some seconds before, with which standing still is seen for certain."""
    findings = [_status(now, expect)]
    if now.found:
        findings += _processes(now)
        findings.append(_failed(now, limits))
    findings += _lengths(now.queues, limits)
    findings += _queues(now)
    findings += _stalled(now, limits, earlier)
    findings += _dying(now, earlier)
    findings += _draining(now)
    return findings


def unmet(now: Snapshot, state: str) -> List[str]:
    """What stands in the way of ``state`` holding for all that live, not only for one of them; empty when it is reached.

    Without any trace of Horizon nothing is known, so nothing is reached: a wrong prefix looks the same.
    """
    if not now.found:
        return ["no key of Horizon was found"]
    living = [("master " + m.name, m.status) for m in now.live_masters]
    if state == INACTIVE:
        return ["%s is alive" % name for name, _status in living]
    living += [("supervisor " + s.name, s.status) for s in now.live_supervisors]
    if state == DRAINED:
        busy = ["%d jobs of queue %s are in hand" % (q.reserved, q.name) for q in now.queues if q.reserved]
        return ["%s is running" % name for name, status in living if status == RUNNING] + busy
    reasons = [] if now.live_masters else ["no master is alive"]
    if state == RUNNING:
        reasons += ["supervisor %s is not there" % name for name in _missing(now)]
        reasons += [] if now.live_supervisors else ["no supervisor is alive"]
    return reasons + ["%s is %s" % (name, status) for name, status in living if status != state]


def _missing(now: Snapshot) -> List[str]:
    """Supervisors that a live master counts as its own and that have no record."""
    alive = {supervisor.name for supervisor in now.live_supervisors}
    return sorted(name for master in now.live_masters for name in master.supervisors if name not in alive)


def _status(now: Snapshot, expect: Optional[str]) -> Finding:
    check, status = "status", now.status
    if not now.found:
        return Finding(
            check,
            UNKNOWN,
            status,
            expect,
            "No key of Horizon was found: it was never started here, or the prefix or the database is another one.",
            "Check redis_db, horizon_prefix or app; where these are known to be right, set trust_prefix.",
        )
    masters = now.live_masters
    if not masters:
        message = "No master is alive."
    else:
        paused = sorted(master.name for master in masters if master.status == PAUSED)
        message = "%d of %d masters running" % (len(masters) - len(paused), len(masters))
        message += "; paused: %s." % ", ".join(paused) if paused else "."
    if expect:
        obstacles = unmet(now, expect)
        verdict = CRITICAL if obstacles else OK
        advice = "Not %s: %s." % (expect, "; ".join(obstacles))
    else:
        verdict = {RUNNING: OK, PAUSED: WARNING, INACTIVE: CRITICAL}[status]
        advice = "Jobs wait until Horizon is %s." % ("continued" if status == PAUSED else "started")
    return Finding(check, verdict, status, expect or RUNNING, message, "" if verdict == OK else advice)


def _processes(now: Snapshot) -> Iterable[Finding]:
    stale = sorted(master.name for master in now.masters if master.stale)
    if stale:
        yield Finding(
            "stale_masters",
            WARNING,
            stale,
            None,
            "Masters that died without saying so (killed, or their host is gone): %s." % ", ".join(stale),
            "Look for workers of theirs that still run, and for jobs they had in hand.",
        )
    late = sorted(m.name for m in now.live_masters if m.heartbeat_age is None or m.heartbeat_age > LATE_SECONDS)
    if late:
        yield Finding(
            "heartbeat",
            WARNING,
            late,
            LATE_SECONDS,
            "Masters whose last heartbeat is more than %d seconds old: %s." % (LATE_SECONDS, ", ".join(late)),
            "They hang or were killed; their records expire 15 seconds after the last heartbeat.",
        )
    empty = sorted(master.name for master in now.live_masters if not master.supervisors)
    if empty:
        yield Finding(
            "masters_without_supervisors",
            WARNING if now.live_supervisors else CRITICAL,
            empty,
            None,
            "Masters that supervise nobody: %s." % ", ".join(empty),
            "Their environment (%s) has no supervisors in config/horizon.php."
            % ", ".join(sorted({m.environment or "?" for m in now.live_masters if not m.supervisors})),
        )
    missing = _missing(now)
    if missing:
        yield Finding(
            "supervisors_missing",
            WARNING,
            missing,
            None,
            "Supervisors that died under a live master: %s." % ", ".join(missing),
            "A paused master does not start them again; continue or restart it.",
        )
    if now.status == RUNNING:
        paused = sorted(s.name for s in now.live_supervisors if s.status == PAUSED)
        if paused:
            yield Finding(
                "supervisors_paused",
                WARNING,
                paused,
                None,
                "Supervisors that are paused while Horizon is running: %s." % ", ".join(paused),
                "Continue them with horizon_control, state=running and their names.",
            )
    masters = {master.name for master in now.live_masters}
    orphans = sorted(s.name for s in now.live_supervisors if s.master not in masters)
    if orphans:
        yield Finding(
            "supervisors_without_master",
            WARNING,
            orphans,
            None,
            "Supervisors whose master is gone: %s." % ", ".join(orphans),
            "They end by themselves within seconds; if not, they were killed too and their records expire.",
        )
    if now.leftovers:
        yield Finding(
            "commands_left",
            WARNING,
            dict(now.leftovers),
            None,
            "Commands that nobody will read, because their target is gone: %s." % ", ".join(now.leftovers),
            "Delete these lists (commands:NAME under Horizon's prefix); horizon_control removes its own.",
        )


def _failed(now: Snapshot, limits: Limits) -> Finding:
    failed = now.failed
    message = "%d jobs failed in the last hour and have not succeeded since; %d in all." % (
        failed.last_hour,
        failed.total,
    )
    return measure(
        "failed_jobs",
        failed.last_hour,
        limits.failed_jobs_warning,
        limits.failed_jobs_critical,
        message,
        "Read their exceptions before retrying them.",
    )


def _lengths(queues: Iterable[Queue], limits: Limits) -> Iterable[Finding]:
    """A finding for each queue that is too long; one for all when none is."""
    graded = [
        measure(
            "queue_length",
            queue.length,
            limits.queue_length_warning,
            limits.queue_length_critical,
            "Queue %s holds %d jobs (%d ready, %d delayed, %d reserved)."
            % (queue.name, queue.length, queue.ready, queue.delayed, queue.reserved),
            "Add workers to this queue or see why its jobs take so long.",
        )
        for queue in queues
    ]
    bad = [finding for finding in graded if finding.verdict != OK]
    if bad:
        return bad
    longest = max((queue.length for queue in queues), default=0)
    message = "The longest of %d queues holds %d jobs." % (len(graded), longest)
    return [Finding("queue_length", OK, longest, limits.queue_length_warning, message)]


def _queues(now: Snapshot) -> Iterable[Finding]:
    for queue in now.queues:
        if now.live_masters and not queue.served and queue.length:
            yield Finding(
                "queue_unserved",
                CRITICAL if queue.waiting else WARNING,
                queue.length,
                0,
                "Queue %s holds %d jobs (%d could run now) and no supervisor serves it."
                % (queue.name, queue.length, queue.waiting),
                "Add it to a supervisor in config/horizon.php, unless other workers (queue:work) serve it.",
            )
        if queue.lost:
            yield Finding(
                "jobs_lost",
                WARNING,
                queue.lost,
                0,
                "Queue %s has %d reserved jobs whose reservation ran out." % (queue.name, queue.lost),
                "Their worker died, or they run longer than retry_after and will be run a second time.",
            )
        if queue.paused:
            yield Finding(
                "queue_paused",
                WARNING,
                queue.length,
                None,
                "Queue %s is paused by queue:pause and holds %d jobs." % (queue.name, queue.length),
                "queue:resume lets its workers go on.",
            )


def _stalled(now: Snapshot, limits: Limits, earlier: Optional[Snapshot]) -> Iterable[Finding]:
    """Queues that should move and do not: workers that crash on start leave all else looking healthy.

    One look sees an old job that nobody works on, which a job that was retried long after its birth can imitate for a moment:
    a warning. Two looks see that the same job is still first and nothing was done in between: critical.
    """
    working = {name for s in now.live_supervisors if s.status == RUNNING for name in s.queues}
    before = {queue.name: queue for queue in earlier.queues} if earlier else {}
    for queue in now.queues:
        if queue.name not in working or queue.paused or not queue.ready or queue.reserved > queue.lost:
            continue
        then = before.get(queue.name)
        if then and earlier:
            still = then.ready and then.head == queue.head and then.throughput == queue.throughput
            verdict, seconds = CRITICAL, now.taken_at - earlier.taken_at
            message = "Queue %s did not move for %.1f seconds: %d jobs ready, none in hand, the same one first."
        else:
            seconds = queue.oldest_job_age or 0.0
            still = seconds > limits.stalled_seconds
            verdict = WARNING
            message = "Queue %s has had a job waiting for %.0f seconds: %d jobs ready, none in hand."
        if still:
            yield Finding(
                "queue_stalled",
                verdict,
                round(seconds, 1),
                None if earlier else limits.stalled_seconds,
                message % (queue.name, seconds, queue.ready),
                "Its %d workers may crash as they start: see the application's log and horizon:work." % queue.processes,
            )


def _dying(now: Snapshot, earlier: Optional[Snapshot]) -> Iterable[Finding]:
    """More jobs in hand than hands: workers died with jobs reserved.

    For a moment balancing does the same (a worker that is told to end finishes its job first): a warning. Growing over two looks
    while no job succeeds: critical.
    """
    before = {queue.name: queue for queue in earlier.queues} if earlier else {}
    for queue in now.queues:
        if not queue.served or queue.reserved - queue.lost <= queue.processes:
            continue
        then = before.get(queue.name)
        worse = then and then.throughput == queue.throughput and then.reserved < queue.reserved
        yield Finding(
            "workers_dying",
            CRITICAL if worse else WARNING,
            queue.reserved - queue.lost,
            queue.processes,
            "Queue %s has %d jobs in hand and %d workers." % (queue.name, queue.reserved - queue.lost, queue.processes),
            "Workers may die in the middle of jobs (memory, timeout, fatal errors), unless others (queue:work) serve it too.",
        )


def _draining(now: Snapshot) -> Iterable[Finding]:
    reserved = {queue.name: queue.reserved for queue in now.queues if queue.reserved}
    if reserved and not now.live_masters:
        yield Finding(
            "draining",
            WARNING,
            reserved,
            0,
            "No master is alive, but jobs are still in hand: %s."
            % ", ".join("%d of %s" % (count, name) for name, count in reserved.items()),
            "Workers finish their jobs after a terminate; if they were killed, the jobs are lost until workers start again.",
        )
