#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: event_archive
short_description: Move old events out of an event store into files or S3, or back, to the byte
version_added: 1.0.0
description:
  - Moves events of spatie/laravel-event-sourcing, all columns and ids, into compressed lines of JSON and deletes them from the table.
    V(restored) puts the very same rows back.
  - Only events that a snapshot makes unnecessary for loading their aggregate are moved, each aggregate judged by itself. What counts is
    the snapshot that the package uses, the one with the highest id. Its state must not be empty, because then every event is needed.
    The last event of an aggregate always stays, because saving the aggregate compares its version.
  - A line is an array of the values of all columns, as texts, in the order of the columns that the archive's C(catalogue.json) names.
  - Each file is written, to disk or to S3, and read back from there as a whole before anything is deleted. Then its events leave the
    table in small transactions. Each of these locks its events and compares them with what the file has; one that differs is left alone.
  - It may be killed anywhere. The next run removes files that were not finished and goes on with those that were. Of S3 it ends
    unfinished uploads when they are older than a day.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.actiongroup_mysql_s3
  - finaegis.runbook._mysql
  - finaegis.runbook._s3
  - finaegis.runbook._event_store
attributes:
  check_mode:
    support: full
    details:
      - Counts what would be moved and why the rest stays. For V(restored) every file is read and proven.
  diff_mode:
    support: full
    details:
      - Shows how many events are in the archive, before and after.
  idempotent:
    support: full
    details:
      - What is there already is not moved again. More events are old enough the next day.
