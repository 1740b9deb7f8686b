# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts and the findings behind them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, Dict, Iterable, List, Optional

OK = "ok"
WARNING = "warning"
CRITICAL = "critical"
UNKNOWN = "unknown"

#: From best to worst. A critical finding is certain and calls for action; it outweighs what could not be judged, and what could
#: not be judged outweighs a warning.
ORDER = (OK, WARNING, UNKNOWN, CRITICAL)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One check and what it saw. ``threshold`` is the limit that decided, or None where there is none."""

    check: str
    verdict: str
    observed: Any
    threshold: Any
    message: str
    advice: str = ""

    def as_dict(self) -> Dict[str, Any]:
        return dataclasses.asdict(self)


def worst(verdicts: Iterable[str]) -> str:
    """The worst of ``verdicts``; of none at all: unknown, because nothing was checked."""
    found = list(verdicts)
    return max(found, key=ORDER.index) if found else UNKNOWN


def grade(observed: Optional[float], warning: Optional[float], critical: Optional[float]) -> str:
    """Judge a number that is bad when high. At a limit is still fine, above it is not (the runbook says ``> 1000``).

    No number, or NaN, is unknown. A limit of None does not apply.
    """
    if observed is None or math.isnan(observed):
        return UNKNOWN
    if critical is not None and observed > critical:
        return CRITICAL
    if warning is not None and observed > warning:
        return WARNING
    return OK


def measure(
    check: str,
    observed: Optional[float],
    warning: Optional[float],
    critical: Optional[float],
    message: str,
    advice: str = "",
) -> Finding:
    """A finding for a number against a pair of limits; ``threshold`` is the limit passed, or the next one if none was."""
    verdict = grade(observed, warning, critical)
    limit = critical if verdict == CRITICAL or warning is None else warning
    return Finding(check, verdict, observed, limit, message, "" if verdict == OK else advice)


def summary(findings: List[Finding]) -> Dict[str, Any]:
    """The two return values every judging module has: ``verdict`` and ``findings``."""
    return {"verdict": worst(f.verdict for f in findings), "findings": [f.as_dict() for f in findings]}


def explain(findings: Iterable[Finding]) -> str:
    """The findings that are not ok, one after the other, as a sentence for an error message."""
    return "; ".join("%s is %s: %s" % (f.check, f.verdict, f.message) for f in findings if f.verdict != OK)
