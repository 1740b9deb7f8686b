# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Prometheus' answer to an instant query says: numbers, or why there are none. Pure.

The form: https://prometheus.io/docs/prometheus/latest/querying/api/ (``/api/v1/query``).
"""

from __future__ import annotations

import json
import math
from typing import Any, List, Optional, Tuple

from ..core.times import words

#: As much of Prometheus' error text as is handed on, sample by sample.
ERROR_CHARACTERS = 300


def numbers(status: int, body: bytes, now: float, max_age: float) -> Tuple[List[float], str]:
    """The values in an answer, and an error text, empty if they can be judged. ``now`` and the answer's times are Unix seconds.

    NaN, no series, a result that is no instant value, and values evaluated more than ``max_age`` seconds ago (a cache between) or
    ahead (a wrong clock) are errors.
    """
    try:
        answer = json.loads(body)
        if answer["status"] != "success":
            return [], "Prometheus answered %s: %s" % (
                answer.get("errorType", "error"),
                answer.get("error", "no reason"),
            )
        kind, result = answer["data"]["resultType"], answer["data"]["result"]
        if kind not in ("vector", "scalar"):
            return [], "the result is a %s; a query must give numbers of one moment" % kind
        points: List[Any] = [result] if kind == "scalar" else [one["value"] for one in result]
        pairs = [(_moment(time), float(value)) for time, value in points]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        return [], "HTTP %d, and the answer is not one of Prometheus (%s)" % (status, type(error).__name__)
    if not pairs:
        return [], "the result is empty: no such series now"
    age = max(abs(now - time) for time, _value in pairs)
    if age > max_age:
        return [], "the result is %s off this clock, more than %s: stale, or one of the clocks is wrong" % (
            words(age),
            words(max_age),
        )
    values = [value for _time, value in pairs]
    if any(math.isnan(value) for value in values):
        return values, "the result is NaN: nothing to divide by, or no data"
    return values, ""


def _moment(time: Any) -> float:
    if not math.isfinite(time):
        raise ValueError("not a time")
    return float(time)


def worst_of(values: List[float], below: bool) -> Optional[float]:
    """Of several series the one nearest to bad."""
    if not values:
        return None
    return min(values) if below else max(values)
