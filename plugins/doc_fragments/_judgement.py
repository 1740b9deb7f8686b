# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of core.options.judgement(); the module documents its own default of fail_on.
    DOCUMENTATION = r"""
options:
  fail_on:
    description: The verdicts that fail the task; an empty list never fails it because of a verdict.
    type: list
    elements: str
    choices: [ok, warning, critical, unknown]
"""
