# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of module_utils.backup.restore_options.scratch().
    DOCUMENTATION = r"""
options:
  scratch_dir:
    description:
      - Directory below which the scratch server gets a private one (mode 0700), where this task runs. It is removed at the end.
      - What a killed task left there, a directory or a server, is removed by the next one.
    type: path
    default: /var/tmp
  scratch_server:
    description: Name or path of the server program; V(auto) takes C(mariadbd) or C(mysqld), whichever the backup is of.
    type: str
    default: auto
  scratch_memory_bytes:
    description: Bytes for the scratch server's buffer pool. Omitted, a quarter of the free memory, from 128 MiB to 4 GiB.
    type: int
"""
