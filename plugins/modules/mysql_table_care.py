#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mysql_table_care
short_description: Analyze, optimize and check tables of MySQL or MariaDB without stopping the site
version_added: 1.0.0
description:
  - Runs C(ANALYZE TABLE), C(OPTIMIZE TABLE) and C(CHECK TABLE), one table at a time, and judges every row that the server
    answers. The server reports failures of these as rows and no client exits with an error because of them.
  - Says beforehand which tables would be rebuilt, which of these rebuilds would block the application, and how much disk they
    need. Run it with check mode to see that alone.
  - C(OPTIMIZE) needs the table for itself for a moment. Behind one idle transaction that moment does not come, and every other
    statement on the table queues. So nothing is done at all while an old transaction is open.
  - Tables are optimized only where space can be won back, so a second run rebuilds nothing. What InnoDB keeps free for itself
    (8 extents for each file) is not counted.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.actiongroup_mysql
  - finaegis.runbook._mysql
attributes:
  check_mode:
    support: full
    details:
      - Refuses what a real run would refuse. What would be done has the outcome V(planned).
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Tables that were optimized do not count as fragmented again. V(analyze) refreshes the statistics on each run, and so
        reports a change.
options:
  database:
    description: Database (schema) whose tables are meant.
    type: str
    required: true
  tables:
    description:
      - Names of tables, compared exactly. One that is not there fails the task before anything is done.
      - Omitted together with O(patterns), all base tables of O(database) are meant.
    type: list
    elements: str
    default: []
  patterns:
    description:
      - Names of tables with V(*), V(?) and V([...]) as in a shell; each table that fits one of them, or stands in O(tables),
        is meant. Views are only meant by name.
    type: list
    elements: str
    default: []
  operations:
    description:
      - What to do; on one table always in the order V(check), V(optimize), V(analyze). A table whose check fails is left alone.
      - An optimized InnoDB table is analyzed by that already.
    type: list
    elements: str
    choices: [analyze, optimize, check]
    required: true
  min_free_ratio:
    description:
      - Optimize a table only when at least this part of its size, from V(0) to V(1), can be won back, and O(min_free_bytes) too.
      - With both V(0) every table meant is rebuilt on every run.
    type: float
    default: 0.2
  min_free_bytes:
    description: Optimize a table only when at least so many bytes can be won back, and O(min_free_ratio) too.
    type: int
    default: 67108864
  allow_blocking:
    description:
      - Whether to optimize tables whose rebuild blocks writes or everything while it runs, such as those with FULLTEXT indexes.
        V(false) skips them and says so.
    type: bool
    default: false
  max_transaction_seconds:
    description:
      - Refuse to optimize while a transaction is open that is older than this many seconds. It is looked at again before
        each rebuild; then only what is left is skipped.
      - A transaction that holds none of the tables counts too, because a backup's snapshot fails at a table that was rebuilt
        meanwhile. Who holds a table without
        a transaction (C(LOCK TABLES)) MySQL tells, MariaDB only with the plugin C(metadata_lock_info).
    type: int
    default: 60
  lock_wait_timeout:
    description:
      - Seconds to wait for other sessions' locks on a table before the operation fails. While it waits, other statements on the
        table wait too. At least V(1).
    type: int
    default: 5
  local:
    description:
      - Whether to keep the operations out of the binary log, so that they are done on this server alone. Needed on a replica.
      - MySQL 9 asks for the privilege C(OPTIMIZE_LOCAL_TABLE) then.
    type: bool
    default: false
  stop_after_seconds:
    description: Begin no further operation after this many seconds; what is left is skipped. Omitted, there is no such end.
    type: int
notes:
  - The user needs SELECT and INSERT on the tables for V(analyze) and V(optimize), and PROCESS for V(optimize).
  - A check reads the whole table.
seealso:
  - module: finaegis.runbook.mysql_kill_idle
"""

EXAMPLES = r"""
- name: Refresh the statistics of four tables
  finaegis.runbook.mysql_table_care:
    login_user: admin
    login_password: "{{ vault_mysql_password }}"
    database: finaegis
    tables: [accounts, transactions, ledger_entries, orders]
    operations: [analyze]

- name: See what is fragmented and what rebuilding it would take
  finaegis.runbook.mysql_table_care:
    config_file: ~/.my.cnf
    database: finaegis
    operations: [optimize]
  check_mode: true
  register: plan

- name: Rebuild what is, for at most an hour, on this replica alone
  finaegis.runbook.mysql_table_care:
    config_file: ~/.my.cnf
    database: finaegis
    patterns: ["*_events", "*_log"]
    operations: [check, optimize]
    local: true
    stop_after_seconds: 3600
