# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.catalogue import Catalogue
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.info import report

from .test_catalogue import START, binlog, proof, shelf

LIMITS = {"rpo_seconds": 900.0, "max_age_seconds": 90000.0, "max_proof_age_seconds": 2764800.0}
UNTIL = "2026-01-31T11:58:00Z"
NOON = START + 10 * 3600


def judged(known: Catalogue, covered: str | None = UNTIL, now: float = NOON, **limits: Any) -> dict[str, Any]:
    return report(known, covered, {**LIMITS, **limits}, now, lambda name: f"/b/{name}")


def verdicts(result: dict[str, Any]) -> dict[str, str]:
    return {one["check"]: one["verdict"] for one in result["findings"] if one["verdict"] != "ok"}


GOOD = dataclasses.replace(shelf((30, ""), (31, "proven")), binlogs=[binlog(31), binlog(32)])


def test_all_well() -> None:
    result = judged(GOOD)
    assert (result["verdict"], verdicts(result)) == ("ok", {})
    assert result["newest"] == result["newest_proven"] == "/b/31.sql"
    assert (result["loss_seconds"], result["rpo_seconds"]) == (120, 900.0)
    assert result["binlogs"] == {
        "first": "binlog.000031",
        "last": "binlog.000032",
        "count": 2,
        "size_bytes": 18,
        "covered_until": UNTIL,
        "gaps": [],
    }
    assert [(one["path"], one["age_seconds"], one["level"]) for one in result["backups"]] == [
        ("/b/30.sql", 122400, "none"),
        ("/b/31.sql", 36000, "L3"),
    ]


@pytest.mark.parametrize(
    ("known", "covered", "loss", "bad"),
    [
        (
            Catalogue([], [], {}, []),
            None,
            None,
            {"newest": "critical", "rpo": "critical", "proven": "critical", "binlogs": "warning"},
        ),
        (dataclasses.replace(GOOD, binlogs=[]), None, 36000, {"rpo": "critical", "binlogs": "warning"}),
        (dataclasses.replace(GOOD, binlogs=[binlog(32)]), UNTIL, 36000, {"rpo": "critical", "binlogs": "critical"}),
        (
            dataclasses.replace(GOOD, binlogs=[binlog(31), binlog(33)]),
            UNTIL,
            36000,
            {"rpo": "critical", "binlogs": "critical"},
        ),
        (GOOD, "2026-01-31T11:40:00Z", 1200, {"rpo": "critical"}),
        (dataclasses.replace(shelf((30, "proven"), (31, "")), binlogs=GOOD.binlogs), UNTIL, 120, {}),
        (dataclasses.replace(shelf((31, "")), binlogs=GOOD.binlogs), UNTIL, 120, {"proven": "critical"}),
        (
            dataclasses.replace(
                shelf((29, "proven"), (31, "broken")), binlogs=[binlog(number) for number in range(29, 33)]
            ),
            UNTIL,
            120,
            {"newest": "critical", "whole": "warning"},
        ),
        (dataclasses.replace(GOOD, unreadable={"x.manifest.json": "It is none."}), UNTIL, 120, {"records": "warning"}),
    ],
)
def test_what_is_wrong_is_named(known: Catalogue, covered: str | None, loss: int | None, bad: dict[str, str]) -> None:
    result = judged(known, covered)
    assert (result["loss_seconds"], verdicts(result)) == (loss, bad)


def test_a_failed_verification_is_told_and_an_old_proof_too() -> None:
    backup = GOOD.backups[1]
    failed = dataclasses.replace(backup, proofs=[*backup.proofs, proof(backup.manifest, "L1", "critical")])
    result = judged(dataclasses.replace(GOOD, backups=[failed]))
    assert verdicts(result) == {"proven": "critical", "whole": "warning"} and result["newest_proven"] is None
    later = judged(GOOD, "2026-03-10T00:00:00Z", NOON + 37 * 86400)
    assert verdicts(later)["proven"] == "warning"


def test_a_scenario_without_a_loss_never_fails_for_it() -> None:
    assert verdicts(judged(dataclasses.replace(GOOD, binlogs=[]), None, rpo_seconds=None)) == {"binlogs": "warning"}
