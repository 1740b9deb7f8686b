# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the gate: what is refused before anything is asked, what may not be shown, and the parts that read plain data."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput
from ansible_collections.finaegis.runbook.plugins.module_utils.environment import health, probes
from ansible_collections.finaegis.runbook.plugins.module_utils.environment.http_client import HttpClient


def defaults(spec: dict[str, Any], **given: Any) -> dict[str, Any]:
    return {**{name: one.get("default") for name, one in spec.items()}, **given}


def http(**given: Any) -> dict[str, Any]:
    return defaults(health.http_spec(), **{"name": "a", "url": "http://127.0.0.1/", **given})


def server(*queries: dict[str, Any], **given: Any) -> dict[str, Any]:
    spec = health.prometheus_spec()
    options = [defaults(spec["queries"]["options"], **query) for query in queries]
    return defaults(spec, **{"url": "http://127.0.0.1/", "queries": options, **given})


def params(**given: Any) -> dict[str, Any]:
    sizes = {"fail_samples": 3, "of_samples": 5, "minimum_samples": 20, "samples_kept": 100}
    times = {"duration_seconds": 60.0, "interval_seconds": 2.0}
    return {**sizes, **times, "http": None, "prometheus": None, "queues": None, "use_proxy": False, **given}


QUERY = {"name": "q", "query": "up", "critical": 1.0}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"interval_seconds": 0}, "interval_seconds"),
        ({"duration_seconds": -1}, "duration_seconds"),
        ({"fail_samples": 0}, "fail_samples"),
        ({"fail_samples": 6}, "of_samples"),
        ({"samples_kept": -1}, "samples_kept"),
        ({"http": [http(), http()]}, "not all different"),
        ({"http": [http(headers={"authorization": "Basic x"})]}, "secret_headers"),
        ({"http": [http(headers={"Cookie": "x"})]}, "secret_headers"),
        ({"http": [http(timeout_seconds=0)]}, "timeout_seconds"),
        ({"http": [http()], "duration_seconds": 36}, "19 looks, and 20 are needed"),
        ({"prometheus": server(QUERY), "duration_seconds": 2}, "2 looks, and 3 are needed"),
        ({"prometheus": server({**QUERY, "min_samples": 31, "counter": True})}, "31 looks, and 32 are needed"),
        ({"prometheus": server({**QUERY, "critical": None})}, "neither warning nor critical"),
        ({"prometheus": server(QUERY, QUERY)}, "not all different"),
        ({"prometheus": server(QUERY, headers={"Authorization": "x"})}, "secret_headers"),
        ({"queues": {"names": ["a", "a"]}}, "not all different"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        health.check(params(**given), False)


def test_a_minimum_of_none_is_one() -> None:
    _, series = health.build(params(http=[http()], minimum_samples=0), False)
    assert {finding.verdict for finding in series[0].findings()} == {"unknown"}


def test_one_look_needs_no_minimum() -> None:
    health.check(params(http=[http()], duration_seconds=0.0), True)
    health.check(params(http=[http()]), False)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "ftp://x/"},
        {"url": "file:///etc/passwd"},
        {"url": "x"},
        {"url": "http://"},
        {"url": "http://user:canary-1@x/"},
        {"secret_headers": {"X": "canary-1\nY: z"}},
        {"secret_headers": {"X": "canary-1\u20ac"}},
        {"ca_cert": "/nowhere.pem"},
    ],
)
def test_a_connection_that_cannot_be_is_refused_without_its_secrets(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        health.build(params(http=[http(**given)]), False)
    assert "canary-1" not in str(caught.value)


def test_parts_of_secrets_are_secret_and_common_words_are_not() -> None:
    found = health.secrets(
        params(
            http=[
                http(
                    secret_headers={"Authorization": "Bearer canary-1", "X-Flag": "on"}, headers={"Accept": "text/html"}
                ),
                http(url="https://u:canary-2@x/"),
                http(headers={"cookie": "canary-3"}),
            ],
            prometheus=server(QUERY, secret_headers={"X-Key": "canary-4"}),
        )
    )
    assert set(found) == {"Bearer canary-1", "canary-1", "canary-2", "canary-3", "canary-4"}


@pytest.mark.parametrize(("text", "expected"), [("200", (200, 200)), ("200-299", (200, 299)), (" 503 ", (503, 503))])
def test_statuses_and_ranges(text: str, expected: tuple[int, int]) -> None:
    assert probes.status_range(text) == expected


@pytest.mark.parametrize("text", ["", "2xx", "99", "299-200", "200-", "200,201", "1000"])
def test_what_is_no_status_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not an HTTP status"):
        probes.status_range(text)


@pytest.mark.parametrize(
    ("status", "retried_by", "failed"),
    [
        (b"failed", None, True),
        (None, None, False),  # the record of one that was retried with success has expired
        (b"completed", None, False),  # queue:retry uses the same id
        (b"pending", None, False),
        (b"failed", b'[{"id":"x","status":"completed"}]', False),  # the dashboard's retry is another job
        (b"failed", b'[{"id":"x","status":"failed"}]', True),
        (b"failed", b'[{"id":"x","status":"failed"},{"id":"y","status":"completed"}]', False),
        (b"failed", b"not json", True),
        (b"failed", b"{}", True),
        (b"failed", b"[1]", True),
    ],
)
def test_a_job_retried_with_success_is_not_failed(status: bytes | None, retried_by: bytes | None, failed: bool) -> None:
    assert probes.still_failed(status, retried_by) is failed


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError("timed out"), "no whole answer within 3 s"),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused"),
        (ConnectionResetError(104, "Connection reset by peer"), "Connection reset by peer"),
        (ValueError("x"), "ValueError x"),
    ],
)
def test_errors_in_words(error: Exception, words: str) -> None:
    assert HttpClient("http://x/", {}, {}, 3)._why(error) == words
