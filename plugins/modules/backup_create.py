#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_create
short_description: Back up a database to a file or to S3, complete or not there
version_added: 1.0.0
author: FinAegis contributors (@FinAegis)
description:
  - Backs up one MySQL or MariaDB database (with O(engine=physical) the whole server), compresses and encrypts it in the stream, and
    writes beside it a manifest (JSON) of what is in it.
  - The backup gets its name only when all programs and what they made were seen to be complete, and its manifest last. A backup
    without a manifest is none. A failed, killed or disk-full run leaves nothing that looks good; what a killed one left is removed by
    the next one.
  - The manifest holds rows and a checksum per table, the highest id and a chain of hashes per event store, a hash per table, view,
    trigger, routine and event, and the place in the binary log, all read in the very state that is in the backup. That takes a global
    read lock for the moment in which the backup starts (O(lock_timeout_seconds)), never while data are read.
  - The password reaches the programs in an option file that exists in memory only, never as an argument.
options:
  database:
    description: Name of the database to back up, with its views, routines, triggers and events.
    type: str
    required: true
  dest:
    description:
      - Path of the file to make, or an address V(s3://bucket/prefix/name). The manifest gets the same name with V(.manifest.json).
      - When it is a directory or ends in V(/), the name is C(<database>-<UTC time>) with the endings of engine, compression and encryption.
      - The directory or bucket must exist. Files can be read by their owner only. To S3 the data go as they come, without a copy here.
    type: path
    required: true
  engine:
    description: How to take it.
    type: str
    choices:
      dump: One stream of SQL by C(mariadb-dump) or C(mysqldump), for servers anywhere; loaded by anything.
      mydumper: SQL read by O(threads) sessions at once by C(mydumper), as a tar archive; faster than V(dump) on more than one core.
      physical: >-
        The files of the whole server, all databases, by C(mariadb-backup) (MySQL: C(xtrabackup)), fastest to take and to restore. Only
        on the server's own host, and only into a server of the same version.
    default: dump
  program:
    description:
      - Name on C(PATH) or path of the engine's program; V(auto) takes the one that belongs to the server.
      - It must be the engine's own program or a wrapper of the same options.
    type: str
    default: auto
  threads:
    description: How many sessions read tables at once, for the manifest, and with V(mydumper) and V(physical) for the backup as well.
    type: int
    default: 2
  compression:
    description: How to compress; the program V(zstd) or V(gzip) is needed where the task runs.
    type: str
    choices: [zstd, gzip, none]
    default: zstd
  compression_level:
    description: From 1 (fast) to 19 for V(zstd), to 9 for V(gzip). Omitted, 1 for V(zstd), which keeps up with a dump, and 6 for V(gzip).
    type: int
  encrypt_to:
    description:
      - File with the public keys to encrypt to, of age (C(age1...)), of SSH, or of GnuPG (armored); C(age) or C(gpg) is needed then.
      - A file with a secret key is refused, because a host that makes backups must not be able to read them. The manifest is not
        encrypted; it holds names, numbers and hashes.
      - Omitted, nothing is encrypted.
    type: path
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
      - It reads the whole backup to prove it.
    type: bool
    default: false
  keep_last:
    description:
      - How many of the newest backups of the same O(database) and O(environment) beside O(dest) to keep, this one included; older ones
        are removed after this one is complete, unless O(keep_days) keeps them.
      - The newest one, and the newest one that a verification restored and found equal, are never removed.
      - Omitted together with O(keep_days), nothing is removed.
    type: int
  keep_days:
    description: Age in days up to which backups are kept, in addition to O(keep_last); omitted, only O(keep_last) counts.
    type: float
  spool_dir:
    description:
      - Directory for the files that V(mydumper) writes before they go into the stream, at most a few hundred MiB at a time.
      - Omitted, the directory of O(dest), for S3 the system's temporary directory.
    type: path
  min_free_bytes:
    description:
      - Bytes to stay free on the disk of O(dest) after the backup, estimated from the size of the data; else it is refused. Not for S3.
    type: int
    default: 1073741824
  lock_timeout_seconds:
    description:
      - Longest time, in seconds, that writers are held up for the start of the backup, waiting for the lock included.
      - When the lock can't be had in it, or the user has no right to it (RELOAD), the backup goes on without. Then the manifest is
        consistent only if the places in the binary log show that nobody wrote in between. V(0) never locks.
      - V(physical) takes a lock of its own, at its end.
    type: float
    default: 5.0
  timeout_seconds:
    description: Seconds after which the backup is ended and the task fails; V(0) is without limit.
    type: float
    default: 0.0
extends_documentation_fragment:
  - finaegis.runbook._mysql
  - finaegis.runbook._s3
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.ACTIONGROUP_MYSQL_S3
attributes:
  check_mode:
    support: full
    details:
      - The plan holds the manifest without what only the backup can tell; these keys are null or empty.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Every run makes a new backup, unless O(reuse=true) finds a proven one.
notes:
  - O(login_db) has no effect here; O(database) says what is backed up.
  - The user needs SELECT, SHOW VIEW, TRIGGER and EVENT on the database, the right to see routines, and RELOAD for the lock; for
    V(physical) also PROCESS and the rights that the manual of C(mariadb-backup) names. What a user may not see a dump leaves out
    without an error, so missing grants make the verdict V(unknown).
  - Tables whose engine has no transactions (MyISAM, Aria, MEMORY) are in the backup, but not consistently; a finding names them.
  - The manifest reads every row once more on the server, which takes about as long as a dump on one core.
  - It needs Linux and C(/proc) where the task runs.
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

- name: A nightly backup to S3 that this host can't decrypt, two weeks of them
  finaegis.runbook.backup_create:
    config_file: /etc/mysql/backup.cnf
    database: finaegis
    environment: production
    dest: s3://finaegis-backups/production/
    region: eu-central-1
    encrypt_to: /etc/finaegis/backup.pub
    keep_days: 14
    keep_last: 3

- name: A copy of the whole server, on its own host
  finaegis.runbook.backup_create:
    config_file: /etc/mysql/backup.cnf
    database: finaegis
    engine: physical
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
    - What the manifest says. C(consistent) is whether C(tables), C(event_stores), C(objects) and C(position) were read in the state that
      is in the backup, else C(consistent_reason); C(position) is null with C(position_reason).
  returned: success
  type: dict
  sample:
    format: 1
    engine: dump
    database: finaegis
    environment: production
    file: finaegis-20260131T020000Z.sql.zst
    compression: zstd
    encryption: null
    parts:
      - file: finaegis-20260131T020000Z.sql.zst
        role: whole
        sha256: 6d1ff1c1a9a5bb1a7b53bfd5d0b86a4ca7dd1b2c3e4f5a6b7c8d9e0f1a2b3c4d
        size_bytes: 140962304
        uncompressed_bytes: 492011520
    size_bytes: 140962304
    uncompressed_bytes: 492011520
    server: {flavor: mariadb, version: 10.11.19-MariaDB-log}
    program: mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
    started: '2026-01-31T02:00:00Z'
    taken: '2026-01-31T02:00:00Z'
    finished: '2026-01-31T02:00:06Z'
    position: {file: binlog.000042, position: 73915, gtid: 0-1-2048}
    position_reason: ''
    lock: {held: true, seconds: 0.031, reason: ''}
    consistent: true
    consistent_reason: ''
    checksum_method: sha256-crc32-1
    tables:
      accounts: {rows: 12500, checksum: 9b8d63a7b17, engine: InnoDB, consistent: true}
    event_stores:
      stored_events: {highest_id: 750000, rows: 750000, block: 100000, chain: 0e3d0df096aaf48484acd955578073a6}
    objects:
      table:accounts: 30e1724484f6baa93a181a3b3c950215c1374df4bfeb31dc9e8ba2d61f70b942
size_bytes:
  description: Size of the backup in bytes; null in check mode.
  returned: success
  type: int
  sample: 140962304
estimated_bytes:
  description: Size expected before the backup, from the size of the data; the real size when a backup was reused.
  returned: success
  type: int
  sample: 415236096
free_bytes:
  description: Bytes free on the disk of O(dest) before the backup; null for S3.
  returned: success
  type: int
  sample: 84825604096
seconds:
  description: How long it all took.
  returned: success
  type: float
  sample: 5.871
throughput_bytes_per_second:
  description: Bytes backed up a second, before compression; null when nothing was.
  returned: success
  type: int
  sample: 83803700
removed_leftovers:
  description:
    - Temporary files of killed runs beside O(dest), or in S3 their unfinished uploads older than a day, that were (check mode, would
      be) removed.
  returned: success
  type: list
  elements: str
  sample: [/var/backups/.finaegis-20260130T020000Z.sql.zst.finaegis-partial-4711]
removed:
  description: Old backups, and archived binary logs that only they needed, that were (check mode, would be) removed.
  returned: success
  type: list
  elements: str
  sample: [/var/backups/finaegis-20260117T020000Z.sql.zst]
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
  description:
    - The checks behind the verdict, C(rights), C(engines), C(program), C(contents), C(position), C(storage) (whether S3 has the same
      checksum), or C(proof) of a reused backup.
  returned: success
  type: list
  elements: dict
  sample:
    - check: contents
      verdict: ok
      observed: true
      threshold: true
      message: The manifest was read in the very state that is in the backup.
      advice: ''
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import create
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return dict(
        {**options.mysql(), **options.s3()},
        database={"type": "str", "required": True},
        dest={"type": "path", "required": True},
        engine={"type": "str", "choices": ["dump", "mydumper", "physical"], "default": "dump"},
        program={"type": "str", "default": "auto"},
        threads={"type": "int", "default": 2},
        compression={"type": "str", "choices": ["zstd", "gzip", "none"], "default": "zstd"},
        compression_level={"type": "int"},
        encrypt_to={"type": "path"},
        environment={"type": "str"},
        overwrite={"type": "bool", "default": False},
        reuse={"type": "bool", "default": False},
        keep_last={"type": "int"},
        keep_days={"type": "float"},
        spool_dir={"type": "path"},
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
