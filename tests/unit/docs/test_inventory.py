# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/inventory.md documents every fact that roles and playbooks read, and inventories set no other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from unit.docs.on_disk import ROOT

FACT = re.compile(r"\brunbook_[a-z0-9_]+\b")
GUIDE = (ROOT / "docs/inventory.md").read_text(encoding="utf-8")
DOCUMENTED = set(re.findall(r"^\| `(runbook_\w+)` \|", GUIDE, re.MULTILINE))
INVENTORIES = sorted(path for path in (ROOT / "inventories").iterdir() if path.is_dir())


def facts_in(*patterns: str) -> set[str]:
    paths = [path for pattern in patterns for path in ROOT.glob(pattern)]
    return {fact for path in paths for fact in FACT.findall(path.read_text(encoding="utf-8"))}


def test_every_fact_that_is_read_is_documented_and_no_other() -> None:
    read = facts_in("roles/*/defaults/*.yml", "roles/*/tasks/**/*.yml", "roles/*/vars/*.yml", "playbooks/*.yml")
    later = set(re.findall(r"^\| `(runbook_\w+)` \|.* No role reads it yet\. \|$", GUIDE, re.MULTILINE))
    assert read == DOCUMENTED - later


@pytest.mark.parametrize("inventory", INVENTORIES, ids=lambda path: path.name)
def test_an_inventory_sets_only_documented_facts(inventory: Path) -> None:
    assert facts_in(f"inventories/{inventory.name}/**/*.yml") <= DOCUMENTED


def test_the_example_shows_every_fact_without_a_default() -> None:
    required = set(re.findall(r"^\| `(runbook_\w+)` \| none \|(?!.*reads it yet)", GUIDE, re.MULTILINE))
    assert required
    assert required <= facts_in("inventories/example/**/*.yml")


def test_the_example_is_an_inventory_without_secrets() -> None:
    program = Path(sys.executable).with_name("ansible-inventory")
    run = subprocess.run(
        [program, "-i", ROOT / "inventories/example", "--list"], capture_output=True, check=True, cwd=ROOT, text=True
    )
    inventory = json.loads(run.stdout)
    assert {"app", "workers", "database", "clusters"} <= set(inventory)
    assert set(inventory["workers"]["hosts"]) <= set(inventory["app"]["hosts"])
    addresses = re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", run.stdout)
    assert addresses
    assert [address for address in addresses if not address.startswith("192.0.2.")] == []
    secrets = re.findall(r'"\w*password": "([^"]*)"', run.stdout)
    assert secrets
    assert [secret for secret in secrets if not re.fullmatch(r"{{ vault_\w+ }}", secret)] == []