options:
  state:
    description:
      - V(archived) moves events into O(dest), V(restored) moves all that O(dest) has of O(tables) back into the tables.
      - Restored files stay where they are; their events count as no longer archived.
    type: str
    choices: [archived, restored]
    default: archived
  dest:
    description:
      - Directory for the archives, where this task runs, or an address V(s3://bucket/prefix). The directory or bucket must be there;
        each table gets a directory or prefix of its own in it.
      - Copy a directory elsewhere. After the events were deleted it is the only place that has them, apart from backups.
    type: path
    required: true
  tables:
    description: Names of the event tables, which must be given here.
  older_than_days:
    description:
      - Move only events older than this many days. An event newer than a minute is never moved.
      - This or O(keep_latest) must be given for V(archived).
    type: float
  keep_latest:
    description: How many of the latest events of each aggregate stay whatever their age, at least 1. Omitted, 1. This is compacting.
    type: int
  max_events:
    description: When more events than this would be moved, nothing is done and the task fails. Omitted, there is no limit.
    type: int
  max_seconds:
    description: Seconds after which no new transaction is begun; the next run goes on. Omitted, there is no end.
    type: float
  stop_file:
    description: A file that stops the run when it appears, between two transactions. When it is there at the start, the task is refused.
    type: path
  replicas:
    description: Replicas to look at once a second while events are moved, with the user and password of this task. Omitted, none.
    type: list
    elements: dict
    default: []
    suboptions:
      login_host:
        description: Host of the replica.
        type: str
        required: true
      login_port:
        description: Port of the replica.
        type: int
        default: 3306
  max_lag_seconds:
    description: Pause while one of O(replicas) is further behind than this many seconds, or its replication stands still.
    type: float
    default: 5.0
  lag_timeout_seconds:
    description: Seconds of one pause after which the run ends early, as with O(max_seconds).
    type: float
    default: 600.0
  chunk_rows:
    description: Events in one transaction, from 10 to 10000. Other writers may wait for as long as one takes.
    type: int
    default: 1000
  segment_rows:
    description: Events in one file, from 100 to 200000. Three files at most are written again after a kill.
    type: int
    default: 10000
  compression_level:
    description: gzip's level, from 1 (fast) to 9 (small).
    type: int
    default: 3
  workers:
    description: Transactions at the same time, from 1 to 8, each on a connection of its own; two more plan and read.
    type: int
    default: 2
notes:
  - The user needs SELECT, INSERT and DELETE on the event table, SELECT on the snapshots, CREATE TEMPORARY TABLES in their database, and
    PROCESS to see whether a backup runs.
  - It is refused while a backup runs, on a read-only server, for a table without transactions, with a delete trigger or with foreign keys
    to it, and where the columns do not tell which snapshots are of a table and O(snapshots) does not say it. When a backup begins
    meanwhile, the run ends early.
  - A projection can't be replayed from a store whose events are archived. Restore them first.
  - After a run, M(finaegis.runbook.event_store_verify) with a checkpoint reports history as changed; verify once with C(restart=true).
seealso:
  - module: finaegis.runbook.event_store_info
  - module: finaegis.runbook.event_store_verify
"""

EXAMPLES = r"""
- name: What would be archived that is older than a year?
  finaegis.runbook.event_archive:
    login_db: finaegis
    tables: [transactions]
    snapshots: {transaction_snapshots: transactions}
    dest: /srv/archive
    older_than_days: 365
  check_mode: true
  register: plan

- name: Archive it, in the quiet hours only
  finaegis.runbook.event_archive:
    login_db: finaegis
    tables: [transactions]
    snapshots: {transaction_snapshots: transactions}
    dest: /srv/archive
    older_than_days: 365
    max_events: "{{ plan.tables[0].events }}"
    max_seconds: 14400
    stop_file: /run/finaegis.stop
    replicas:
      - login_host: replica.db.internal

- name: Archive it to S3
  finaegis.runbook.event_archive:
    login_db: finaegis
    tables: [transactions]
    snapshots: {transaction_snapshots: transactions}
    dest: s3://finaegis-archive/events
    region: eu-central-1
    older_than_days: 365

- name: Compact, keep the latest hundred events of each aggregate
  finaegis.runbook.event_archive:
    login_db: finaegis
    tables: [transactions]
    snapshots: {transaction_snapshots: transactions}
    dest: /srv/archive
    keep_latest: 100

- name: Put everything back
  finaegis.runbook.event_archive:
    login_db: finaegis
    tables: [transactions]
    dest: /srv/archive
    state: restored
"""

RETURN = r"""
tables:
  description:
    - Each table. C(aggregates) and C(events) are what the plan moves, C(moved) what was moved in this run; in check mode that is 0.
    - C(kept) says how many aggregates keep all their events, by the reason.
    - C(went_on) are events of files that an earlier run wrote and did not finish with; C(files) are those of the archive.
  returned: success, and when it failed after something was moved
  type: list
  elements: dict
  sample:
    - {schema: finaegis, table: transactions, snapshots: transaction_snapshots, archive: /srv/archive/finaegis.transactions,
      aggregates: 41, events: 620, kept: {empty_snapshot: 2, no_snapshot: 157}, went_on: 0, files: 1, moved: 620}
moved:
  description: Events that left the tables, or came back, in this run.
  returned: success
  type: int
  sample: 620
complete:
  description: Whether all that was to be moved was; C(false) when RV(stopped) says why not.
  returned: success
  type: bool
  sample: true
stopped:
  description: Why the run ended early, empty when it did not.
  returned: success
  type: str
  sample: ""
seconds:
  description: Seconds the run took.
  returned: success
  type: float
  sample: 12.4
paused_seconds:
  description: Seconds of these spent waiting for replicas.
  returned: success
  type: float
  sample: 0.0
events_per_second:
  description: Events moved a second; 0 in check mode.
  returned: success
  type: float
  sample: 38120.5
message:
  description: What happened, and why the rest stays, in sentences.
  returned: success
  type: str
  sample: 620 events were archived. 157 aggregates of finaegis.transactions keep all their events, they have no snapshot.
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.events import archive_task
from ansible_collections.finaegis.runbook.plugins.module_utils.events.options import event_store


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {**options.mysql(), **options.s3(), **event_store(), **archive_task.archive_spec()}


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = archive_task.run(module.params, module.check_mode)
        diff = result.pop("diff")
        if module._diff:
            result["diff"] = diff
        module.exit_json(**result)


if __name__ == "__main__":
    main()
