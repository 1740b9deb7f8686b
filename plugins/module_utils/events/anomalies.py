# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was found wrong: for each rule how often, and the first few places. Pure; JSON goes in and out as it is."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List

#: Rule -> {"count": int, "samples": [{...}, ...]}
Anomalies = Dict[str, Dict[str, Any]]


def merge(into: Anomalies, more: Anomalies, limit: int) -> None:
    """Add what a later range found; the first ``limit`` samples stay."""
    for rule, one in more.items():
        known = into.setdefault(rule, {"count": 0, "samples": []})
        known["count"] += one["count"]
        known["samples"] = (known["samples"] + one["samples"])[:limit]


def found(count: int, samples: Iterable[Dict[str, Any]]) -> Dict[str, Any]:
    return {"count": int(count), "samples": list(samples)}


def listed(schema: str, table: str, anomalies: Anomalies) -> List[Dict[str, Any]]:
    """As the module returns them."""
    return [{"check": rule, "schema": schema, "table": table, **one} for rule, one in sorted(anomalies.items())]
