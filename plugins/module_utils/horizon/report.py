# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A snapshot as return values."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict

from .model import Master, Queue, Snapshot, Supervisor


def as_result(snapshot: Snapshot) -> Dict[str, Any]:
    return {
        "status": snapshot.status,
        "masters": [_master(master) for master in snapshot.masters],
        "supervisors": [_supervisor(supervisor) for supervisor in snapshot.supervisors],
        "queues": [_queue(queue) for queue in snapshot.queues],
        "failed_jobs": dataclasses.asdict(snapshot.failed),
        "jobs_per_minute": snapshot.jobs_per_minute,
        "commands_left": snapshot.leftovers,
    }


def _master(master: Master) -> Dict[str, Any]:
    return {
        "name": master.name,
        "host": master.host,
        "pid": master.pid,
        "environment": master.environment,
        "status": master.status,
        "supervisors": list(master.supervisors),
        "heartbeat_age_seconds": master.heartbeat_age,
        "stale": master.stale,
    }


def _supervisor(supervisor: Supervisor) -> Dict[str, Any]:
    return {
        "name": supervisor.name,
        "master": supervisor.master,
        "pid": supervisor.pid,
        "status": supervisor.status,
        "processes": supervisor.processes,
        "options": supervisor.options,
        "heartbeat_age_seconds": supervisor.heartbeat_age,
        "stale": supervisor.stale,
    }


def _queue(queue: Queue) -> Dict[str, Any]:
    return {
        "name": queue.name,
        "connection": queue.connection,
        "ready": queue.ready,
        "delayed": queue.delayed,
        "reserved": queue.reserved,
        "due": queue.due,
        "lost": queue.lost,
        "length": queue.length,
        "oldest_job_age_seconds": queue.oldest_job_age,
        "processes": queue.processes,
        "runtime_ms": queue.runtime_ms,
        "throughput": queue.throughput,
        "wait_seconds": queue.wait,
        "served": queue.served,
        "paused": queue.paused,
    }
