# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of health_gate, what must hold between them, and the way from them to a result."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Sequence, Tuple
from urllib.parse import urlsplit

from ..core import thresholds
from ..core.errors import BadInput, Failed
from ..core.options import Spec
from ..core.times import iso, words
from ..core.verdict import explain, summary
from .gate import Gate, Limits, Numbers, Requests, Rule, Sample, Series
from .probes import HttpProbe, Probe, PrometheusProbe, QueueProbe
from .watch import Watched, watch

#: Headers that are always credentials; in ``headers`` they would be logged.
CREDENTIALS = {"authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token"}


def _pair(name: str, limits: Sequence[float], unit: str = "") -> Spec:
    warning, critical = limits
    return {
        "%s_warning%s" % (name, unit): {"type": "float", "default": float(warning)},
        "%s_critical%s" % (name, unit): {"type": "float", "default": float(critical)},
    }


def _connection() -> Spec:
    return {
        "url": {"type": "str", "required": True},
        "headers": {"type": "dict"},
        "secret_headers": {"type": "dict", "no_log": True},
        "timeout_seconds": {"type": "float", "default": 10.0},
        "validate_certs": {"type": "bool", "default": True},
        "ca_cert": {"type": "path"},
    }


def http_spec() -> Spec:
    return dict(
        _connection(),
        name={"type": "str", "required": True},
        method={"type": "str", "choices": ["GET", "HEAD"], "default": "GET"},
        expect_status={"type": "list", "elements": "str", "default": ["200"]},
        body_contains={"type": "str"},
        follow_redirects={"type": "bool", "default": False},
        **_pair("p95", thresholds.RESPONSE_TIME_P95_MS, "_ms"),
        **_pair("error_rate", thresholds.ERROR_RATE_PERCENT, "_percent"),
    )


def prometheus_spec() -> Spec:
    query = {
        "name": {"type": "str", "required": True},
        "query": {"type": "str", "required": True},
        "warning": {"type": "float"},
        "critical": {"type": "float"},
        "direction": {"type": "str", "choices": ["above", "below"], "default": "above"},
        "counter": {"type": "bool", "default": False},
        "min_samples": {"type": "int", "default": 1},
    }
    return dict(
        _connection(),
        bearer_token={"type": "str", "no_log": True},
        max_age_seconds={"type": "float", "default": 300.0},
        queries={"type": "list", "elements": "dict", "required": True, "options": query},
    )


def queues_spec() -> Spec:
    return dict(
        names={"type": "list", "elements": "str", "required": True},
        queue_prefix={"type": "str", "required": True},
        horizon_prefix={"type": "str"},
        **_pair("length", thresholds.QUEUE_LENGTH),
        **_pair("failed_per_hour", thresholds.FAILED_JOBS_PER_HOUR),
    )


def secrets(params: Dict[str, Any]) -> List[str]:
    """What must not be shown beyond the values of ``no_log`` options: parts of header values, and what URLs carry."""
    connections = [*(params["http"] or []), *([params["prometheus"]] if params["prometheus"] else [])]
    found: List[str] = []
    for connection in connections:
        for name, value in [*(connection["secret_headers"] or {}).items(), *(connection["headers"] or {}).items()]:
            if name in (connection["secret_headers"] or {}) or name.lower() in CREDENTIALS:
                found += [str(value), *str(value).split()]
        found.append(urlsplit(connection["url"]).password or "")
    return [text for text in found if len(text) > 3 and text.lower() not in ("basic", "bearer", "digest", "token")]


def check(params: Dict[str, Any], one_look: bool) -> None:
    """:raises BadInput: before anything is asked, for what can't be or could only end in unknown."""
    if params["duration_seconds"] < 0 or params["interval_seconds"] <= 0:
        raise BadInput("duration_seconds must be 0 or more and interval_seconds more than 0.", "Nothing was asked yet.")
    if not 1 <= params["fail_samples"] <= params["of_samples"]:
        raise BadInput("fail_samples must be 1 or more and of_samples no less.", "Nothing was asked yet.")
    if params["samples_kept"] < 0:
        raise BadInput("samples_kept must be 0 or more.", "Nothing was asked yet.")
    names = [one["name"] for one in params["http"] or []]
    queries = (params["prometheus"] or {}).get("queries") or []
    for kind in (names, [one["name"] for one in queries], (params["queues"] or {}).get("names") or []):
        if len(set(kind)) < len(kind):
            raise BadInput("The names %s are not all different." % ", ".join(kind), "Give each its own.")
    for one in [*(params["http"] or []), *([params["prometheus"]] if params["prometheus"] else [])]:
        open_ones = sorted(name for name in one["headers"] or {} if name.lower() in CREDENTIALS)
        if open_ones:
            raise BadInput("%s in headers would be logged." % ", ".join(open_ones), "Put it in secret_headers.")
        if one["timeout_seconds"] <= 0:
            raise BadInput("timeout_seconds is %g." % one["timeout_seconds"], "Give more than 0.")
    for query in queries:
        if query["warning"] is None and query["critical"] is None:
            raise BadInput("The query %s has neither warning nor critical." % query["name"], "Give one or both.")
    looks = int(params["duration_seconds"] / params["interval_seconds"] + 1e-9) + 1
    needed = max([params["fail_samples"], params["minimum_samples"] if names else 1])
    needed = max([needed, *(query["min_samples"] + query["counter"] for query in queries)])
    if looks < needed and not one_look:
        raise BadInput(
            "Every %g s for %g s gives %d looks, and %d are needed to judge."
            % (params["interval_seconds"], params["duration_seconds"], looks, needed),
            "Raise duration_seconds, or lower interval_seconds, minimum_samples, fail_samples or min_samples.",
        )


