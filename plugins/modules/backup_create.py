#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_create
short_description: Back up a database to a file that is complete or not there
version_added: 1.0.0
author: FinAegis contributors (@FinAegis)
description:
  - Dumps one MySQL or MariaDB database consistently, compresses it in the stream, and writes beside it a manifest (JSON) that proves it.
  - The file gets its name only after the dump program, the compressor and the text they made were all seen to be complete, and its
    manifest last. A dump without a manifest is not a backup. A failed, killed or disk-full run leaves no file that looks good; what a
    killed one left is removed by the next one.
  - Rows are counted in the same state that is dumped, which takes a global read lock for the moment in which the dump starts
    (O(lock_timeout_seconds)). The lock is never held while data are dumped.
  - The password reaches the dump program in an option file that exists in memory only, never as an argument.
options:
  database:
    description: Name of the database to back up, with its views, routines, triggers and events.
    type: str
    required: true
  dest:
    description:
      - Path of the file to make; its directory must exist. The manifest gets the same name with V(.manifest.json) after it.
      - When it is a directory, the file is named C(<database>-<UTC time>.sql) and the compression's ending.
      - Both files can be read by their owner only.
    type: path
    required: true
  compression:
    description: How to compress; the program V(zstd) or V(gzip) is needed where the task runs.
    type: str
    choices: [zstd, gzip, none]
    default: zstd
  compression_level:
    description: From 1 (fast) to 19 for V(zstd), to 9 for V(gzip). Omitted, 1 for V(zstd), which keeps up with a dump, and 6 for V(gzip).
    type: int
  dump_program:
    description:
      - Name on C(PATH) or path of the dump program; V(auto) takes C(mariadb-dump) or C(mysqldump), whichever belongs to the server.
      - It must be one of these two or a wrapper of the same options.
    type: str
    default: auto
  environment:
    description: Name of the environment the database belongs to, written to the manifest; omitted, none is.
    type: str
  overwrite:
    description: Whether to replace an existing O(dest). It is replaced only when the new backup is complete.
    type: bool
    default: false
  reuse:
    description:
      - Whether a backup at O(dest) of the same O(database) and O(environment) that matches its manifest is kept and nothing is done,
        whatever its age. For tasks that are run again after an interruption.
      - It reads the whole file to prove it.
    type: bool
    default: false
  min_free_bytes:
    description: Bytes to stay free on the disk of O(dest) after the backup, estimated from the size of the data; else it is refused.
    type: int
    default: 1073741824
  lock_timeout_seconds:
    description:
      - Longest time, in seconds, that writers are held up for the start of the dump, waiting for the lock included.
      - When the lock can't be had in it, or the user has no right to it (RELOAD), the dump goes on without and the manifest says
        that its row counts may differ. V(0) never locks.
    type: float
    default: 5.0
  timeout_seconds:
    description: Seconds after which the dump is ended and the task fails; V(0) is without limit.
    type: float
    default: 0.0
extends_documentation_fragment:
  - finaegis.runbook._mysql
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.ACTIONGROUP_MYSQL
attributes:
  check_mode:
    support: full
    details:
      - The plan holds the manifest without what only the dump can tell; these keys are null.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Every run makes a new backup, unless O(reuse=true) finds a proven one.
notes:
  - O(login_db) has no effect here; O(database) says what is dumped.
  - The user needs SELECT, SHOW VIEW, TRIGGER and EVENT on the database, the right to see routines, and RELOAD for consistent row
    counts. What a user may not see a dump leaves out without an error, so missing grants make the verdict V(unknown).
  - Tables whose engine has no transactions (MyISAM, Aria, MEMORY) are dumped, but not consistently; a finding names them.
  - A dump needs Linux and C(/proc) where the task runs.
"""

EXAMPLES = r"""
- name: Back up the bank before the maintenance
  finaegis.runbook.backup_create:
    login_user: backup
    login_password: "{{ vault_backup_password }}"
    database: finaegis
    environment: production
    dest: /var/backups/finaegis-before-v2.sql.zst
    reuse: true
  register: backup

- name: Go on only when nothing can be missing in it
  ansible.builtin.assert:
    that: backup.verdict == 'ok'
    fail_msg: "{{ backup.findings | selectattr('verdict', 'ne', 'ok') | map(attribute='message') | list }}"

