#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mysql_health_info
short_description: How a MySQL or MariaDB server is, judged, and what could not be seen
version_added: 1.0.0
description:
  - Reads connections, open transactions, who blocks whom, replication, slow statements, tables and the buffer pool, and judges them.
  - Without a right the servers show less and say nothing. Here each section that could not be seen whole is a finding V(unknown), which
    names the right.
  - Statements are shown without the values in them.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.info_module
  - finaegis.runbook._attributes.actiongroup_mysql
  - finaegis.runbook._mysql
  - finaegis.runbook._judgement
options:
  gather:
    description:
      - What to look at. V(tables) reads about every table there is, which takes a while where there are tens of thousands.
      - V(statements), V(tables) and V(buffer_pool) are told and not judged.
    type: list
    elements: str
    choices: [connections, transactions, locks, replication, statements, tables, buffer_pool]
    default: [connections, transactions, locks, replication, statements, tables, buffer_pool]
  limit:
    description: The most entries of each list.
    type: int
    default: 10
  warning_percent:
    description: More connections in use than this percentage of C(max_connections) are a V(warning).
    type: float
    default: 80.0
  critical_percent:
    description:
      - More are V(critical). That so many were in use once, since the counters were last reset, is a V(warning).
    type: float
    default: 95.0
  transaction_warning_seconds:
    description: An open transaction older than this is a V(warning).
    type: float
    default: 300.0
  transaction_critical_seconds:
    description: An open transaction older than this is V(critical).
    type: float
    default: 3600.0
  lock_wait_warning_seconds:
    description: A connection that waits longer than this for a lock is a V(warning).
    type: float
    default: 10.0
  lock_wait_critical_seconds:
    description: A connection that waits longer than this for a lock is V(critical).
    type: float
    default: 60.0
  lag_warning_seconds:
    description: A replica more than this many seconds behind is a V(warning). One that does not run is V(critical).
    type: float
    default: 60.0
  lag_critical_seconds:
    description: A replica more than this many seconds behind is V(critical).
    type: float
    default: 600.0
  slow_seconds:
    description: Statements are slow that at least once took this many seconds.
    type: float
    default: 1.0
  slow_window_seconds:
    description:
      - Only statements that ran in the last this many seconds. C(performance_schema) still counts all their runs, since what
        RV(slow_statements) says; the slow log only those in this time.
    type: int
    default: 86400
  extra_port:
    description: MariaDB's C(extra_port) on O(login_host), tried when the server is full; omitted, it is not tried.
    type: int
  admin_address:
    description: MySQL's C(admin_address), tried when the server is full; omitted, it is not tried.
    type: str
  admin_port:
    description: Port of O(admin_address).
    type: int
    default: 33062
  fail_on:
    default: []
notes:
  - The limits of connections are the runbook's; it has none for transactions, locks and replication.
  - Rights for all of it are SELECT on all databases and on C(performance_schema) or C(mysql.slow_log), PROCESS, and REPLICA MONITOR
    (MariaDB) or REPLICATION CLIENT (MySQL).
  - MariaDB does not tell who holds a metadata lock. Then those who wait for it are shown under an entry with the id null.
seealso:
  - module: finaegis.runbook.mysql_kill_idle
  - module: finaegis.runbook.mysql_table_care
"""

EXAMPLES = r"""
- name: Is the database well
  finaegis.runbook.mysql_health_info:
    config_file: ~/.my.cnf
    fail_on: [critical, unknown]

- name: Who blocks whom, also when the server is full
  finaegis.runbook.mysql_health_info:
    config_file: ~/.my.cnf
    extra_port: 3307
    gather: [connections, transactions, locks]
  register: health

- name: Show it
  ansible.builtin.debug:
    var: health.lock_waits
"""

RETURN = r"""
verdict:
  description: The worst of RV(findings), V(ok), V(warning), V(unknown) or V(critical).
  returned: success, or when fail_on fails the task
  type: str
  sample: warning
findings:
  description: What was judged, each with C(check), C(verdict), C(observed), C(threshold), C(message) and C(advice).
  returned: success, or when fail_on fails the task
  type: list
  elements: dict
  sample:
    - check: connections
      verdict: warning
      observed: 86.1
      threshold: 80.0
      message: 130 of 151 connections are in use, 4 of them at work.
      advice: See who holds them with mysql_kill_idle in check mode, and end idle ones with it.
server_version:
  description: What the server calls itself.
  returned: success, or when fail_on fails the task
  type: str
  sample: 10.11.19-MariaDB-log
connected_by:
  description: The way in, V(normal), V(extra_port) or V(admin_address).
  returned: success, or when fail_on fails the task
  type: str
  sample: normal
connections:
  description:
    - In use now and at most, of C(maximum). C(refused) because the server was full and C(failed_logins) are counted since C(since).
    - C(peak_at) is null on MariaDB, which does not tell it.
  returned: when O(gather) contains V(connections)
  type: dict
  sample:
    used: 130
    running: 4
    maximum: 151
    percent: 86.1
    peak: 140
    peak_percent: 92.7
    peak_at: "2026-01-31T02:00:00Z"
    refused: 0
    failed_logins: 2
    since: "2026-01-01T00:00:00Z"
