# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a verification says: one finding for each rule, one for how much was covered, and every table. Pure."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Sequence, Set

from ..core.verdict import OK, UNKNOWN, Finding
from . import anomalies
from .rules import RULES, Rule
from .verify import Seen


def findings(seen: Sequence[Seen], checks: Set[str], stopped: str) -> List[Finding]:
    """Judge. ``stopped`` says why a run ended early, empty when it did not."""
    return [_coverage(seen, stopped), *(_finding(rule, seen) for rule in RULES.values() if rule.name in checks)]


def _coverage(seen: Sequence[Seen], stopped: str) -> Finding:
    stores = [one for one in seen if "state" not in one.table.columns]
    verified = sum(one.verified for one in stores)
    total = sum(one.events for one in stores)
    young = sum(one.unsettled or 0 for one in stores)
    message = "%d events of %d tables are verified, %d of them in this run." % (total, len(stores), verified)
    if young:
        message += " %d are too young and are left for the next run." % young
    if stopped:
        advice = (
            "Run again with the same checkpoint to go on."
            if stopped.startswith("max_seconds")
            else "See to the replica."
        )
        return Finding("coverage", UNKNOWN, total, None, "%s Not all was verified: %s." % (message, stopped), advice)
    if not total:
        return Finding("coverage", UNKNOWN, 0, None, message, "No event is there, or none is settle_seconds old.")
    return Finding("coverage", OK, total, None, message)


def _finding(rule: Rule, seen: Sequence[Seen]) -> Finding:
    broken = [(one, one.anomalies[rule.name]) for one in seen if rule.name in one.anomalies]
    count = sum(int(found["count"]) for unused, found in broken)
    unjudged = [one.unjudged[rule.name] for one in seen if rule.name in one.unjudged]
    unfinished = any(rule.name in one.unfinished for one in seen)
    if count:
        where = "; ".join("%s: %s" % (one.table.label, _samples(found["samples"])) for one, found in broken)
        said = (
            "%d %s %s (%s)." % (count, rule.subject, rule.wrong, where)
            if rule.subject
            else "%d %s (%s)." % (count, rule.wrong, where)
        )
        return Finding(rule.name, rule.verdict, count, 0, said, rule.advice)
    if unjudged:
        return Finding(
            rule.name,
            UNKNOWN,
            None,
            0,
            "Can't be checked: %s." % unjudged[0],
            "Add the index the package's migration makes.",
        )
    if unfinished:
        return Finding(rule.name, UNKNOWN, 0, 0, "None found so far, but not all was looked at.", "Run again to go on.")
    said = "None found."
    left = sum(one.unsettled_balances for one in seen)
    if rule.name == "money" and left:
        said = "None found; %d balances were not judged because their last event is too young." % left
    return Finding(rule.name, OK, 0, 0, said)


def _samples(samples: Iterable[Dict[str, Any]]) -> str:
    texts = []
    for sample in samples:
        name = "" if sample.get("id") is None else "id %s" % sample["id"]
        texts.append(": ".join(part for part in (name, str(sample.get("seen") or "")) if part))
    return ", ".join(texts)


def tables(seen: Sequence[Seen]) -> List[Dict[str, Any]]:
    """As the module returns them."""
    return [
        {
            "schema": one.table.schema,
            "table": one.table.name,
            "kind": "snapshots" if "state" in one.table.columns else "events",
            "verified": one.verified,
            "verified_total": one.events,
            "verified_to": one.upto,
            "too_young": one.unsettled,
            "rechecked": one.rechecked,
            "chain_head": one.chain_head,
            "resumed": one.resumed,
            "complete": not one.unfinished,
        }
        for one in seen
    ]


def places(seen: Sequence[Seen]) -> List[Dict[str, Any]]:
    """Everything found, with its samples."""
    return [each for one in seen for each in anomalies.listed(one.table.schema, one.table.name, one.anomalies)]
