# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of the health gate: samples in, findings out. No clock, no I/O, and memory that does not grow with the time watched.

Two kinds of judgement. *Recent*: each sample is graded by itself and a grade counts once N of the last M samples were that bad,
at any moment of the watch; a later recovery does not undo it. *Window*: error rate and percentiles over all requests of the watch.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import Any, Deque, Dict, List, Optional, Sequence, Union

from ..core.verdict import CRITICAL, OK, ORDER, UNKNOWN, Finding, measure, worst


@dataclasses.dataclass(frozen=True)
class Rule:
    """A grade counts when ``fail`` of the last ``of`` samples are that bad; with fewer samples than ``fail`` it is unknown."""

    fail: int
    of: int


@dataclasses.dataclass(frozen=True)
class Limits:
    """Beyond ``warning`` and ``critical`` is bad; None does not apply. ``below``: bad when low instead of when high."""

    warning: Optional[float]
    critical: Optional[float]
    below: bool = False

    def measure(self, check: str, observed: Optional[float], message: str, advice: str = "") -> Finding:
        if not self.below or observed is None:
            return measure(check, observed, self.warning, self.critical, message, advice)
        warning, critical = (None if limit is None else -limit for limit in (self.warning, self.critical))
        found = measure(check, -observed, warning, critical, message, advice)
        threshold = None if found.threshold is None else -found.threshold
        return dataclasses.replace(found, observed=observed, threshold=threshold)

    def grade(self, observed: Optional[float]) -> str:
        return self.measure("", observed, "").verdict


@dataclasses.dataclass(frozen=True)
class Reading:
    """What one look brought. ``ms`` is None when no whole answer came. ``error`` says why a request failed (HTTP) or why there is
    no number (the others); empty: neither."""

    ms: Optional[float] = None
    status: Optional[int] = None
    value: Optional[float] = None
    error: str = ""


@dataclasses.dataclass(frozen=True)
class Sample:
    """One graded look, ``at`` seconds after the start of the watch."""

    at: float
    check: str
    verdict: str
    reading: Reading


