# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task event_store_info: its own options, what they make it read, and the judgement."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple

from ..core import verdict
from ..core.errors import BadInput
from ..core.thresholds import QUEUE_LENGTH
from ..core.verdict import CRITICAL, OK, UNKNOWN, Finding, measure
from . import info, lag
from .options import wanted_schemas
from .session import open_session
from .stores import discover

#: Seconds and failures for which the runbook gives no threshold: a minute behind is worth a look, ten mean that users see old data.
LAG_SECONDS = (60, 600)
FAILED_EVENTS = (0, 50)
_PAIRS = ("waiting", "failed", "lag_events", "lag_seconds", "heavy")


def info_spec() -> Dict[str, Dict[str, Any]]:
    return {
        "exact": {"type": "bool", "default": True},
        "min_events": {"type": "int", "default": 100},
        "samples": {"type": "int", "default": 5},
        "queues": {"type": "list", "elements": "str", "default": []},
        "queue_prefix": {"type": "str"},
        "queue_jobs_limit": {"type": "int", "default": 1000},
        "job_classes": {"type": "list", "elements": "str", "default": ["HandleStoredEventJob"]},
        "projections": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "event_table": {"type": "str", "required": True},
                "query": {"type": "str", "required": True},
                "event_classes": {"type": "list", "elements": "str", "default": []},
            },
        },
        "waiting_warning": {"type": "int", "default": QUEUE_LENGTH[0]},
        "waiting_critical": {"type": "int", "default": QUEUE_LENGTH[1]},
        "failed_warning": {"type": "int", "default": FAILED_EVENTS[0]},
        "failed_critical": {"type": "int", "default": FAILED_EVENTS[1]},
        "lag_events_warning": {"type": "int"},
        "lag_events_critical": {"type": "int"},
        "lag_seconds_warning": {"type": "int", "default": LAG_SECONDS[0]},
        "lag_seconds_critical": {"type": "int", "default": LAG_SECONDS[1]},
        "heavy_warning": {"type": "int"},
        "heavy_critical": {"type": "int"},
    }


def run(params: Dict[str, Any]) -> Dict[str, Any]:
    """Read and judge as the options say."""
    for name, least in (("min_events", 1), ("samples", 1), ("queue_jobs_limit", 1)):
        if params[name] < least:
            raise BadInput("%s must be %d or more." % (name, least))
    if params["queues"] and params["queue_prefix"] is None:
        raise BadInput("queues needs queue_prefix, Laravel's prefix of its keys in Redis; it may be empty.")
    schemas = wanted_schemas(params)
    connection, _server = open_session(params)
    with connection:
        found = discover(connection, schemas, params["tables"], params["snapshots"])
        seen = {
            "tables": info.read(connection, found, params["min_events"], params["samples"], params["exact"]),
            "failed_events": lag.failed(connection, found.schemas, params["job_classes"]),
            "projections": lag.projections(connection, found.events, params["projections"]),
        }
    seen["queues"] = lag.waiting(params) if params["queues"] else []
    return {**seen, **verdict.summary(judge(seen, params))}


def judge(seen: Dict[str, List[Dict[str, Any]]], params: Dict[str, Any]) -> List[Finding]:
    """The findings for what was read; ``params`` has the thresholds."""
    limits = {name: (params[name + "_warning"], params[name + "_critical"]) for name in _PAIRS}
    stores = [table for table in seen["tables"] if table["kind"] == "events"]
    events = sum(table["rows"] for table in stores)
    findings = [
        Finding("stores", OK, len(stores), None, "%d event tables with %d events." % (len(stores), events))
        if stores
        else Finding(
            "stores",
            UNKNOWN,
            0,
            None,
            "No event table was found.",
            "Check schemas and the user's grants; it needs SELECT.",
        )
    ]
    heavy = [table["heavy_aggregates"] for table in stores if table["heavy_aggregates"] is not None]
    if heavy:
        findings.append(
            measure(
                "heavy_aggregates",
                sum(heavy),
                *limits["heavy"],
                "%d aggregates load more than %d events each." % (sum(heavy), params["min_events"]),
                "Take snapshots of them with the application's own command.",
            )
        )
    findings += [_queue(queue, *limits["waiting"]) for queue in seen["queues"]]
    count = sum(one["events"] for one in seen["failed_events"])
    classes = ", ".join("%s %s" % (one["events"], one["event_class"]) for one in seen["failed_events"])
    findings.append(
        measure(
            "failed_events",
            count,
            *limits["failed"],
            "%d events failed in projectors%s." % (count, ": " + classes if classes else ""),
            "Mend the cause, then queue:retry them; the read model lacks them until then.",
        )
    )
    for one in seen["projections"]:
        findings += _projection(one, limits)
    return findings


def _queue(queue: Dict[str, Any], warning: Optional[float], critical: Optional[float]) -> Finding:
    length = queue["ready"] + queue["delayed"] + queue["reserved"]
    unseen = length - queue["examined"]
    message = "%d events wait in %s" % (queue["events"], queue["queue"])
    if unseen > 0:
        message += ", and %d jobs that were not looked at and are counted as events" % unseen
    if queue["oldest_seconds"] is not None:
        message += "; the oldest seen since %d seconds" % queue["oldest_seconds"]
    return measure(
        "waiting:" + queue["queue"],
        queue["events"] + max(unseen, 0),
        warning,
        critical,
        message + ".",
        "See horizon_status for who serves this queue.",
    )


def _projection(one: Dict[str, Any], limits: Dict[str, Tuple[Optional[float], Optional[float]]]) -> List[Finding]:
    name = "%s in %s" % (one["name"], one["schema"])
    if one["past_the_end"]:
        message = "The projection %s has applied event %s, which is past the end of the store." % (
            name,
            one["watermark"],
        )
        advice = "The store was restored or cut: rebuild the projection."
        return [Finding("projection:" + one["name"], CRITICAL, one["watermark"], None, message, advice)]
    message = "The projection %s is %d events and %d seconds behind." % (name, one["events"], one["seconds"])
    advice = "See the projectors' queues and failed jobs."
    return [
        measure("projection_events:" + one["name"], one["events"], *limits["lag_events"], message, advice),
        measure("projection_seconds:" + one["name"], one["seconds"], *limits["lag_seconds"], message, advice),
    ]
