# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task event_store_verify: its own options, and from them a run to a result."""

from __future__ import annotations

from typing import Any, Dict, List

from ..core import verdict
from ..core.errors import BadInput, Refused
from . import money, verify_report
from .checkpoint import Checkpoint, load
from .options import wanted_schemas
from .passes import Budget, Crew
from .rules import NEED_OPTIONS, RULES
from .stores import Found, discover
from .verify import Settings, Verifier

_LIMITS = {"chunk_rows": (100, 100000), "workers": (1, 16), "samples": (1, 1000)}
_NOT_NEGATIVE = ("tolerance_seconds", "settle_seconds", "max_seconds", "max_lag_seconds", "lag_timeout_seconds")


def verify_spec() -> Dict[str, Dict[str, Any]]:
    return {
        "checks": {"type": "list", "elements": "str", "choices": list(RULES), "default": []},
        "known_classes": {"type": "list", "elements": "str", "default": []},
        "tolerance_seconds": {"type": "int", "default": 60},
        "settle_seconds": {"type": "int", "default": 60},
        "checkpoint": {"type": "path"},
        "restart": {"type": "bool", "default": False},
        "hash_chain": {"type": "bool", "default": False},
        "recheck": {"type": "bool", "default": True},
        "chunk_rows": {"type": "int", "default": 10000},
        "workers": {"type": "int", "default": 2},
        "max_seconds": {"type": "float"},
        "max_lag_seconds": {"type": "float"},
        "lag_timeout_seconds": {"type": "float", "default": 600.0},
        "samples": {"type": "int", "default": 5},
        "event_hashes": {
            "type": "dict",
            "options": {
                "event_classes": {"type": "list", "elements": "str", "required": True},
                "hash": {"type": "str", "default": "$.hash.hash"},
                "amount": {"type": "str", "default": "$.money.amount"},
                "algorithm": {"type": "str", "choices": ["sha3-512", "sha256"], "default": "sha3-512"},
            },
        },
        "money": {"type": "list", "elements": "dict", "default": [], "options": _money_spec()},
    }


def _money_spec() -> Dict[str, Dict[str, Any]]:
    def movements() -> Dict[str, Any]:
        return {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "event_class": {"type": "str", "required": True},
                "amount": {"type": "str", "required": True},
                "group": {"type": "str"},
            },
        }

    return {
        "name": {"type": "str", "required": True},
        "event_table": {"type": "str", "required": True},
        "adds": movements(),
        "subtracts": movements(),
        "projection_table": {"type": "str", "required": True},
        "key_column": {"type": "str", "required": True, "no_log": False},
        "value_column": {"type": "str", "required": True},
        "group_column": {"type": "str"},
        "watermark_column": {"type": "str"},
        "scale": {"type": "int", "default": 0},
    }


def settings_from(params: Dict[str, Any]) -> Settings:
    """Check the options as far as they can be without a server.

    :raises BadInput: when one is out of its limits or lacks another.
    """
    for name, (low, high) in _LIMITS.items():
        if not low <= params[name] <= high:
            raise BadInput("%s must be from %d to %d, not %d." % (name, low, high, params[name]))
    for name in _NOT_NEGATIVE:
        if params[name] is not None and params[name] < 0:
            raise BadInput("%s must not be negative." % name)
    lacking = [check for check in params["checks"] if check in NEED_OPTIONS and not params[NEED_OPTIONS[check]]]
    if lacking:
        raise BadInput("The check %s needs the option %s." % (lacking[0], NEED_OPTIONS[lacking[0]]))
    checks = set(params["checks"] or RULES)
    checks -= {check for check, option in NEED_OPTIONS.items() if not params[option]}
    rules = [money.from_options(one) for one in params["money"]] if "money" in checks else []
    if len({rule.name for rule in rules}) != len(rules):
        raise BadInput("Two money rules have the same name.")
    hashes = params["event_hashes"] if "event_hash" in checks else None
    if hashes:
        hashes = {**hashes, "algorithm": hashes["algorithm"].replace("-", "_")}
    return Settings(
        checks=checks,
        known_classes=list(params["known_classes"]),
        tolerance_seconds=params["tolerance_seconds"],
        settle_seconds=params["settle_seconds"],
        hash_chain=params["hash_chain"],
        recheck=params["recheck"],
        chunk_rows=params["chunk_rows"],
        samples=params["samples"],
        event_hashes=hashes,
        money=rules,
    )


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Verify as the options say; in check mode without writing the checkpoint."""
    settings = settings_from(params)
    schemas = wanted_schemas(params)
    checkpoint = load(params["checkpoint"], keep=not check_mode)
    before = _reach(checkpoint)
    with Crew(params, params["workers"]) as crew:
        tables = discover(crew.planner, schemas, params["tables"], params["snapshots"])
        _refuse_nothing(tables, schemas)
        budget = Budget(params["max_seconds"], params["max_lag_seconds"], params["lag_timeout_seconds"])
        verifier = Verifier(crew, settings, budget, checkpoint, params["restart"])
        seen = verifier.run(tables)
        seconds = budget.spent
    findings = verify_report.findings(seen, settings.checks, budget.reason)
    verified = sum(one.verified for one in seen)
    return {
        "changed": verifier.changed,
        "tables": verify_report.tables(seen),
        "anomalies": verify_report.places(seen),
        "complete": not any(one.unfinished for one in seen),
        "seconds": round(seconds, 3),
        "paused_seconds": round(budget.paused_seconds, 3),
        "events_per_second": round(verified / seconds, 1) if seconds else 0.0,
        **verdict.summary(findings),
        "diff": {"before": before, "after": _reach(checkpoint)},
    }


def _refuse_nothing(tables: Found, schemas: List[str]) -> None:
    if not tables.events:
        raise Refused(
            "No event table was found in %s: none has the columns of one, or this user has no right to see it."
            % ", ".join(schemas),
            "Check schemas and the user's grants; it needs SELECT on the event and snapshot tables.",
        )


def _reach(checkpoint: Checkpoint) -> Dict[str, Any]:
    return {
        label: {"verified_to": entry.upto, "events": sum(segment[1] for segment in entry.all_segments())}
        for label, entry in sorted(checkpoint.entries.items())
        if entry.begun
    }