def build(params: Dict[str, Any], one_look: bool) -> Tuple[List[Probe], List[Series]]:
    """The probes and what judges them. For one look alone, that look decides."""
    rule = Rule(1, 1) if one_look else Rule(params["fail_samples"], params["of_samples"])
    probes: List[Probe] = []
    series: List[Series] = []
    for one in params["http"] or []:
        p95 = Limits(one["p95_warning_ms"], one["p95_critical_ms"])
        minimum = 1 if one_look else max(params["minimum_samples"], 1)
        errors = Limits(one["error_rate_warning_percent"], one["error_rate_critical_percent"])
        probes.append(HttpProbe(one, params["use_proxy"]))
        series.append(Requests(one["name"], p95, errors, rule, minimum))
    server = params["prometheus"]
    for query in server["queries"] if server else []:
        limits = Limits(query["warning"], query["critical"], query["direction"] == "below")
        probes.append(PrometheusProbe(server, query, params["use_proxy"]))
        minimum = 1 if one_look else query["min_samples"]
        series.append(Numbers("prometheus", query["name"], limits, rule, minimum, query["counter"]))
    queues = params["queues"]
    if queues:
        probes.append(QueueProbe(params, queues))
        length = Limits(queues["length_warning"], queues["length_critical"])
        series += [Numbers("queue", name, length, rule) for name in queues["names"]]
        if queues["horizon_prefix"] is not None:
            failed = Limits(queues["failed_per_hour_warning"], queues["failed_per_hour_critical"])
            series.append(Numbers("horizon", "failed_jobs", failed, rule))
    return probes, series


def perform(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Watch and judge; the module's result.

    :raises Failed: when the verdict is among ``fail_on``; the result is in its data.
    """
    one_look = check_mode or params["duration_seconds"] == 0
    check(params, one_look)
    probes, series = build(params, one_look)
    gate = Gate(series, params["samples_kept"])
    began = time.time()
    duration = 0.0 if one_look else params["duration_seconds"]
    watched = watch(probes, gate, duration, params["interval_seconds"], params["stop_early"])
    findings = gate.findings(one_look)
    result = dict(summary(findings), **report(gate, watched, began))
    plan = "%s, every %g s" % (words(params["duration_seconds"]), params["interval_seconds"])
    result["message"] = "%s after %s: %s" % (
        result["verdict"],
        words(watched.seconds),
        explain(findings) or "nothing is wrong",
    )
    if check_mode:
        result["message"] += ". Check mode: one look was taken; a run would watch for %s." % plan
    if result["verdict"] in params["fail_on"]:
        closed = Failed(
            "The health gate is closed: %s." % result["message"].rstrip("."),
            "See findings and samples. Go on when it is understood, or roll back.",
        )
        closed.data.update(result)
        raise closed
    return result


def report(gate: Gate, watched: Watched, began: float) -> Dict[str, Any]:
    """The evidence: everything but the judgement."""
    return {
        "changed": False,
        "samples": [_sample(sample, began) for sample in gate.samples()],
        "samples_dropped": gate.dropped,
        "probes": gate.probes(),
        "seconds": round(watched.seconds, 3),
        "looks": watched.looks,
        "looks_missed": watched.missed,
        "stopped_early": watched.stopped_early,
        "started": iso(began),
    }


def _sample(sample: Sample, began: float) -> Dict[str, Any]:
    reading = sample.reading
    return {
        "time": iso(began + sample.at),
        "at_seconds": round(sample.at, 3),
        "check": sample.check,
        "verdict": sample.verdict,
        "status": reading.status,
        "ms": None if reading.ms is None else round(reading.ms, 1),
        "value": reading.value,
        "error": reading.error,
    }
