# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator guide has the role's phases and outcomes, no more and no fewer."""

from __future__ import annotations

import re

import yaml
from unit.docs.on_disk import ROOT, role_spec

GUIDE = (ROOT / "docs/operator.md").read_text(encoding="utf-8")
ROLE = ROOT / "roles/maintenance"


def first_column(header: str) -> list[str]:
    """Return the quoted names in the first column of the table that has such a header."""
    table = GUIDE.split(f"\n| {header} |", 1)[1].split("\n\n", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_the_phases_in_their_order() -> None:
    phases = yaml.safe_load((ROLE / "vars/main.yml").read_text(encoding="utf-8"))["__maintenance_phases"]
    assert first_column("Phase") == [phase["name"] for phase in phases]


def test_the_outcomes() -> None:
    tasks = yaml.safe_load((ROLE / "tasks/close.yml").read_text(encoding="utf-8"))
    messages = [
        task["vars"]["__maintenance_messages"] for task in tasks if "__maintenance_messages" in task.get("vars", {})
    ]
    assert sorted(first_column("Outcome")) == sorted(messages[0])


def test_the_verdicts() -> None:
    assert first_column("Verdict") == ["ok", "warning", "unknown", "critical"]


def test_the_choices_on_failure() -> None:
    choices = role_spec("maintenance")["options"]["maintenance_on_failure"]["choices"]
    assert re.findall(r"^- `maintenance_on_failure: (\w+)`", GUIDE, re.MULTILINE) == choices
