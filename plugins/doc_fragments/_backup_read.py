# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of module_utils.backup.restore_options.backup_read().
    DOCUMENTATION = r"""
options:
  src:
    description:
      - The backup, as a path or an C(s3://bucket/prefix/name) address. Its manifest lies beside it.
      - A directory, or an address that ends in C(/), stands for the newest backup in it of O(database) and O(environment).
    type: str
    required: true
  database:
    description: Name of the database that the backup must be of. Omitted, any will do, which a prefix with several databases seldom wants.
    type: str
  environment:
    description: Name of the environment that the backup must be of. Omitted, any will do.
    type: str
  proven:
    description: >-
      Whether the newest backup must be one that M(finaegis.runbook.backup_verify) has proven to V(L3) or more; others are
      passed over.
    type: bool
    default: false
  max_age_seconds:
    description:
      - The most seconds since the state in the backup was taken. The default is 25 hours, for a daily backup.
      - With V(0) any age will do; the day in the name must agree with the manifest all the same.
    type: int
    default: 90000
  age_identity:
    description: File with the age identity that opens the backup, where this task runs; needed for backups encrypted with age.
    type: path
  gpg_home:
    description: GnuPG's home directory with the secret key that opens the backup. Omitted, that of the user the task runs as.
    type: path
  streams:
    description: Connections that load rows, or read them to compare, at the same time, from 1 to 16.
    type: int
    default: 2
"""
