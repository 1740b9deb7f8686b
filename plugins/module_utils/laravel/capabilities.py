# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which commands an application has, and which options they take: from ``artisan list --format=json``."""

from __future__ import annotations

import dataclasses
from typing import Dict, FrozenSet, Optional

from . import output
from .contract import Version


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """``commands`` maps each name and alias to its options with their dashes."""

    version: Version
    commands: Dict[str, FrozenSet[str]]

    def has(self, command: str, option: str = "") -> bool:
        return command in self.commands and (not option or option in self.commands[command])


def parse(text: str) -> Optional[Capabilities]:
    """The answer of ``list --format=json``, or None when it is not one."""
    found, value = output.find_json(text)
    if not found or not isinstance(value, dict) or not isinstance(value.get("commands"), list):
        return None
    commands: Dict[str, FrozenSet[str]] = {}
    for entry in value["commands"]:
        definition = entry.get("definition") or {}
        options = definition.get("options") or {}
        names = (
            frozenset(str(option["name"]) for option in options.values()) if isinstance(options, dict) else frozenset()
        )
        usages = [str(usage).partition(" ")[0] for usage in entry.get("usage", [])]
        for name in {str(entry["name"]), *usages}:
            commands[name] = names
    return Capabilities(output.version(str((value.get("application") or {}).get("version", ""))), commands)
