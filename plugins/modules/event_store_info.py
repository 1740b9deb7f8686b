#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: event_store_info
short_description: See what event stores hold, how they grow and how far projections are behind
version_added: 1.0.0
description:
  - Finds the event and snapshot tables of spatie/laravel-event-sourcing by their columns, in one database or in those of all tenants, and
    tells what they hold.
  - Tells which aggregates have become slow to load because they have many events and no fresh snapshot.
  - The package keeps no position of a projector, so its lag is seen from three sides. Events that wait in the projectors' queues (Redis),
    events that failed there (the table of failed jobs, found by its columns), and marks that projections have themselves.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.info_module
  - finaegis.runbook._attributes.actiongroup_mysql_redis
  - finaegis.runbook._mysql
  - finaegis.runbook._redis
  - finaegis.runbook._event_store
  - finaegis.runbook._judgement
options:
  exact:
    description:
      - Whether to count. V(false) tells the server's own estimate of the rows and neither classes nor aggregates, for stores so large
        that reading an index takes minutes.
    type: bool
    default: true
  min_events:
    description: An aggregate is heavy when loading it takes more events than this, all of them or those behind its newest snapshot.
    type: int
    default: 100
  samples:
    description: The most heavy aggregates to list for each table, the heaviest first; at least 1.
    type: int
    default: 5
  queues:
    description:
      - Queues that the projectors' jobs are in, C(event-sourcing.queue) of the application and those its events choose.
      - Omitted, Redis is not asked. Queues in the database are not looked at.
    type: list
    elements: str
    default: []
  queue_prefix:
    description: What stands before C(queues:NAME) in Redis, such as C(finaegis_database_); needed with O(queues), may be empty.
    type: str
  queue_jobs_limit:
    description:
      - The most jobs of a queue to look into, of the ready, delayed and reserved ones each. What a queue holds beyond is counted as events
        in the verdict, and C(examined) of RV(queues) tells.
    type: int
    default: 1000
  job_classes:
    description: The jobs that run projectors, by class; one without a namespace fits in any.
    type: list
    elements: str
    default: [HandleStoredEventJob]
  projections:
    description: Projections that know themselves how far they are.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the projection in the results.
        type: str
        required: true
      event_table:
        description: The event table it is made of, in each of the databases that has it.
        type: str
        required: true
      query:
        description:
          - A query whose first value is the id of the last event applied, such as C(SELECT MAX(last_event_id) FROM accounts). NULL is none.
          - It is run in the database of the event table, in a session that can't write. An event left out before that mark is not seen.
        type: str
        required: true
      event_classes:
        description: The event classes it handles; later events of other classes are then not counted. Omitted, all are.
        type: list
        elements: str
        default: []
  waiting_warning:
    description: More events waiting in a queue are a V(warning).
    type: int
    default: 1000
  waiting_critical:
    description: More events waiting in a queue are V(critical).
    type: int
    default: 5000
  failed_warning:
    description: More failed events are a V(warning).
    type: int
    default: 0
  failed_critical:
    description: More failed events are V(critical).
    type: int
    default: 50
  lag_events_warning:
    description: More events behind are a V(warning) for a projection; omitted, none are.
    type: int
  lag_events_critical:
    description: More events behind are V(critical) for a projection; omitted, none are.
    type: int
  lag_seconds_warning:
    description: A first event not applied that is more seconds old is a V(warning) for a projection.
    type: int
    default: 60
  lag_seconds_critical:
    description: A first event not applied that is more seconds old is V(critical) for a projection.
    type: int
    default: 600
  heavy_warning:
    description: More heavy aggregates, over all tables, are a V(warning); omitted, none are.
    type: int
  heavy_critical:
    description: More heavy aggregates, over all tables, are V(critical); omitted, none are.
    type: int
  fail_on:
    default: []
seealso:
  - module: finaegis.runbook.event_store_verify
  - module: finaegis.runbook.horizon_status
