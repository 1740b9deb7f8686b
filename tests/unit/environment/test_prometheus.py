# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers of Prometheus' HTTP API, in the form its documentation gives."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.environment import prometheus

NOW = 1_769_824_800.0


def vector(*values: str, at: float = NOW) -> dict[str, Any]:
    result = [{"metric": {"instance": str(i)}, "value": [at, value]} for i, value in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.mark.parametrize(
    ("answer", "values"),
    [
        (vector("1.5"), [1.5]),
        (vector("1", "3", "2"), [1, 3, 2]),
        (vector("+Inf"), [math.inf]),
        (vector("2", at=NOW - 300), [2]),
        ({"status": "success", "data": {"resultType": "scalar", "result": [NOW, "42"]}}, [42]),
        ({"status": "success", "warnings": ["partial"], "data": {"resultType": "scalar", "result": [NOW, "1"]}}, [1]),
    ],
)
def test_numbers_are_read(answer: dict[str, Any], values: list[float]) -> None:
    assert prometheus.numbers(200, json.dumps(answer).encode(), NOW, 300) == (values, "")


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (200, vector(), "empty"),
        (200, vector("NaN"), "NaN"),
        (200, vector("1", "NaN"), "NaN"),
        (200, vector("1", at=NOW - 301), "stale"),
        (200, vector("1", at=NOW + 301), "stale"),
        (
            400,
            {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"},
            "bad_data: parse error: unexp",
        ),
        (503, {"status": "error", "errorType": "timeout", "error": "query timed out"}, "timeout: query timed out"),
        (200, {"status": "success", "data": {"resultType": "matrix", "result": []}}, "a matrix"),
        (200, {"status": "success", "data": {"resultType": "string", "result": [NOW, "x"]}}, "a string"),
        (200, {"status": "success"}, "not one of Prometheus"),
        (200, {"status": "success", "data": {"resultType": "vector", "result": [{}]}}, "not one of Prometheus"),
        (200, [], "not one of Prometheus"),
        (200, None, "not one of Prometheus"),
        (200, vector("x"), "not one of Prometheus"),
        (200, vector("1", at=math.nan), "not one of Prometheus"),
    ],
)
def test_what_cannot_be_judged_says_why(status: int, answer: Any, message: str) -> None:
    assert message in prometheus.numbers(status, json.dumps(answer).encode(), NOW, 300)[1]


@pytest.mark.parametrize("body", [b"", b"<html>502 Bad Gateway</html>", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_is_no_answer(body: bytes) -> None:
    values, error = prometheus.numbers(502, body, NOW, 300)
    assert values == [] and "HTTP 502" in error


def test_of_several_series_the_worst_counts() -> None:
    assert prometheus.worst_of([1, 9, 3], below=False) == 9
    assert prometheus.worst_of([1, 9, 3], below=True) == 1
    assert prometheus.worst_of([], below=True) is None
