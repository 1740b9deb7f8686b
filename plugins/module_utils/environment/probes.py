# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of the health gate. Each look brings a reading for each of the probe's checks; trouble is a reading, not an error."""

from __future__ import annotations

import json
import re
import time
from abc import ABC, abstractmethod
from typing import Any, Dict, List, Sequence, Tuple
from urllib.parse import quote

from ..core import redis_connection
from ..core.errors import BadInput, Unavailable
from . import prometheus
from .gate import Reading
from .http_client import HttpClient, NoAnswer

#: Failed jobs looked at one by one, newest first; so many in an hour are beyond any threshold.
FAILED_JOBS = 1000
HOUR_SECONDS = 3600


class Probe(ABC):
    """``checks`` are the names its readings have; ``timeout`` the seconds within which a look comes back or has failed."""

    checks: List[str]
    timeout: float

    @abstractmethod
    def look(self) -> Dict[str, Reading]:
        """Look once. Only one look of a probe runs at a time."""


class HttpProbe(Probe):
    def __init__(self, options: Dict[str, Any], use_proxy: bool) -> None:
        self.checks = ["http." + options["name"]]
        self.timeout = options["timeout_seconds"]
        self._method, self._wanted = options["method"], options["body_contains"]
        self._expected = [status_range(text) for text in options["expect_status"]]
        self._expected_words = ", ".join(options["expect_status"])
        self._client = HttpClient(
            options["url"],
            options["headers"] or {},
            options["secret_headers"] or {},
            self.timeout,
            options["validate_certs"],
            options["ca_cert"],
            options["follow_redirects"],
            use_proxy,
        )

    def look(self) -> Dict[str, Reading]:
        return {self.checks[0]: self._look()}

    def _look(self) -> Reading:
        try:
            answer = self._client.request(self._method)
        except NoAnswer as error:
            return Reading(error=str(error))
        error_text = ""
        if not any(low <= answer.status <= high for low, high in self._expected):
            error_text = "HTTP %d instead of %s" % (answer.status, self._expected_words)
        elif self._wanted and self._wanted.encode() not in answer.body:
            error_text = "HTTP %d, but the body does not contain '%s'" % (answer.status, self._wanted)
        return Reading(answer.ms, answer.status, None, error_text)


def status_range(text: str) -> Tuple[int, int]:
    """``200`` or ``200-299``, both ends included."""
    match = re.fullmatch(r"([1-5]\d\d)(?:-([1-5]\d\d))?", str(text).strip())
    low, high = (int(match.group(1)), int(match.group(2) or match.group(1))) if match else (1, 0)
    if low > high:
        raise BadInput("'%s' is not an HTTP status." % text, "Give one such as 200 or a range such as 200-299.")
    return low, high


class PrometheusProbe(Probe):
    """One query; several run at the same time."""

    def __init__(self, server: Dict[str, Any], query: Dict[str, Any], use_proxy: bool) -> None:
        self.checks = ["prometheus." + query["name"]]
        self.timeout = server["timeout_seconds"]
        self._max_age, self._below = server["max_age_seconds"], query["direction"] == "below"
        self._counter = query["counter"]
        self._query = "?query=" + quote(query["query"], safe="")
        secret = dict(server["secret_headers"] or {})
        if server["bearer_token"]:
            secret["Authorization"] = "Bearer " + server["bearer_token"]
        self._client = HttpClient(
            server["url"].rstrip("/") + "/api/v1/query",
            server["headers"] or {},
            secret,
            self.timeout,
            server["validate_certs"],
            server["ca_cert"],
            use_proxy=use_proxy,
        )

    def look(self) -> Dict[str, Reading]:
        return {self.checks[0]: self._look()}

    def _look(self) -> Reading:
        try:
            answer = self._client.request("GET", self._query)
        except NoAnswer as error:
            return Reading(error="Prometheus: %s" % error)
        values, error_text = prometheus.numbers(answer.status, answer.body, time.time(), self._max_age)
        if not error_text and self._counter and len(values) > 1:
            error_text = "the counter has %d series: put sum() around the query" % len(values)
        value = None if error_text else prometheus.worst_of(values, self._below)
        return Reading(answer.ms, answer.status, value, error_text)


class QueueProbe(Probe):
    """Ready jobs of each queue and, where Horizon's prefix is given, the failed jobs of the last hour. Two round trips a look."""

    def __init__(self, params: Dict[str, Any], options: Dict[str, Any]) -> None:
        self._names: Sequence[str] = options["names"]
        self._prefix, self._horizon = options["queue_prefix"], options["horizon_prefix"]
        self.checks = ["queue." + name for name in self._names] + ["horizon.failed_jobs"] * (self._horizon is not None)
        self._params = params
        # Each look makes a few calls, each with a time limit of its own.
        self.timeout = 4 * params["redis_timeout"]
        self._client = redis_connection.connect(params)

    def look(self) -> Dict[str, Reading]:
        start = time.monotonic()
        try:
            with redis_connection.errors(self._params):
                return self._look(start)
        except Unavailable as error:
            return dict.fromkeys(self.checks, Reading(error=error.message))

    def _look(self, start: float) -> Dict[str, Reading]:
        pipeline = self._client.pipeline(transaction=False)
        pipeline.time()
        for name in self._names:
            pipeline.llen("%squeues:%s" % (self._prefix, name))
        now, *lengths = pipeline.execute()
        ms = (time.monotonic() - start) * 1000
        readings = {"queue." + name: Reading(ms=ms, value=float(length)) for name, length in zip(self._names, lengths)}
        if self._horizon is not None:
            readings["horizon.failed_jobs"] = Reading(ms=ms, value=float(self._failed_jobs(int(now[0]))))
        return readings

    def _failed_jobs(self, now: int) -> int:
        """Horizon's scores are negative times, and a job that was retried with success stays in the set: its hash tells."""
        key = "%sfailed_jobs" % self._horizon
        ids = self._client.zrangebyscore(key, "-inf", -(now - HOUR_SECONDS), start=0, num=FAILED_JOBS)
        pipeline = self._client.pipeline(transaction=False)
        for name in ids:
            pipeline.hmget(self._horizon.encode() + name, "status", "retried_by")
        return sum(1 for status, retried_by in pipeline.execute() if still_failed(status, retried_by))


def still_failed(status: Any, retried_by: Any) -> bool:
    """Whether a job among Horizon's failed ones still is, by its hash's fields (bytes or None).

    ``queue:retry`` keeps the id, so the status changes, and the record of a job that then succeeded expires after an hour; the
    dashboard retries a copy, whose outcome is in ``retried_by``.
    """
    if status != b"failed":
        return False
    try:
        retries = json.loads(retried_by or b"[]")
        return not any(retry.get("status") == "completed" for retry in retries)
    except (ValueError, AttributeError, TypeError):
        return True
