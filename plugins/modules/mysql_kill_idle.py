#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mysql_kill_idle
short_description: End idle connections or long statements of MySQL or MariaDB, and nothing else
version_added: 1.0.0
author: FinAegis contributors (@FinAegis)
description:
  - Reads the server's connections, decides on each by a policy, the oldest first, ends the chosen ones, and looks whether they are gone.
  - Every criterion must hold (AND). What is excluded is never included. Replication, binary log readers, the event scheduler, accounts of
    the server and of cloud providers, threads of the server and this task's own connection are never ended, whatever is asked.
  - Each victim is looked at again right before its C(KILL) by id, user, host and port, the length of its rest and (MariaDB) its last
    statement. One whose id changed hands, that became active, or that opened a transaction in between is spared.
  - Without the right C(PROCESS) a server shows a user its own connections only and says nothing, and while something reads
    C(information_schema.innodb_trx) again within 0.1 s it shows an old list; then nothing is ended, and RV(verdict) is V(unknown).
options:
  mode:
    description:
      - V(idle) ends connections that sleep, with C(KILL).
      - V(long_running) ends statements with C(KILL QUERY); the connection and its transaction stay.
    type: str
    choices: [idle, long_running]
    default: idle
  idle_seconds:
    description: Seconds a connection must have slept (O(mode=idle)), at least 1.
    type: float
    default: 300.0
  query_seconds:
    description: Seconds a statement must have run (O(mode=long_running)), at least 1.
    type: float
    default: 300.0
  include_writes:
    description:
      - Whether O(mode=long_running) also ends statements that may write; ending one rolls it back, which can take longer than it ran.
        Only what surely reads counts as reading; C(SELECT ... FOR UPDATE), C(CALL) and what the server shows cut off do not.
    type: bool
    default: false
  users:
    description: Names or globs of users, with case; omitted, all. A backup's user must be named here without a glob to be included.
    type: list
    elements: str
    default: []
  exclude_users:
    description: Names or globs of users to spare; omitted, none.
    type: list
    elements: str
    default: []
  hosts:
    description: Names, addresses or globs of the clients' hosts as the server shows them, without port; omitted, all.
    type: list
    elements: str
    default: []
  exclude_hosts:
    description: Names, addresses or globs of hosts to spare; omitted, none.
    type: list
    elements: str
    default: []
  databases:
    description: Names or globs of the selected database; omitted, all, also connections without one.
    type: list
    elements: str
    default: []
  exclude_databases:
    description: Names or globs of databases to spare; omitted, none.
    type: list
    elements: str
    default: []
  open_transactions:
    description:
      - What to do with idle connections in an open transaction, or holding C(LOCK TABLES) or C(GET_LOCK) where the server shows those.
      - V(skip) lists them in RV(protected); V(report) also makes a finding of each; V(kill) ends them, which rolls their changes back.
    type: str
    choices: [skip, report, kill]
    default: skip
  max_kills:
    description: Most connections to end. When the policy wants more, none is ended, the task fails and lists them.
    type: int
    default: 500
  only_above_percent:
    description: End something only when more than this percentage of C(max_connections) is in use; omitted, always.
    type: float
  until_percent:
    description: End only as many as bring the use down to this percentage of C(max_connections), the oldest first; omitted, all that match.
    type: float
  warning_percent:
    description: Above this percentage of C(max_connections) in use afterwards the finding C(connections) is a warning.
    type: float
    default: 80.0
  critical_percent:
    description: Above this percentage it is critical.
    type: float
    default: 95.0
  extra_port:
    description: MariaDB's C(extra_port) on O(login_host), tried when the server is full and has no slot in reserve; omitted, not tried.
    type: int
  admin_address:
    description: MySQL's C(admin_address), tried in the same case after O(extra_port); omitted, not tried.
    type: str
  admin_port:
    description: Port of O(admin_address).
    type: int
    default: 33062
  processlist_file:
    description:
      - Decide on a process list saved by O(snapshot_to) instead of on a server. Nothing is connected to and nothing ended;
        RV(victims) are those that the policy would have ended then.
    type: path
  snapshot_to:
    description:
      - File to save the process list to before anything is ended, readable by its owner only. Not written in check mode.
      - Omitted, none is saved.
      - It holds users, hosts and statements without their values.
    type: path
  wait_timeout:
    description: Seconds to wait for the ended connections to be gone; what is there after it is in RV(survived), a rollback in most cases.
    type: int
    default: 10
  wait_sleep:
    description: Seconds between two looks; the first are sooner, because idle connections mostly end at once.
    type: float
    default: 0.1
  fail_on:
    default: []