"""

RETURN = r"""
tables:
  description: One entry for each operation on each table, in the order in which they were or would be done.
  returned: when a plan could be made
  type: list
  elements: dict
  contains:
    table:
      description: Its full name.
      type: str
    operation:
      description: V(analyze), V(optimize) or V(check).
      type: str
    outcome:
      description: V(ok), V(failed) or V(skipped); V(planned) in check mode and when the whole plan is refused.
      type: str
    reason:
      description: Why it failed or was skipped, or why its rebuild blocks; else empty.
      type: str
    rebuild:
      description: How it is rebuilt - V(online), V(blocks_writes) or V(blocks_all); null when it is not.
      type: str
    bytes_before:
      description: Size of the table's files before, in bytes; without the right to see them, of its pages.
      type: int
    bytes_after:
      description: The same, measured after a rebuild; else null.
      type: int
    free_bytes:
      description: Free bytes in it before.
      type: int
    reclaimable_bytes:
      description: Those of them that a rebuild can win back.
      type: int
    needed_bytes:
      description: Disk that its rebuild may need while it runs, in bytes; 0 without one.
      type: int
    seconds:
      description: How long it took, in seconds; null when it was not done.
      type: float
    messages:
      description: What the server answered, row by row.
      type: list
      elements: str
  sample:
    - table: finaegis.orders
      operation: optimize
      outcome: ok
      reason: ""
      rebuild: online
      bytes_before: 209715200
      bytes_after: 41943040
      free_bytes: 163577856
      reclaimable_bytes: 155189248
      needed_bytes: 180355072
      seconds: 2.7
      messages: ["note: Table does not support optimize, doing recreate + analyze instead", "status: OK"]
summary:
  description: How many entries of RV(tables) have which outcome.
  returned: when a plan could be made
  type: dict
  sample: {ok: 1, failed: 0, skipped: 3, planned: 0}
freed_bytes:
  description: Bytes that all rebuilds together gave back; 0 in check mode.
  returned: when a plan could be made
  type: int
  sample: 167772160
disk:
  description:
    - Where the data lies, and the bytes that are free there. C(free_bytes) is null, with the reason in C(why), unless the server
      is seen to run on the machine where the task runs.
  returned: when a plan could be made
  type: dict
  sample: {path: /var/lib/mysql/, free_bytes: 53687091200, why: ""}
blockers:
  description:
    - The connections because of which nothing was done, the longest open first, as M(finaegis.runbook.mysql_kill_idle) shows
      them. C(seconds_open) is how long the transaction, or without one the lock, is held. A transaction that no connection owns any
      more (XA) has the id 0.
  returned: when there are some
  type: list
  elements: dict
  sample:
    - id: 4711
      user: app
      host: 192.0.2.10:51312
      database: finaegis
      command: Sleep
      seconds: 5390.2
      state: ""
      statement: ""
      reads_only: false
      query_id: 98123
      program: null
      transaction: {seconds: 5400, rows_changed: 0, rows_locked: 0, blocks: []}
      locks: [TABLE SHARED_READ finaegis.orders]
      seconds_open: 5400
"""

import dataclasses
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import care, care_run
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.connection import login, server
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.login import resolve
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.tables_read import read_disk


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **options.mysql(),
        "database": {"type": "str", "required": True},
        "tables": {"type": "list", "elements": "str", "default": []},
        "patterns": {"type": "list", "elements": "str", "default": []},
        "operations": {
            "type": "list",
            "elements": "str",
            "choices": [care.ANALYZE, care.OPTIMIZE, care.CHECK],
            "required": True,
        },
        "min_free_ratio": {"type": "float", "default": 0.2},
        "min_free_bytes": {"type": "int", "default": 67108864},
        "allow_blocking": {"type": "bool", "default": False},
        "max_transaction_seconds": {"type": "int", "default": 60},
        "lock_wait_timeout": {"type": "int", "default": 5},
        "local": {"type": "bool", "default": False},
        "stop_after_seconds": {"type": "int"},
    }


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    policy = care.policy_of(params)
    to = resolve(params)
    with login(to) as connection:
        kind = server(connection)
        care_run.open_session(connection, kind, params["lock_wait_timeout"])
        plan, settings = care_run.prepare(
            connection, kind, params["database"], params["tables"], params["patterns"], policy
        )
        disk = read_disk(connection, to.is_local)
        rows = [row for unused, row in plan]
        extra = {"disk": dataclasses.asdict(disk)}
        try:
            care_run.refuse(connection, kind, rows, policy, settings, disk)
        except Refused as refusal:
            refusal.data = {**care.report(rows), **extra, **refusal.data, "changed": False}
            raise
        if not check_mode:
            care_run.apply(connection, kind, plan, policy, params["stop_after_seconds"])
    result = {**care.report(rows), **extra}
    failed = care.failures(rows)
    if failed:
        raise Failed(
            "%d of %d operations failed at %s: %s." % (len(failed), len(rows), to.place, "; ".join(failed)),
            "The others stand as the entries of tables say.",
            **result,
        )
    return {**result, "diff": care.diff(rows)}


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = run(module.params, module.check_mode)
        if not module._diff:
            del result["diff"]
        module.exit_json(**result)


if __name__ == "__main__":
    main()