transactions:
  description:
    - Connections with an open transaction, the longest first, as M(finaegis.runbook.mysql_kill_idle) shows them. C(seconds) is the time in
      the present state.
  returned: when O(gather) contains V(transactions); null when they can't be seen
  type: list
  elements: dict
  sample:
    - id: 4712
      user: finaegis
      host: 192.0.2.17:52815
      database: finaegis
      command: Sleep
      seconds: 900.5
      state: ""
      statement: ""
      reads_only: false
      query_id: 98140
      program: null
      transaction: {seconds: 905, rows_changed: 2, rows_locked: 3, blocks: [4720]}
      locks: []
lock_waits:
  description:
    - Those who block others and do not wait themselves. Each has those who wait for it under C(blocks), which have theirs, and so on.
    - C(waits_for) says for what, empty for the first of a tree. C(seconds) is the time in the present state.
    - The id is null for a blocker that the server does not tell, 0 for a transaction that no connection owns any more.
  returned: when O(gather) contains V(locks); null when they can't be seen
  type: list
  elements: dict
  sample:
    - id: 4712
      user: finaegis
      host: 192.0.2.17:52815
      database: finaegis
      command: Sleep
      seconds: 900.5
      statement: ""
      transaction_seconds: 905
      waits_for: ""
      blocks:
        - id: 4720
          user: finaegis
          host: 192.0.2.17:52901
          database: finaegis
          command: Query
          seconds: 31.2
          statement: UPDATE accounts SET balance = ? WHERE id = ?
          transaction_seconds: 31
          waits_for: row of finaegis.accounts
          blocks: []
replication:
  description:
    - C(channels) are what the server replicates from others, none on a primary. C(receiving) and C(applying) are V(Yes) when they run.
  returned: when O(gather) contains V(replication); null when it can't be seen
  type: dict
  sample:
    read_only: true
    channels:
      - channel: ""
        source: 192.0.2.10
        receiving: "Yes"
        applying: "Yes"
        lag_seconds: 0
        error: ""
slow_statements:
  description:
    - Those that took the most time together. C(source) is V(performance_schema) or V(mysql.slow_log), C(since) when it began to count,
      C(why) what it does not have.
    - Without a source, C(source) is null and C(why) says the reason.
  returned: when O(gather) contains V(statements); null when they can't be seen
  type: dict
  sample:
    source: performance_schema
    since: "2026-01-01T00:00:00Z"
    why: ""
    statements:
      - statement: SELECT SUM ( `amount` ) FROM `transactions` WHERE `status` = ?
        database: finaegis
        times: 212
        total_seconds: 512.4
        longest_seconds: 4.2
        rows_examined: 190800000
        rows_sent: 212
        first_seen: "2026-01-02T00:00:00Z"
        last_seen: "2026-01-31T01:59:00Z"
tables:
  description:
    - How many there are, their bytes, and the bytes that OPTIMIZE could win back; the biggest and the most fragmented of them.
    - C(hidden) counts those in databases that the user may not see.
  returned: when O(gather) contains V(tables); null when the sizes of files can't be seen
  type: dict
  sample:
    count: 212
    bytes: 53687091200
    reclaimable_bytes: 1073741824
    hidden: 0
    biggest:
      - table: finaegis.stored_events
        engine: InnoDB
        bytes: 32212254720
        reclaimable_bytes: 0
        reclaimable_ratio: 0.0
    most_fragmented:
      - table: finaegis.jobs
        engine: InnoDB
        bytes: 2147483648
        reclaimable_bytes: 1073741824
        reclaimable_ratio: 0.5
buffer_pool:
  description:
    - InnoDB's cache. C(hit_percent) and C(waits_for_free_page) count since the server started; C(hit_percent) is null before the first
      read.
  returned: when O(gather) contains V(buffer_pool)
  type: dict
  sample: {bytes: 8589934592, used_percent: 93.2, dirty_percent: 1.4, hit_percent: 99.871, waits_for_free_page: 0}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.core.thresholds import DATABASE_CONNECTIONS_PERCENT
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import health
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.health_run import examine


def argument_spec() -> Dict[str, Dict[str, Any]]:
    warning, critical = DATABASE_CONNECTIONS_PERCENT
    return {
        **options.mysql(),
        **options.judgement(),
        "gather": {"type": "list", "elements": "str", "choices": health.SECTIONS, "default": health.SECTIONS},
        "limit": {"type": "int", "default": 10},
        "warning_percent": {"type": "float", "default": float(warning)},
        "critical_percent": {"type": "float", "default": float(critical)},
        "transaction_warning_seconds": {"type": "float", "default": 300.0},
        "transaction_critical_seconds": {"type": "float", "default": 3600.0},
        "lock_wait_warning_seconds": {"type": "float", "default": 10.0},
        "lock_wait_critical_seconds": {"type": "float", "default": 60.0},
        "lag_warning_seconds": {"type": "float", "default": 60.0},
        "lag_critical_seconds": {"type": "float", "default": 600.0},
        "slow_seconds": {"type": "float", "default": 1.0},
        "slow_window_seconds": {"type": "int", "default": 86400},
        "extra_port": {"type": "int"},
        "admin_address": {"type": "str"},
        "admin_port": {"type": "int", "default": 33062},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        module.exit_json(changed=False, **examine(module.params))


if __name__ == "__main__":
    main()