"""

EXAMPLES = r"""
- name: See the event stores of the bank and of all tenants, and whether projections keep up
  finaegis.runbook.event_store_info:
    login_host: replica.db.internal
    login_user: auditor
    login_password: "{{ auditor_password }}"
    schemas: [finaegis, 'tenant*']
    redis_host: redis.internal
    redis_password: "{{ redis_password }}"
    queues: [events, transactions, ledger, transfers]
    queue_prefix: finaegis_database_
    projections:
      - name: accounts
        event_table: stored_events
        query: SELECT MAX(last_event_id) FROM accounts
  register: stores

- name: Name the aggregates that need a snapshot
  ansible.builtin.debug:
    msg: "{{ stores.tables | selectattr('kind', 'equalto', 'events') | map(attribute='heaviest') | flatten }}"
"""

RETURN = r"""
tables:
  description:
    - The event and snapshot tables, as C(kind) tells. C(rows) is the server's guess where C(estimated).
    - C(growth) is measured over the newest C(growth.events) events, at most 100000; C(per_day) is null when they are of one moment.
    - C(aggregates), C(heavy_aggregates) and C(classes) are null with O(exact=false). C(heaviest) are the first of the heavy ones.
  returned: success, or when the verdict fails the task
  type: list
  elements: dict
  sample:
    - schema: finaegis
      table: stored_events
      kind: events
      rows: 3398
      estimated: false
      first_id: 1
      last_id: 3398
      first_at: "2026-11-23T08:24:45Z"
      last_at: "2026-11-23T08:36:02Z"
      classes: {'App\Events\MoneyDeposited': 2215, 'App\Events\MoneyWithdrawn': 983, 'App\Events\AccountOpened': 200}
      aggregates: 200
      heavy_aggregates: 1
      heaviest: [{aggregate_uuid: 170b862c-c2c8-4e5d-90b9-610b8993debc, events: 141, version: 141, snapshot_version: 20}]
      growth: {events: 3398, per_day: 433560.1, days: {'2026-11-23': 3398}}
      snapshot_tables: [snapshots]
queues:
  description:
    - The queues asked for, each at one moment. C(events) are the projectors' jobs among the C(examined) ones, by class of event in
      C(classes); C(oldest_seconds) tells how long the oldest of these has been there.
  returned: success, or when the verdict fails the task
  type: list
  elements: dict
  sample:
    - {queue: events, ready: 12, delayed: 0, reserved: 1, examined: 13, events: 13, classes: {'App\Events\MoneyDeposited': 13},
      oldest_seconds: 4.2}
failed_events:
  description: Failed jobs of projectors that were not retried, by queue and class of event.
  returned: success, or when the verdict fails the task
  type: list
  elements: dict
  sample:
    - {schema: finaegis, table: failed_jobs, queue: events, event_class: 'App\Events\MoneyDeposited', events: 3,
      first_at: "2026-11-23T08:24:45Z", last_at: "2026-11-23T08:36:02Z"}
projections:
  description:
    - How far each of O(projections) is behind, in events and in the age of the first that is not applied.
    - C(past_the_end) tells that the mark is of an event the store does not have.
  returned: success, or when the verdict fails the task
  type: list
  elements: dict
  sample:
    - {name: accounts, schema: finaegis, watermark: 3390, events: 8, seconds: 2, past_the_end: false}
verdict:
  description: The worst of the findings, C(ok), C(warning), C(critical) or C(unknown).
  returned: success, or when the verdict fails the task
  type: str
  sample: ok
findings:
  description: What was checked and seen.
  returned: success, or when the verdict fails the task
  type: list
  elements: dict
  sample:
    - {check: failed_events, verdict: warning, observed: 3, threshold: 0, message: '3 events failed.', advice: Mend the cause.}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options, verdict
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.events import info_task
from ansible_collections.finaegis.runbook.plugins.module_utils.events.options import event_store


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {**options.mysql(), **options.redis(), **event_store(), **options.judgement(), **info_task.info_spec()}


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = info_task.run(module.params)
        if result["verdict"] in module.params["fail_on"]:
            reasons = verdict.explain(verdict.Finding(**one) for one in result["findings"]) or "nothing is wrong"
            raise Failed("The verdict on the event stores is %s: %s" % (result["verdict"], reasons), **result)
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
