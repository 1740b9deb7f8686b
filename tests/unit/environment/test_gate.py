# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge: tables for each rule, and laws that hold for any samples."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.verdict import ORDER, worst
from ansible_collections.finaegis.runbook.plugins.module_utils.environment.gate import (
    Gate,
    Limits,
    Numbers,
    Reading,
    Recent,
    Requests,
    Rule,
)
from hypothesis import given
from hypothesis import strategies as st

RULE = Rule(3, 5)


def requests(rule: Rule = RULE, minimum: int = 20) -> Requests:
    return Requests("site", Limits(500, 2000), Limits(1, 5), rule, minimum)


def fed(readings: list[Reading], series: Any = None) -> Any:
    series = series or requests()
    for at, reading in enumerate(readings):
        series.add(float(at), reading)
    return series


def verdicts(series: Any) -> dict[str, str]:
    return {finding.check.removeprefix("http.site."): finding.verdict for finding in series.findings()}


def fine(ms: float = 10) -> Reading:
    return Reading(ms=ms, status=200)


def bad(ms: float | None = 10) -> Reading:
    return Reading(ms=ms, status=500 if ms else None, error="HTTP 500" if ms else "Connection refused")


@pytest.mark.parametrize(
    ("grades", "expected"),
    [
        ("", "unknown"),
        ("oo", "unknown"),  # fewer than it takes to decide
        ("cc", "unknown"),
        ("ooo", "ok"),
        ("oocc", "ok"),
        ("occc", "critical"),
        ("coccooooo", "critical"),  # a recovery does not undo it
        ("cooocoooocooooc", "ok"),  # never 3 of 5
        ("cocowoo", "warning"),  # critical counts as at least a warning
        ("wwuoo", "warning"),
        ("uuuoooooo", "unknown"),
        ("uucoo", "unknown"),
        ("uuu" + "ooooo" + "ccc", "critical"),
    ],
)
def test_a_grade_counts_when_n_of_the_last_m_have_it(grades: str, expected: str) -> None:
    names = {verdict[0]: verdict for verdict in ORDER}
    recent = Recent(RULE)
    for letter in grades:
        recent.add(names[letter])
    assert recent.verdict == expected


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        ([fine()] * 100, ("ok", "ok", "ok")),
        ([fine()] * 99 + [bad()], ("ok", "ok", "ok")),  # 1 % is not above 1 %
        ([fine()] * 49 + [bad()], ("ok", "warning", "ok")),  # 2 %
        ([fine()] * 19 + [bad()], ("ok", "warning", "ok")),  # 5 % is not above 5 %
        (
            ([fine()] * 7 + [bad()]) * 5,
            ("ok", "critical", "ok"),
        ),  # 12.5 %, never 3 of 5; a quick error is no slow answer
        (([fine()] * 7 + [bad(None)]) * 5, ("ok", "critical", "critical")),  # no answer took for ever
        ([fine(600)] * 40, ("warning", "ok", "warning")),
        ([fine(2001)] * 40, ("critical", "ok", "critical")),
        ([fine()] * 95 + [fine(9000)] * 5, ("critical", "ok", "ok")),  # in a row, but not in the 95th percentile
        ([fine(500)] * 40, ("ok", "ok", "ok")),  # at the limit is still fine
        ([fine(500.2)] * 40, ("warning", "ok", "warning")),
        ([fine()] * 19, ("ok", "unknown", "unknown")),  # too few
        ([bad()] * 3, ("critical", "unknown", "unknown")),
        ([fine()] * 2, ("unknown", "unknown", "unknown")),
        ([], ("unknown", "unknown", "unknown")),
    ],
)
def test_requests_are_judged(readings: list[Reading], expected: tuple[str, str, str]) -> None:
    found = verdicts(fed(readings))
    assert (found["recent"], found["error_rate"], found["p95"]) == expected


@pytest.mark.parametrize(
    ("times", "percent", "expected"),
    [
        # Nearest rank: the ceil(percent * n)-th of the sorted times; the textbook's example.
        ([15, 20, 35, 40, 50], 30, 20),
        ([15, 20, 35, 40, 50], 40, 20),
        ([15, 20, 35, 40, 50], 50, 35),
        ([15, 20, 35, 40, 50], 100, 50),
        ([7], 95, 7),
        (list(range(1, 101)), 95, 95),
        (list(range(1, 21)), 95, 19),
        ([0.2], 50, 1),  # rounded up to whole milliseconds
        ([10, None], 50, 10),
        ([10, None], 51, math.inf),
        ([], 95, None),
    ],
)
def test_percentiles_are_the_nearest_rank(times: list[float | None], percent: float, expected: float | None) -> None:
    assert fed([Reading(ms=ms, error="" if ms else "x") for ms in times]).percentile(percent) == expected


