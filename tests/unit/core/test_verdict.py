# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core import verdict
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (0, "ok"),
        (1000, "ok"),  # the runbook says "> 1000"
        (1000.5, "warning"),
        (5000, "warning"),
        (5001, "critical"),
        (None, "unknown"),
        (math.nan, "unknown"),
    ],
)
def test_a_number_is_graded_against_the_runbook_limits(observed: float | None, expected: str) -> None:
    assert verdict.grade(observed, 1000, 5000) == expected


@pytest.mark.parametrize(
    ("warning", "critical", "expected"), [(None, None, "ok"), (None, 5, "critical"), (5, None, "warning")]
)
def test_a_limit_of_none_does_not_apply(warning: float | None, critical: float | None, expected: str) -> None:
    assert verdict.grade(6, warning, critical) == expected


def test_nothing_checked_is_unknown() -> None:
    assert verdict.worst([]) == "unknown"
    assert verdict.summary([]) == {"verdict": "unknown", "findings": []}


@given(st.lists(st.sampled_from(verdict.ORDER), min_size=1), st.sampled_from(verdict.ORDER))
def test_one_more_finding_never_makes_the_verdict_better(found: list[str], another: str) -> None:
    before, after = verdict.worst(found), verdict.worst([*found, another])
    assert verdict.ORDER.index(after) >= verdict.ORDER.index(before)


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.floats(min_value=0), st.floats(min_value=0))
def test_a_higher_number_is_never_better(a: float, b: float, warning: float, critical: float) -> None:
    low, high = min(a, b), max(a, b)
    grades = [verdict.ORDER.index(verdict.grade(value, warning, critical)) for value in (low, high)]
    assert grades[0] <= grades[1]


def test_a_finding_names_the_limit_that_decided() -> None:
    assert verdict.measure("length", 6000, 1000, 5000, "long").threshold == 5000
    assert verdict.measure("length", 2000, 1000, 5000, "long").threshold == 1000
    assert verdict.measure("length", 1, 1000, 5000, "fine", "do this").advice == ""
    bad = [verdict.measure("length", 6000, 1000, 5000, "6000 jobs"), verdict.measure("age", 1, 2, 3, "young")]
    assert verdict.explain(bad) == "length is critical: 6000 jobs"
