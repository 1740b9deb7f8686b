# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of core.options.transport().
    DOCUMENTATION = r"""
options:
  app_dir:
    description: Directory of the Laravel application, the one that holds C(artisan).
    type: path
    required: true
  php:
    description: The PHP program to run artisan with, a name on C(PATH) or a path.
    type: str
    default: php
  transport:
    description: How commands reach the application.
    type: dict
    default: {kind: local}
    suboptions:
      kind:
        description: V(local) runs them on the host of the task, as its (become) user.
        type: str
        choices: [local]
        default: local
"""
