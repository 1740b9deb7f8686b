#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_verify
short_description: Prove a backup by restoring it, comparing it and measuring the promise
version_added: 1.0.0
author: FinAegis contributors (@FinAegis)
description:
  - Restores a backup into a scratch server that it starts itself and removes again, and proves it level by level. A name is never
    trusted, nor an exit code.
  - V(L0), it exists, whole, of the right day, database and environment. V(L1), it is intact by SHA-256, unpacks, and ends as a complete one
    does. V(L2), it loads without an error or a warning about rows.
  - V(L3), every table's rows and checksum, every definition and the chain of each event store equal the manifest, which was taken in the
    same snapshot as the data. V(L4), event stores, ledgers and your own assertions hold. V(L5), the application's own commands agree.
  - A level holds only when all below it do. After the first that does not, nothing more is looked at.
  - Measures how long it took from nothing to proven data (RTO) and how much would be lost (RPO), against the objectives of the runbook.
  - The result is kept as a proof record beside the backup.
options:
  require_level:
    description: The level that is demanded, and up to which the verification goes. With O(commands) it goes on to V(L5) from V(L4).
    type: str
    choices: [L0, L1, L2, L3, L4, L5]
    default: L4
  until:
    description:
      - Bring the restored data forward through the binary logs that M(finaegis.runbook.binlog_archive) keeps beside the backup, after V(L3)
        and before V(L4). Up to a time (ISO 8601; transactions at or after it are left out), a place (C(binlog.000042:1234)), a transaction
        (GTID, itself included), or V(latest) for all that is archived.
      - Omitted, the data stay as the backup has them.
    type: str
  target:
    description:
      - Where to restore. V(scratch) is a server of its own, reached through a socket in a private directory.
      - V(server) is the one that the C(login_*) options name; a new database is made there and dropped at the end.
    type: str
    choices: [scratch, server]
    default: scratch
  target_database:
    description: Name of the new database with O(target=server). Omitted, that of the backup with C(_verify) behind it.
    type: str
  commands:
    description:
      - Commands of the application that look at the restored data, for level L5, each of which must end with 0.
      - The database is given to them as C(DB_HOST), C(DB_SOCKET), C(DB_DATABASE), C(DB_USERNAME) and C(DB_PASSWORD); queue, cache, session,
        mail and broadcasts are set to what stays in the process. A command that never asks the restored database fails.
    type: list
    elements: dict
    default: []
    suboptions:
      argv:
        description: The program and its arguments, run without a shell.
        type: list
        elements: str
        required: true
      chdir:
        description: Directory to run it in. Omitted, that of the task.
        type: path
      expect:
        description: Regular expression that its output must hold. Omitted, any output will do.
        type: str
      environment:
        description: Further variables.
        type: dict
      timeout_seconds:
        description: Seconds after which it is ended and counts as failed.
        type: int
        default: 600
  scenario:
    description: Row of the runbook's table of objectives to judge by.
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
  forecast_days:
    description: For how many days ahead to say how long a restore will take, at the growth that the backups beside this one show.
    type: int
    default: 90
  proof:
    description: Whether to write the proof record beside the backup.
    type: bool
    default: true
  fail_on:
    default: [critical, unknown]
extends_documentation_fragment:
  - finaegis.runbook._backup_read
  - finaegis.runbook._backup_checks
  - finaegis.runbook._scratch
  - finaegis.runbook._mysql
  - finaegis.runbook._s3
  - finaegis.runbook._judgement
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.ACTIONGROUP_MYSQL_S3
attributes:
  check_mode:
    support: full
    details:
      - Everything is verified; only the proof is not written.
  diff_mode:
    support: none
    details:
      - Nothing is changed but a proof added.
  idempotent:
    support: none
    details:
      - Every run restores again and adds a proof.
notes:
  - Needs a server program of the backup's kind and not older (C(mariadbd), C(mysqld)) where the task runs, unless O(target=server).
  - A plain dump without a manifest does not get beyond V(L0), because nothing says what it should be equal to.
  - An own C(scratch) server can't be reached from outside and runs no events; the C(login_*) options are not used with it.
"""

EXAMPLES = r"""
- name: Prove the newest backup of the bank, every night
  finaegis.runbook.backup_verify:
    src: s3://finaegis-backups/production/
    database: finaegis
    environment: production
    ledgers:
      - {table: journal_lines, debit_column: debit_amount, credit_column: credit_amount, group_columns: [currency]}
    assertions:
      - {name: no negative balances, query: SELECT COUNT(*) FROM accounts WHERE balance < 0, expected: 0}

- name: The monthly restoration test, with the application's own smoke test
  finaegis.runbook.backup_verify:
    src: /var/backups/finaegis-20260131T020000Z.sql.zst
    max_age_seconds: 0
    require_level: L5
    commands:
      - {argv: [php, artisan, 'bank:smoke'], chdir: /var/www/bank}
    scenario: complete_outage