def test_a_failed_request_without_time_never_yields_infinity_as_a_number() -> None:
    gate = Gate([requests()], 10)
    for at in range(30):
        gate.add("http.site", at, bad(None))
    assert all(finding.observed is None or math.isfinite(finding.observed) for finding in gate.findings())
    assert gate.probes()[0]["p95_ms"] is None


def number(value: float | None, error: str = "") -> Reading:
    return Reading(value=value, error=error)


def numbers(limits: Limits, **more: Any) -> Numbers:
    return Numbers("prometheus", "x", limits, RULE, **more)


@pytest.mark.parametrize(
    ("limits", "values", "expected", "threshold"),
    [
        (Limits(1, 5), [1, 1, 1], "ok", 1),
        (Limits(1, 5), [2, 2, 2], "warning", 1),
        (Limits(1, 5), [6, 6, 6], "critical", 5),
        (Limits(1, None), [6, 6, 6], "warning", 1),
        (Limits(None, 5), [4, 4, 4], "ok", 5),
        (Limits(99, 95, below=True), [99.5, 99, 100], "ok", 99),
        (Limits(99, 95, below=True), [98, 98, 98], "warning", 99),
        (Limits(99, 95, below=True), [94, 94, 94], "critical", 95),
        (Limits(0, -1, below=True), [0, 0, 0], "ok", 0),
        (Limits(1, 5), [math.nan] * 3, "unknown", 1),
        (Limits(1, 5), [math.inf] * 3, "unknown", 1),  # a division by zero, not much of something
        (Limits(1, 5), [None] * 3, "unknown", 1),
        (Limits(1, 5), [], "unknown", 1),
    ],
)
def test_numbers_are_judged(limits: Limits, values: list[float | None], expected: str, threshold: float) -> None:
    (finding,) = fed([number(value) for value in values], numbers(limits)).findings()
    assert (finding.verdict, finding.threshold) == (expected, threshold)
    assert finding.observed is None or math.isfinite(finding.observed)


def test_too_few_numbers_are_unknown_but_what_is_critical_stays_so() -> None:
    few = fed([number(1)] * 4, numbers(Limits(1, 5), minimum=5)).findings()[0]
    assert few.verdict == "unknown" and "4 numbers are too few to judge, 5 are needed" in few.message
    assert fed([number(9)] * 4, numbers(Limits(1, 5), minimum=5)).findings()[0].verdict == "critical"


@pytest.mark.parametrize(
    ("values", "expected", "latest"),
    [
        ([100, 100, 100, 100], "ok", 0),
        ([100, 102, 104, 106], "warning", 2),
        ([100, 110, 120, 130], "critical", 10),
        ([100, 110, 0, 10], "ok", 10),  # two of three: not enough for critical; the reset is one unknown
        ([100, 50, 40, 30], "unknown", None),
        ([100], "unknown", None),
    ],
)
def test_a_counter_is_judged_by_its_growth_and_a_reset_is_unknown(
    values: list[float], expected: str, latest: float | None
) -> None:
    series = fed([number(value) for value in values], numbers(Limits(1, 5), counter=True))
    if expected == "ok" and latest == 10:
        assert series.recent.counts == {"ok": 0, "warning": 0, "unknown": 1, "critical": 2}
        assert series.findings()[0].verdict == "unknown"
    else:
        assert series.findings()[0].verdict == expected
    assert series.statistics()["latest"] == latest


def test_a_reset_says_so() -> None:
    series = numbers(Limits(1, 5), counter=True)
    series.add(0, number(100))
    sample = series.add(10, number(40))
    assert sample.verdict == "unknown" and "reset: 40 after 100" in sample.reading.error


def test_one_look_at_a_counter_is_no_finding() -> None:
    gate = Gate([numbers(Limits(1, 5), counter=True), requests(Rule(1, 1), 1)], 10)
    gate.add("prometheus.x", 0, number(100))
    gate.add("http.site", 0, fine())
    assert {finding.verdict for finding in gate.findings(one_look=True)} == {"ok"}
    assert worst(finding.verdict for finding in gate.findings()) == "unknown"