extends_documentation_fragment:
  - finaegis.runbook._mysql
  - finaegis.runbook._wait
  - finaegis.runbook._judgement
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.ACTIONGROUP_MYSQL
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
notes:
  - It needs PROCESS, and CONNECTION ADMIN (MariaDB 10.5.2 and later), CONNECTION_ADMIN (MySQL 8), or SUPER before those. On Amazon
    RDS and Aurora C(mysql.rds_kill) and C(mysql.rds_kill_query) are used.
  - Victims are looked at again 500 at a time, so between that look and the C(KILL) of the last of them milliseconds pass in
    which it could start a statement; RV(longest_window_ms) is how long that was. No server offers to check and end in one step.
  - A transaction that has not touched an InnoDB table yet is shown by no server. MariaDB shows C(LOCK TABLES) and C(GET_LOCK) only
    with its plugin C(metadata_lock_info); see RV(blind_spots).
  - A client of an ended connection notices at its next statement (2006, 2013). Laravel connects again outside of transactions.
"""

EXAMPLES = r"""
- name: See whom the policy would end, without ending anyone
  finaegis.runbook.mysql_kill_idle:
    config_file: ~/.my.cnf
    users: [finaegis]
    idle_seconds: 600
  check_mode: true

- name: At more than 90 % free connections down to 70 %, the oldest first, and keep the evidence
  finaegis.runbook.mysql_kill_idle:
    config_file: ~/.my.cnf
    users: [finaegis]
    only_above_percent: 90
    until_percent: 70
    extra_port: 3307
    snapshot_to: /var/log/runbook/processlist.json
    fail_on: [critical, unknown]

- name: End reports that have run for half an hour
  finaegis.runbook.mysql_kill_idle:
    config_file: ~/.my.cnf
    mode: long_running
    users: [reporting]
    query_seconds: 1800

- name: Review a policy on a saved process list
  finaegis.runbook.mysql_kill_idle:
    processlist_file: /var/log/runbook/processlist.json
    idle_seconds: 120
    until_percent: 60
"""

RETURN = r"""
connected_by:
  description: V(normal), V(reserved_slot) (a normal login, let in beyond the ordinary slots), V(extra_port), V(admin_address) or null.
  returned: success
  type: str
  sample: reserved_slot
ways_failed:
  description: The ways tried before, with their errors.
  returned: success
  type: list
  elements: dict
  sample: [{way: normal, error: Too many connections (error 1040).}]
server_version:
  description: What the server calls itself.
  returned: success
  type: str
  sample: 10.11.19-MariaDB-log
source:
  description: The table that the process list was read from.
  returned: success
  type: str
  sample: information_schema.processlist
candidates:
  description: How many connections match and may be ended.
  returned: success
  type: int
  sample: 2
victims:
  description: Those chosen to be ended, the oldest first. C(statement) has no values in it. C(seconds) is the time in the present state.
  returned: success, or when max_kills refused them
  type: list
  elements: dict
  sample:
    - {id: 4711, user: finaegis, host: "10.0.0.17:52814", database: finaegis, command: Sleep, seconds: 1841.2, state: '', statement: '',
       reads_only: false, query_id: 98123, program: null, transaction: null, locks: []}
reason:
  description: Why fewer are victims than candidates; empty when they are the same.
  returned: success
  type: str
  sample: until_percent is reached
killed:
  description: Victims that were told to end and were seen to be gone (O(mode=long_running), to have stopped). Empty in check mode.
  returned: success, or when the connection was lost between (then without having been seen)
  type: list
  elements: dict
  sample: []
survived:
  description: Victims that were told to end and were still there after O(wait_timeout), as they were seen last.
  returned: success
  type: list
  elements: dict
  sample: []
