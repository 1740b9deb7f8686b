# SPDX-License-Identifier: GPL-3.0-or-later
"""README and guides: their tables, versions, commands, links and examples agree with what is on disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.docs.on_disk import ROOT, documentation, option_names, role_spec

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE_IDS = [page.name for page in PAGES]
MODULE = re.compile(r"^finaegis\.runbook\.(\w+)$")


def table(heading: str) -> dict[str, str]:
    """Return the README's table below a heading: name -> text."""
    section = README.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE))


def stems(pattern: str) -> list[str]:
    return sorted(path.stem for path in ROOT.glob(pattern))


def fences(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def mappings(node: Any) -> list[dict[str, Any]]:
    """Return every mapping in a YAML document, however deep."""
    if isinstance(node, list):
        return [found for item in node for found in mappings(item)]
    if isinstance(node, dict):
        return [node, *(found for item in node.values() for found in mappings(item))]
    return []


def test_the_modules_table_is_what_is_on_disk() -> None:
    assert table("Modules") == {
        name: documentation(name)["short_description"] for name in stems("plugins/modules/*.py")
    }


def test_the_roles_table_is_what_is_on_disk() -> None:
    roles = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
    assert table("Roles") == {name: role_spec(name)["short_description"] for name in roles}


def test_the_playbooks_table_is_what_is_on_disk() -> None:
    assert sorted(table("Playbooks")) == stems("playbooks/*.yml")


def test_versions_and_dependencies() -> None:
    floor = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))["requires_ansible"]
    lock = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8")
    newest = max(re.findall(r"^ansible-core==(\d+\.\d+)", lock, re.MULTILINE))
    oldest = re.search(r"(\d+\.\d+)", floor)
    assert oldest is not None
    assert f"ansible-core {oldest[1]} or newer; {oldest[1]} and {newest}, the oldest and the newest" in README
    runtime = (ROOT / "requirements/runtime.in").read_text(encoding="utf-8")
    collections = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    for name in [*re.findall(r"^(\w+)", runtime, re.MULTILINE), *collections]:
        assert re.search(rf"\b{re.escape(name)}\b", README.split("## What it needs")[1]), name


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)#][^)]*)\)", text) if "://" not in target]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_the_make_targets_named_are_there(page: Path) -> None:
    there = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert named - there == set()


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_the_examples_use_options_that_exist(page: Path) -> None:
    for text in fences(page, "yaml"):
        for mapping in mappings(yaml.safe_load(text)):
            for key, value in mapping.items():
                match = MODULE.match(str(key))
                if match:
                    assert set(value) <= option_names("module", match[1]), f"{key}: {value}"


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_the_role_inputs_named_are_there(page: Path) -> None:
    playbook = (ROOT / "playbooks/maintenance.yml").read_text(encoding="utf-8")
    known = option_names("role", "maintenance") | set(re.findall(r"maintenance_\w+", playbook))
    known |= {"maintenance_mode", "maintenance_result"}  # a module; what the role hands to notifiers
    assert set(re.findall(r"(?:`|-e )(maintenance_\w+)", page.read_text(encoding="utf-8"))) - known == set()


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_the_playbooks_named_are_there(page: Path) -> None:
    named = re.findall(r"(?:playbooks/|finaegis\.runbook\.)(\w+)(?:\.yml)? -i", page.read_text(encoding="utf-8"))
    assert set(named) <= set(stems("playbooks/*.yml"))