class Recent:
    """Grades sample by sample: the worst one that N of M samples in a row ever agreed on."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._last: Deque[int] = collections.deque(maxlen=rule.of)
        self._worst = OK
        self.counts = dict.fromkeys(ORDER, 0)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def verdict(self) -> str:
        return self._worst if self.total >= self._rule.fail else UNKNOWN

    def add(self, verdict: str) -> None:
        self.counts[verdict] += 1
        self._last.append(ORDER.index(verdict))
        if len(self._last) >= self._rule.fail:
            agreed = ORDER[sorted(self._last, reverse=True)[self._rule.fail - 1]]
            self._worst = worst([self._worst, agreed])

    def words(self) -> str:
        counts = ", ".join("%d %s" % (count, verdict) for verdict, count in self.counts.items() if count)
        return "%s (%d of %d in a row decide)" % (counts or "no sample", self._rule.fail, self._rule.of)


class Requests:
    """All requests of one HTTP probe. Times are kept as a count per whole millisecond, rounded up."""

    kind = "http"

    def __init__(self, name: str, p95_ms: Limits, error_percent: Limits, rule: Rule, minimum: int) -> None:
        self.check = "http." + name
        self._p95_ms, self._error_percent, self._minimum = p95_ms, error_percent, minimum
        self.recent = Recent(rule)
        self._times: Dict[int, int] = {}
        self._failed = 0
        self._error = ""

    def add(self, at: float, reading: Reading) -> Sample:
        verdict = CRITICAL if reading.error or reading.ms is None else self._p95_ms.grade(reading.ms)
        if reading.error or reading.ms is None:
            self._failed += 1
            self._error = reading.error or "no answer"
        if reading.ms is not None:
            whole = math.ceil(reading.ms)
            self._times[whole] = self._times.get(whole, 0) + 1
        self.recent.add(verdict)
        return Sample(at, self.check, verdict, reading)

    def percentile(self, percent: float) -> Optional[float]:
        """Nearest rank: the time that ``percent`` of all requests did not exceed. A request without an answer took for ever, so it
        counts as the slowest: infinity when the rank falls on one. None without requests."""
        rank, seen = math.ceil(self.recent.total * percent / 100), 0
        for whole in sorted(self._times):
            seen += self._times[whole]
            if seen >= rank:
                return whole
        return math.inf if self.recent.total else None

    def error_rate(self) -> Optional[float]:
        return 100.0 * self._failed / self.recent.total if self.recent.total else None

    def findings(self) -> List[Finding]:
        total = self.recent.total
        last = "; the last error: %s" % self._error if self._error else ""
        found = [
            Finding(
                self.check + ".recent",
                self.recent.verdict,
                None,
                None,
                self.recent.words() + last,
                "" if self.recent.verdict == OK else "See the samples for when and how it failed.",
            )
        ]
        rate, p95 = self.error_rate(), self.percentile(95)
        if total < self._minimum:
            message = "%d requests are too few to judge, %d are needed" % (total, self._minimum)
            advice = "Watch longer or more often, or lower minimum_samples."
            found += [
                Finding(self.check + name, UNKNOWN, _finite(number), None, message, advice)
                for name, number in ((".error_rate", rate), (".p95", p95))
            ]
            return found
        failed = "%d of %d requests failed (%.1f %%)" % (self._failed, total, rate or 0)
        found.append(self._error_percent.measure(self.check + ".error_rate", rate, failed + last, "See the samples."))
        slow = "more than 5 %% of %d requests got no answer" % total
        if p95 is not None and math.isfinite(p95):
            slow = "95 %% of %d requests took at most %d ms" % (total, p95)
        finding = self._p95_ms.measure(
            self.check + ".p95", p95, slow, "Look for what is slow: database, cache, workers."
        )
        found.append(dataclasses.replace(finding, observed=_finite(finding.observed)))
        return found

    def statistics(self) -> Dict[str, Any]:
        return {
            "failed": self._failed,
            "error_rate_percent": self.error_rate(),
            "p50_ms": _finite(self.percentile(50)),
            "p95_ms": _finite(self.percentile(95)),
            "max_ms": max(self._times, default=None),
        }


class Numbers:
    """The numbers one query or queue gave. ``counter``: they count up, and judged is their growth per second between two looks."""

    def __init__(
        self, kind: str, name: str, limits: Limits, rule: Rule, minimum: int = 1, counter: bool = False
    ) -> None:
        self.kind, self.check = kind, "%s.%s" % (kind, name)
        self._limits, self._minimum, self._counter = limits, minimum, counter
        self.recent = Recent(rule)
        self._previous: Optional[Sample] = None
        self._lowest: Optional[float] = None
        self._highest: Optional[float] = None
        self._latest: Optional[float] = None
        self._error = ""
        self._judged = 0

    def add(self, at: float, reading: Reading) -> Sample:
        first = self._counter and self._previous is None and not reading.error
        given = self._growth(at, reading) if self._counter else reading
        value = given.value
        if value is None or not math.isfinite(value):
            # Infinity is what a division by zero gives in PromQL, no more a measurement than NaN.
            given = dataclasses.replace(given, value=None, error=given.error or "the number is %s" % value)
            verdict = UNKNOWN
            self._error = self._error if first else given.error
        else:
            verdict = self._limits.grade(value)
            self._judged += 1
            self._latest = value
            self._lowest = value if self._lowest is None else min(self._lowest, value)
            self._highest = value if self._highest is None else max(self._highest, value)
        if not first:
            self.recent.add(verdict)
        return Sample(at, self.check, verdict, given)

    def _growth(self, at: float, reading: Reading) -> Reading:
        if reading.error or reading.value is None:
            return reading
        before, self._previous = self._previous, Sample(at, self.check, OK, reading)
        if before is None or before.reading.value is None or at <= before.at:
            return dataclasses.replace(reading, value=None, error="the first look at a counter tells no growth")
        growth = (reading.value - before.reading.value) / (at - before.at)
        if growth < 0:
            error = "the counter was reset: %s after %s" % (reading.value, before.reading.value)
            return dataclasses.replace(reading, value=None, error=error)
        return dataclasses.replace(reading, value=growth)

    def findings(self) -> List[Finding]:
        last = "; the last error: %s" % self._error if self._error else ""
        verdict, observed = self.recent.verdict, self._lowest if self._limits.below else self._highest
        advice = "" if verdict == OK else "See the samples for when."
        if self._judged < self._minimum:
            verdict = worst([verdict, UNKNOWN])
            last = "; %d numbers are too few to judge, %d are needed%s" % (self._judged, self._minimum, last)
            advice = "Watch longer, lower min_samples, or repair what gives no number."
        limit = self._limits.critical if verdict == CRITICAL or self._limits.warning is None else self._limits.warning
        return [Finding(self.check, verdict, observed, limit, self.recent.words() + last, advice)]

    def statistics(self) -> Dict[str, Any]:
        return {"lowest": self._lowest, "highest": self._highest, "latest": self._latest}


Series = Union[Requests, Numbers]


class Gate:
    """All series of one watch and the samples behind them. ``kept`` bounds the samples: half for good ones, half for others."""

    def __init__(self, series: Sequence[Series], kept: int) -> None:
        self._series = {one.check: one for one in series}
        self._good: Deque[Sample] = collections.deque(maxlen=kept - kept // 2)
        self._bad: Deque[Sample] = collections.deque(maxlen=kept // 2)
        self._total = 0

    def add(self, check: str, at: float, reading: Reading) -> None:
        sample = self._series[check].add(at, reading)
        (self._good if sample.verdict == OK else self._bad).append(sample)
        self._total += 1

    def critical(self) -> bool:
        """Whether some series is critical for good, whatever the rest of the watch may bring."""
        return any(one.recent.verdict == CRITICAL for one in self._series.values())

    def findings(self, one_look: bool = False) -> List[Finding]:
        """Those of each series, in the order given. A counter of which ``one_look`` was taken has none."""
        judged = [one for one in self._series.values() if one.recent.total or not one_look]
        return [finding for one in judged for finding in one.findings()]

    @property
    def dropped(self) -> int:
        """How many samples were more than could be kept: the oldest."""
        return self._total - len(self._good) - len(self._bad)

    def samples(self) -> List[Sample]:
        return sorted([*self._good, *self._bad], key=lambda sample: (sample.at, sample.check))

    def probes(self) -> List[Dict[str, Any]]:
        """What was seen of each series, every key in each, None where it does not apply."""
        empty = dict.fromkeys(STATISTICS)
        return [
            {
                **empty,
                "check": one.check,
                "kind": one.kind,
                "samples": one.recent.total,
                "verdicts": dict(one.recent.counts),
                **one.statistics(),
            }
            for one in self._series.values()
        ]


#: The statistics of the two kinds of series.
STATISTICS = ("failed", "error_rate_percent", "p50_ms", "p95_ms", "max_ms", "lowest", "highest", "latest")


def _finite(number: Optional[float]) -> Optional[float]:
    return number if number is not None and math.isfinite(number) else None