- name: Only see that last night's file is there and intact
  finaegis.runbook.backup_verify:
    src: s3://finaegis-backups/production/
    database: finaegis
    require_level: L1
    fail_on: []
"""

RETURN = r"""
backup:
  description: The backup that was looked at; null when there is none.
  returned: success
  type: str
  sample: s3://finaegis-backups/production/finaegis-20260131T020000Z.sql.zst
manifest:
  description: Its manifest, see M(finaegis.runbook.backup_create); null when there is none.
  returned: success
  type: dict
  sample: {engine: dump, database: finaegis, environment: production, file: finaegis-20260131T020000Z.sql.zst}
level:
  description: How far it is proven, V(none) or V(L0) to V(L5).
  returned: success
  type: str
  sample: L4
replayed:
  description: What was replayed with O(until), up to which place and last transaction; null otherwise.
  returned: success
  type: dict
  sample: {method: replica, to: 'binlog.000043:8812', transactions: 412, last_event: '2026-01-31T11:58:11Z', seconds: 1.2}
server:
  description: The scratch server; empty when none was needed.
  returned: success
  type: str
  sample: mariadb 10.11.19
rto:
  description: Measured seconds, from nothing to proven data, by phase, and the objective. C(seconds) is null when it was not restored.
  returned: success
  type: dict
  sample: {phases: {find: 0.2, server: 2.7, restore: 41.3, compare: 9.1, invariants: 6.0}, seconds: 59.3, objective: 7200}
rpo:
  description:
    - What would be lost. C(to) is up to when data can be brought back, C(by) the C(backup) alone or the archived binary logs (C(binlog)),
      with a C(reason) where those do not help; C(seconds) from there to C(loss_at).
    - C(last_event) is the newest event in the restored data.
  returned: success
  type: dict
  sample: {to: '2026-01-31T11:58:20Z', by: binlog, reason: '', loss_at: '2026-01-31T12:00:00Z', seconds: 100, objective: 900,
    last_event: '2026-01-31T01:59:58Z', last_event_seconds: 36002.0}
gib_per_minute:
  description: GiB of SQL text restored a minute; null when it was not restored.
  returned: success
  type: float
  sample: 2.31
forecast:
  description: What a restore will take in O(forecast_days), at the growth of the backups here; nulls and a C(reason) where nobody can tell.
  returned: success
  type: dict
  sample: {days: 90, bytes_per_day: 52428800, rto_seconds: 310.2, exceeded_in_days: 4210, reason: ''}
proof:
  description: The proof record; null when none was written.
  returned: success
  type: str
  sample: s3://finaegis-backups/production/finaegis-20260131T020000Z.sql.zst.proof-20260131T030000Z.json
seconds:
  description: How long it all took.
  returned: success
  type: float
  sample: 61.2
verdict:
  description: The worst of RV(findings).
  returned: success
  type: str
  sample: ok
findings:
  description: One for each level that was looked at, then C(level) (what was demanded), C(rpo), C(rto) and C(forecast).
  returned: success
  type: list
  elements: dict
  sample:
    - {check: L3, verdict: critical, observed: ['table accounts rows: 12499 instead of 12500'], threshold: [],
       message: 'It is not proven that the backup is equal to what it was taken from: table accounts rows: 12499 instead of 12500.',
       advice: ''}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import restore_options, verify
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options, thresholds, verdict
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.events.restored import event_rules


def argument_spec() -> Dict[str, Dict[str, Any]]:
    command = {
        "argv": {"type": "list", "elements": "str", "required": True},
        "chdir": {"type": "path"},
        "expect": {"type": "str"},
        "environment": {"type": "dict"},
        "timeout_seconds": {"type": "int", "default": 600},
    }
    return {
        **restore_options.backup_read(),
        **restore_options.backup_checks(),
        **restore_options.scratch(),
        **options.mysql(),
        **options.s3(),
        **options.judgement("critical", "unknown"),
        "require_level": {"type": "str", "choices": ["L0", "L1", "L2", "L3", "L4", "L5"], "default": "L4"},
        "until": {"type": "str"},
        "target": {"type": "str", "choices": ["scratch", "server"], "default": "scratch"},
        "target_database": {"type": "str"},
        "commands": {"type": "list", "elements": "dict", "default": [], "options": command},
        "scenario": {"type": "str", "choices": list(thresholds.RECOVERY_SECONDS), "default": "database_failure"},
        "rto_seconds": {"type": "float"},
        "rpo_seconds": {"type": "float"},
        "loss_at": {"type": "str"},
        "forecast_days": {"type": "int", "default": 90},
        "proof": {"type": "bool", "default": True},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = verify.run(module.params, module.check_mode, event_rules(module.params["events"]))
        if result["verdict"] in module.params["fail_on"]:
            reasons = verdict.explain(verdict.Finding(**one) for one in result["findings"])
            raise Failed("The verdict on the backup is %s: %s" % (result["verdict"], reasons), **result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
