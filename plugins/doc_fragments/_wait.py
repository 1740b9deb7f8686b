# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of core.options.wait(); the module documents its own default of wait_timeout and wait_sleep.
    DOCUMENTATION = r"""
options:
  wait:
    description: Whether to wait until the effect is seen; V(false) returns what is seen at once.
    type: bool
    default: true
"""
