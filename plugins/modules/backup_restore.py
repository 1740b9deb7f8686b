#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_restore
short_description: Restore a database from a backup, up to any moment, and prove it before saying so
version_added: 1.0.0
author: FinAegis contributors (@FinAegis)
description:
  - Restores a backup made by M(finaegis.runbook.backup_create) with the engine V(dump) or V(mydumper) into a database of a running server.
  - The whole backup is read and held to its checksums before anything is changed. After the restore every table, definition and event
    store is compared with the manifest, then event stores, ledgers and your own assertions are held to their rules. Only then it says done.
  - With O(until) the data are brought forward through archived binary logs, to the second.
  - While it is under way the database holds a table C(finaegis_restore_in_progress). A restore that fails leaves the database empty, and
    one that was killed is recognised by that table and started over.
options:
  target_database:
    description: Database to restore into. Omitted, that of the backup. It is made when it is missing.
    type: str
  overwrite:
    description: Whether a database that is not empty may be replaced; O(overwrite_database) must name it again.
    type: bool
    default: false
  overwrite_database:
    description: The name of the database that may be lost, again; only with O(overwrite).
    type: str
  until:
    description:
      - Up to when to bring the data forward. A time (ISO 8601; transactions at or after it are left out), a place
        (C(binlog.000042:1234)), a transaction (GTID, itself included), or V(latest) for all that is archived.
      - It is seen before anything is changed whether the archive leads there without a gap.
      - Omitted, the data are those of the backup.
    type: str
  require_level:
    description:
      - Up to where the restored data must be proven. With V(L3) data that equal the backup are kept although they break rules of V(L4),
        which they then broke in the source too.
    type: str
    choices: [L3, L4]
    default: L4
  fast:
    description:
      - Whether commits may be loose meanwhile (C(innodb_flush_log_at_trx_commit), C(sync_binlog)), for all sessions of the server. The
        values of before are put back at the end, after an error too, and by the next run after a kill.
      - Where the user has no right to set them they stay.
    type: bool
    default: true
  scratch_dir:
    description: Directory below which a private one holds binary logs and the files of mydumper meanwhile, where this task runs.
    type: path
    default: /var/tmp
  progress_file:
    description: File, where this task runs, in which rows, tables and the seconds left are kept up to date as JSON. Omitted, none.
    type: path
  scenario:
    description: Row of the runbook's table of objectives to judge the time by.
    type: str
    choices: [complete_outage, database_failure, application_failure, region_failure]
    default: database_failure
  rto_seconds:
    description: Objective for the time to recover. Omitted, that of O(scenario).
    type: float
  rpo_seconds:
    description: Objective for the loss of data in seconds. Omitted, that of O(scenario).
    type: float
  loss_at:
    description: Time of the disaster, ISO 8601, from which the loss of data is counted back. Omitted, now.
    type: str
extends_documentation_fragment:
  - finaegis.runbook._backup_read
  - finaegis.runbook._backup_checks
  - finaegis.runbook._mysql
  - finaegis.runbook._s3
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.ACTIONGROUP_MYSQL_S3
attributes:
  check_mode:
    support: full
    details:
      - Reads and proves the whole backup, looks at the target and the archive, and refuses what a real run would refuse. Changes nothing.
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - A second run finds the database full, and refuses.
notes:
  - The user needs all rights on the database and CREATE for it, and SUPER, BINLOG ADMIN or SYSTEM_VARIABLES_ADMIN for O(fast).
  - What is restored goes to the server's own binary log, so its replicas get it too.
  - Backups of the engine V(physical) are whole servers; they are refused here.
"""

EXAMPLES = r"""
- name: Bring the bank back as it was just before the accident
  finaegis.runbook.backup_restore:
    login_host: new-db.internal
    login_user: restore
    login_password: "{{ vault_restore_password }}"
    src: s3://finaegis-backups/production/
    database: finaegis
    environment: production
    until: '2026-01-31T11:58:00Z'

- name: Look at last night's data beside the live ones
  finaegis.runbook.backup_restore:
    config_file: ~/.my.cnf
    src: /var/backups/finaegis-20260131T020000Z.sql.zst
    target_database: finaegis_last_night

- name: Replace what is there, knowingly
  finaegis.runbook.backup_restore:
    config_file: ~/.my.cnf
    src: /var/backups/
    database: finaegis
    overwrite: true
    overwrite_database: finaegis
"""

RETURN = r"""
backup:
  description: The backup that was restored.
  returned: success
  type: str
  sample: s3://finaegis-backups/production/finaegis-20260131T020000Z.sql.zst
target_database:
  description: Where it is now.
  returned: success
  type: str
  sample: finaegis
before:
  description: What was there, V(missing), V(empty), V(unfinished) (a killed restore) or V(full).
  returned: success
  type: str
  sample: empty
level:
  description: How far it is proven; V(L1) in check mode.
  returned: success or failure after the look at the backup
  type: str
  sample: L4
replayed:
  description: What was replayed with O(until); null otherwise.
  returned: success
  type: dict
  sample: {method: client, to: 'binlog.000043:8812', transactions: 412, last_event: '2026-01-31T11:57:58Z', seconds: 9.4}
restored_to:
  description: Time of the last transaction that is in the data, or of the backup.
  returned: success
  type: str
  sample: '2026-01-31T11:57:58Z'
rto:
  description: Measured seconds by phase and in all, and the objective.
  returned: success
  type: dict
  sample: {phases: {find: 0.2, read: 4.1, restore: 41.3, compare: 9.1, replay: 9.4, invariants: 6.0}, seconds: 70.3, objective: 7200}
rpo:
  description: What is lost, from C(to), up to when the data are there, to C(loss_at), and the objective.
  returned: success
  type: dict
  sample: {to: '2026-01-31T11:58:20Z', by: binlog, reason: '', loss_at: '2026-01-31T12:00:00Z', seconds: 100, objective: 900,
    last_event: '2026-01-31T11:58:11Z', last_event_seconds: 109.0}
gib_per_minute:
  description: GiB of SQL text loaded a minute; null in check mode.
  returned: success
  type: float
  sample: 2.31
verdict:
  description: The worst of RV(findings).
  returned: success or failure after the look at the backup
  type: str
  sample: ok
findings:
  description: One for each level, C(replay), C(rpo), C(rto), and C(unfinished) when a killed restore was found.
  returned: success or failure after the look at the backup
  type: list
  elements: dict
  sample:
    - {check: L3, verdict: ok, observed: [], threshold: [], message: The backup is equal to what it was taken from., advice: ''}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import restore_options, restore_run
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options, thresholds
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.events.restored import event_rules


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **restore_options.backup_read(),
        **restore_options.backup_checks(),
        **options.mysql(),
        **options.s3(),
        "target_database": {"type": "str"},
        "overwrite": {"type": "bool", "default": False},
        "overwrite_database": {"type": "str"},
        "until": {"type": "str"},
        "require_level": {"type": "str", "choices": ["L3", "L4"], "default": "L4"},
        "fast": {"type": "bool", "default": True},
        "scratch_dir": {"type": "path", "default": "/var/tmp"},
        "progress_file": {"type": "path"},
        "scenario": {"type": "str", "choices": list(thresholds.RECOVERY_SECONDS), "default": "database_failure"},
        "rto_seconds": {"type": "float"},
        "rpo_seconds": {"type": "float"},
        "loss_at": {"type": "str"},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = restore_run.run(module.params, module.check_mode, event_rules(module.params["events"]))
        diff = result.pop("diff")
        if module._diff:
            result["diff"] = diff
        module.exit_json(**result)


if __name__ == "__main__":
    main()