- name: A nightly backup, named after the time, that leaves 20 GiB free
  finaegis.runbook.backup_create:
    config_file: /etc/mysql/backup.cnf
    database: finaegis
    dest: /var/backups/mysql/
    min_free_bytes: "{{ 20 * 1024 ** 3 }}"

- name: See what would be done, and whether it would fit
  finaegis.runbook.backup_create:
    config_file: /etc/mysql/backup.cnf
    database: finaegis
    dest: /var/backups/mysql/
  check_mode: true
"""

RETURN = r"""
path:
  description: The backup.
  returned: success
  type: str
  sample: /var/backups/finaegis-20260131T020000Z.sql.zst
manifest_path:
  description: The manifest beside it.
  returned: success
  type: str
  sample: /var/backups/finaegis-20260131T020000Z.sql.zst.manifest.json
manifest:
  description:
    - What the manifest says. C(position) is the place in the binary log that belongs to the dump; null with C(position_reason).
    - C(consistent) is whether every table's rows were counted in the state that was dumped, C(consistent) the same for one table.
  returned: success
  type: dict
  sample:
    format: 1
    engine: dump
    database: finaegis
    environment: production
    file: finaegis-20260131T020000Z.sql.zst
    compression: zstd
    sha256: 6d1ff1c1a9a5bb1a7b53bfd5d0b86a4ca7dd1b2c3e4f5a6b7c8d9e0f1a2b3c4d
    size_bytes: 140962304
    uncompressed_bytes: 492011520
    server: {flavor: mariadb, version: 10.11.19-MariaDB-log}
    program: mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
    started: '2026-01-31T02:00:00Z'
    finished: '2026-01-31T02:00:06Z'
    position: {file: binlog.000042, position: 73915, gtid: 0-1-2048}
    position_reason: ''
    lock: {held: true, seconds: 0.031, reason: ''}
    consistent: true
    tables:
      accounts: {rows: 12500, engine: InnoDB, consistent: true}
size_bytes:
  description: Size of the backup in bytes; null in check mode.
  returned: success
  type: int
  sample: 140962304
estimated_bytes:
  description: Size expected before the dump, from the size of the data; the real size when a backup was reused.
  returned: success
  type: int
  sample: 415236096
free_bytes:
  description: Bytes free on the disk of O(dest) before the backup.
  returned: success
  type: int
  sample: 84825604096
seconds:
  description: How long it all took.
  returned: success
  type: float
  sample: 5.871
throughput_bytes_per_second:
  description: Bytes of SQL text dumped a second; null when nothing was dumped.
  returned: success
  type: int
  sample: 83803700
removed_leftovers:
  description: Temporary files of killed runs in the directory of O(dest) that were (check mode, would be) removed.
  returned: success
  type: list
  elements: str
  sample: [/var/backups/.finaegis-20260130T020000Z.sql.zst.finaegis-partial-4711]
completed_leftovers:
  description: Backups whose run was killed between naming the dump and naming its manifest, and which are complete now.
  returned: success
  type: list
  elements: str
  sample: []
verdict:
  description: The worst of RV(findings).
  returned: success
  type: str
  sample: ok
findings:
  description: The checks behind the verdict, C(rights), C(engines), C(program), C(rows), C(position), or C(proof) of a reused backup.
  returned: success
  type: list
  elements: dict
  sample:
    - check: rows
      verdict: ok
      observed: true
      threshold: true
      message: The rows of every table were counted in the very state that was dumped.
      advice: ''
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import create
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return dict(
        options.mysql(),
        database={"type": "str", "required": True},
        dest={"type": "path", "required": True},
        compression={"type": "str", "choices": ["zstd", "gzip", "none"], "default": "zstd"},
        compression_level={"type": "int"},
        dump_program={"type": "str", "default": "auto"},
        environment={"type": "str"},
        overwrite={"type": "bool", "default": False},
        reuse={"type": "bool", "default": False},
        min_free_bytes={"type": "int", "default": 1073741824},
        lock_timeout_seconds={"type": "float", "default": 5.0},
        timeout_seconds={"type": "float", "default": 0.0},
    )


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = create.run(module.params, module.check_mode)
        if not module._diff:
            del result["diff"]
        module.exit_json(**result)


if __name__ == "__main__":
    main()