def test_samples_kept_are_bounded_and_bad_ones_outlive_good_ones() -> None:
    gate = Gate([requests()], 10)
    gate.add("http.site", 0, bad())
    for at in range(1, 1001):
        gate.add("http.site", at, fine())
    kept = gate.samples()
    assert len(kept) == 6 and gate.dropped == 995
    assert kept[0].verdict == "critical" and [sample.at for sample in kept[1:]] == [996, 997, 998, 999, 1000]


def test_memory_does_not_grow_with_the_time_watched() -> None:
    gate = Gate([requests()], 100)

    def size() -> int:
        series = gate._series["http.site"]
        return sys.getsizeof(series._times) + len(gate.samples())

    for at in range(5000):
        gate.add("http.site", at, fine(at % 50))
    before = size()
    for at in range(5000, 50000):
        gate.add("http.site", at, fine(at % 50))
    assert size() == before


reading = st.one_of(
    st.builds(fine, st.floats(0, 4000)),
    st.builds(bad, st.one_of(st.none(), st.floats(0, 4000))),
)
rules = st.integers(1, 5).flatmap(lambda fail: st.builds(Rule, st.just(fail), st.integers(fail, 8)))


def worsen(one: Reading) -> list[Reading]:
    """Readings that nobody would call better."""
    slower = [] if one.ms is None else [Reading(one.ms + 1500, one.status, None, one.error)]
    return [*slower, Reading(one.ms, 500, None, "HTTP 500"), Reading(None, None, None, "Connection refused")]


@given(st.lists(reading, min_size=1, max_size=40), rules, st.integers(1, 30), st.data())
def test_a_request_that_gets_worse_never_makes_anything_better(
    readings: list[Reading], rule: Rule, minimum: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(readings) - 1))
    worse = [*readings[:index], data.draw(st.sampled_from(worsen(readings[index]))), *readings[index + 1 :]]
    before, after = (verdicts(fed(some, requests(rule, minimum))) for some in (readings, worse))
    for check, verdict in before.items():
        assert ORDER.index(after[check]) >= ORDER.index(verdict), check


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), rules, st.booleans(), st.data())
def test_a_number_that_gets_worse_or_missing_never_makes_anything_better(
    values: list[float], rule: Rule, below: bool, data: st.DataObject
) -> None:
    limits = Limits(-3, -6, True) if below else Limits(3, 6)
    index = data.draw(st.integers(0, len(values) - 1))
    step = data.draw(st.floats(0, 10))
    new = values[index] - step if below else values[index] + step

    def judge(some: list[float | None]) -> str:
        series = Numbers("queue", "x", limits, rule)
        return fed([number(value) for value in some], series).findings()[0].verdict

    before = judge([*values])
    assert ORDER.index(judge([*values[:index], new, *values[index + 1 :]])) >= ORDER.index(before)
    if limits.grade(values[index]) != "critical":
        assert ORDER.index(judge([*values[:index], None, *values[index + 1 :]])) >= ORDER.index(before)


@given(st.lists(st.lists(reading, max_size=12), min_size=1, max_size=4), rules, st.randoms(use_true_random=False))
def test_the_order_of_probes_does_not_matter(watched: list[list[Reading]], rule: Rule, shuffle: Any) -> None:
    def judge(order: list[int]) -> set[tuple[str, str, str]]:
        gate = Gate([Requests(str(one), Limits(500, 2000), Limits(1, 5), rule, 5) for one in order], 1000)
        for at in range(12):
            for one in order:
                if at < len(watched[one]):
                    gate.add(f"http.{one}", at, watched[one][at])
        return {(finding.check, finding.verdict, finding.message) for finding in gate.findings()}

    order = list(range(len(watched)))
    shuffled = [*order]
    shuffle.shuffle(shuffled)
    assert judge(order) == judge(shuffled)


@given(rules, st.integers(1, 30))
def test_no_data_is_unknown(rule: Rule, minimum: int) -> None:
    series = [requests(rule, minimum), numbers(Limits(1, 5))]
    assert {finding.verdict for finding in Gate(series, 10).findings()} == {"unknown"}
    assert worst([]) == "unknown"


@given(st.lists(reading, max_size=40), rules)
def test_stopping_early_reaches_the_verdict_of_the_whole_watch(readings: list[Reading], rule: Rule) -> None:
    whole = Gate([requests(rule)], 10)
    early: bool = False
    for at, one in enumerate(readings):
        whole.add("http.site", at, one)
        early = early or whole.critical()
    assert not early or worst(finding.verdict for finding in whole.findings()) == "critical"
