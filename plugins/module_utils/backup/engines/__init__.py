# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways to take a backup, one file each behind the interface in ``base``. ``make`` gives the one that was asked for."""

from __future__ import annotations

from ...core.errors import BadInput
from .base import Engine
from .dump import Dump
from .mydumper import Mydumper
from .physical import Physical

ENGINES = {engine.name: engine for engine in (Dump, Mydumper, Physical)}


def make(name: str) -> Engine:
    """:raises BadInput: when there is no such engine."""
    if name not in ENGINES:
        raise BadInput("There is no engine '%s'." % name, "Take one of %s." % ", ".join(sorted(ENGINES)))
    return ENGINES[name]()
