# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection contains, read from its files: documentation of modules, inputs of roles."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
PLACES = {
    "module": "plugins/modules/{}.py",
    "role": "roles/{}/meta/argument_specs.yml",
    "playbook": "playbooks/{}.yml",
}


def is_there(kind: str, name: str) -> bool:
    """Whether there is such a module, role or playbook."""
    return (ROOT / PLACES[kind].format(name)).is_file()


@cache
def documentation(module: str) -> dict[str, Any]:
    """Return a module's own documentation, without its fragments."""
    text = (ROOT / PLACES["module"].format(module)).read_text(encoding="utf-8")
    block = re.search(r'^DOCUMENTATION = r?"""\n(.*?)^"""', text, re.DOTALL | re.MULTILINE)
    if block is None:
        raise ValueError(f"{module} has no documentation")
    found: dict[str, Any] = yaml.safe_load(block.group(1))
    return found


@cache
def role_spec(role: str) -> dict[str, Any]:
    """Return the specification of a role's main entry point."""
    text = (ROOT / PLACES["role"].format(role)).read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]
    return found


def option_names(kind: str, name: str) -> set[str]:
    """Return the options of a module, those of its fragments included, or the inputs of a role."""
    if kind == "role":
        return set(role_spec(name)["options"])
    names = set(documentation(name).get("options", {}))
    for fragment in documentation(name).get("extends_documentation_fragment", []):
        path = ROOT / "plugins/doc_fragments" / (fragment.split(".")[2] + ".py")
        names |= set(re.findall(r"^  (\w+):$", path.read_text(encoding="utf-8"), re.MULTILINE))
    return names