spared:
  description: Victims that were not ended after all, with C(reason); they had changed or ended by themselves, or the server refused.
  returned: success
  type: list
  elements: dict
  sample: []
protected:
  description:
    - Connections that match and are never ended, or not with these options, with C(reason).
    - C(transaction) tells the age, the rows changed, and under C(blocks) the connections that wait for it.
  returned: success
  type: list
  elements: dict
  sample:
    - {id: 4712, user: finaegis, host: "10.0.0.17:52815", database: finaegis, command: Sleep, seconds: 900.5, state: '', statement: '',
       reads_only: false, query_id: 98140, program: null, locks: [], reason: a transaction is open,
       transaction: {seconds: 905, rows_changed: 2, rows_locked: 3, blocks: [4720]}}
unmatched:
  description: How many other connections there are, by why the policy is not about them.
  returned: success
  type: dict
  sample: {idle for less than idle_seconds: 31, not idle: 4}
blind_spots:
  description: What this server does not show, in words.
  returned: success
  type: list
  elements: str
  sample: [holders of LOCK TABLES and GET_LOCK (the plugin metadata_lock_info is not loaded)]
longest_window_ms:
  description: Longest time between a victim's last look and its KILL.
  returned: success
  type: float
  sample: 9.4
threads_before:
  description: Connections in use when the list was read, and C(max_connections) as C(maximum).
  returned: success, or when max_kills refused
  type: dict
  sample: {connected: 148, running: 4, maximum: 151, percent: 98.0}
threads_after:
  description: The same afterwards.
  returned: success
  type: dict
  sample: {connected: 105, running: 3, maximum: 151, percent: 69.5}
snapshot_path:
  description: Where the process list was (check mode, would be) saved; null without O(snapshot_to).
  returned: success
  type: str
  sample: /var/log/runbook/processlist.json
verdict:
  description: The worst of RV(findings).
  returned: success
  type: str
  sample: ok
findings:
  description: The checks behind it, C(visibility) and C(connections); C(survivors), C(refused), C(open_transaction) if there are any.
  returned: success
  type: list
  elements: dict
  sample: [{check: connections, verdict: ok, observed: 69.5, threshold: 80.0, message: 105 of 151 connections are in use., advice: ''}]
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.core.thresholds import DATABASE_CONNECTIONS_PERCENT
from ansible_collections.finaegis.runbook.plugins.module_utils.core.verdict import Finding, explain
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import kill_idle

NAMES = ("users", "exclude_users", "hosts", "exclude_hosts", "databases", "exclude_databases")


def argument_spec() -> Dict[str, Dict[str, Any]]:
    warning, critical = DATABASE_CONNECTIONS_PERCENT
    return dict(
        options.mysql(),
        **options.wait(10, 0.1),
        **options.judgement(),
        **{name: {"type": "list", "elements": "str", "default": []} for name in NAMES},
        mode={"type": "str", "choices": ["idle", "long_running"], "default": "idle"},
        idle_seconds={"type": "float", "default": 300.0},
        query_seconds={"type": "float", "default": 300.0},
        include_writes={"type": "bool", "default": False},
        open_transactions={"type": "str", "choices": ["skip", "report", "kill"], "default": "skip"},
        max_kills={"type": "int", "default": 500},
        only_above_percent={"type": "float"},
        until_percent={"type": "float"},
        warning_percent={"type": "float", "default": float(warning)},
        critical_percent={"type": "float", "default": float(critical)},
        extra_port={"type": "int"},
        admin_address={"type": "str"},
        admin_port={"type": "int", "default": 33062},
        processlist_file={"type": "path"},
        snapshot_to={"type": "path"},
    )


def main() -> None:
    exclusive = [("processlist_file", "snapshot_to")]
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True, mutually_exclusive=exclusive)
    with guard(module):
        result = kill_idle.run(module.params, module.check_mode)
        if not module._diff:
            del result["diff"]
        if result["verdict"] == "unknown":
            module.warn(explain(Finding(**finding) for finding in result["findings"]))
        if result["verdict"] in module.params["fail_on"]:
            reasons = explain(Finding(**finding) for finding in result["findings"])
            module.fail_json(msg="The verdict is %s: %s" % (result["verdict"], reasons or "nothing is wrong"), **result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
