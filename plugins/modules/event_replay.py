#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: event_replay
short_description: Build a read model again beside the live one, prove it, and swap it in only then
version_added: 1.0.0
description:
  - Replays stored events of spatie/laravel-event-sourcing to named projectors in a scratch database beside the live one. The application's
    own code runs, unchanged. Its projection tables are there as empty copies, all other tables as views, and its database user can only
    read live data, so a projector that writes to a table that was not named fails instead of writing to it.
  - Before the first event the application itself is asked where it is, under the very settings of the replay. Its cached configuration is
    bypassed; cache, queue, mail, broadcast, Redis and other database connections lead nowhere.
  - Then the rebuilt tables are compared with the live ones, row by row where checksums differ. Nothing live is changed without O(activate).
  - An interrupted replay is gone on with, exactly, also when its projectors add to what is there. With O(engine=driver) events are
    committed together with how far the replay got.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.actiongroup_mysql_redis_laravel
  - finaegis.runbook._mysql
  - finaegis.runbook._redis
  - finaegis.runbook._transport
  - finaegis.runbook._judgement
  - finaegis.runbook._event_replay
attributes:
  check_mode:
    support: full
    details:
      - Reports the events by class, the projectors and tables, and the time it would take by a sample. For the sample a second scratch
        database is made and removed; O(sample_events=0) leaves it out.
      - With O(activate) it reports a change, because only the rebuild can tell whether there is one.
  diff_mode:
    support: none
    details:
      - How the tables differ is in RV(drift), with samples, whether they are swapped or not.
  idempotent:
    support: full
    details:
      - Tables that are as the events say are not swapped. O(undo) and O(cleanup) do nothing where there is nothing to do.
options:
  fail_on:
    default: []
  login_db:
    description: The application's database. Its user here needs the rights to make databases, users and views, and to see all connections.
    required: true
  projectors:
    description:
      - Full class names of the projectors; a name the application does not know is answered with the nearest it knows.
      - Needed for a replay, so that none is replayed by omission. Put all projectors of a table into one task.
    type: list
    elements: str
    default: []
  projection_tables:
    description: The tables these projectors write to, needed for a replay. They must be InnoDB.
    type: list
    elements: str
    default: []
  stored_event_model:
    description: Class of the stored event model, for applications with several stores. Omitted, the application's configured one.
    type: str
  activate:
    description:
      - Whether to put the rebuilt tables in the place of the live ones when they differ. The last events are applied while writers are held
        off and the tables locked, and all tables are swapped by one statement.
      - Refused for tables with triggers and for those that foreign keys of other tables refer to.
    type: bool
    default: false
  writers:
    description:
      - How writers are held off for O(activate) and O(undo). V(stopped) expects that they are, and that the application is down.
      - V(maintenance) takes the application down and up again, which is enough only where it runs on one host or keeps its maintenance mode
        in a cache that all share.
    type: str
    choices: [stopped, maintenance]
    default: stopped
  queues:
    description:
      - The projectors' queues in Redis, run empty before a swap. Needed when one of O(projectors) is queued. Jobs are run by the
        application's own C(queue:work), since workers take none in maintenance.
    type: list
    elements: str
    default: []
  queue_prefix:
    description: Laravel's prefix of its keys in Redis, needed with O(queues).
    type: str
  max_blocked_seconds:
    description: The longest that writers may be held off. When it is over they are let go on and nothing is swapped.
    type: float
    default: 30.0
  undo:
    description: Put back the tables that the last activation replaced, instead of a replay.
    type: bool
    default: false
  undo_max_events:
    description: The most events that may have come since the activation; the old tables lack them. Past it O(undo) is refused.
    type: int
    default: 0
  cleanup:
    description: Remove the scratch database and the tables kept for O(undo), instead of a replay.
    type: bool
    default: false
notes:
  - What a projector does outside its databases (files, HTTP before Laravel 9) is not held back, and happens again when it is interrupted.
  - A schema named in a projector's SQL itself goes round the scratch database; as its user can only read, writing there fails.
  - Stores from which events were archived or deleted are refused.
seealso:
  - module: finaegis.runbook.event_store_verify
  - module: finaegis.runbook.maintenance_mode
  - module: finaegis.runbook.horizon_control
"""

EXAMPLES = r"""
- name: Prove the accounts, changing nothing
  finaegis.runbook.event_replay:
    app_dir: /var/www/finaegis
    login_user: replay_admin
    login_password: "{{ replay_admin_password }}"
    login_db: finaegis
    projectors: ['App\Projectors\AccountProjector', 'App\Projectors\TransactionProjector']
    projection_tables: [accounts, transactions]
    ignore_columns: {transactions: [id]}
    key_columns: {transactions: [event_id]}
    fail_on: [critical]

- name: Put the rebuilt tables in place
  finaegis.runbook.event_replay:
    app_dir: /var/www/finaegis
    login_db: finaegis
    projectors: ['App\Projectors\DailyTotalsProjector']
    projection_tables: [daily_totals]
    activate: true
    writers: maintenance
    queues: [events]
    queue_prefix: finaegis_database_

- name: Back to the tables from before
  finaegis.runbook.event_replay:
    app_dir: /var/www/finaegis
    login_db: finaegis
    undo: true
    writers: maintenance
"""

RETURN = r"""
store:
  description: The event table, with its database.
  returned: for a replay
  type: str
  sample: finaegis.stored_events
model:
  description: The stored event model that the application uses for it.
  returned: for a replay
  type: str
  sample: Spatie\EventSourcing\StoredEvents\Models\EloquentStoredEvent
projectors:
  description: The projectors, the event classes each handles, whether it has a C(resetState) and whether it is queued when live.
  returned: for a replay
  type: list
  elements: dict
  sample: [{name: 'App\Projectors\AccountProjector', events: ['App\Events\MoneyDeposited'], reset: true, queued: false}]
tables:
  description: The projection tables; with O(undo) those put back.
  returned: success
  type: list
  elements: str
  sample: [accounts]
upto:
  description: Id of the last event in the store that the replay covers.
  returned: for a replay
  type: int
  sample: 3398
classes:
  description: Events applied, or in check mode to be applied, by their name in C(event_class), as counted by SQL too.
  returned: for a replay
  type: dict
  sample: {'App\Events\MoneyDeposited': 2110}
events:
  description: The sum of RV(classes).
  returned: for a replay
  type: int
  sample: 3398
applied:
  description: Of these, the events that this task applied; the others were applied before it was interrupted.
  returned: for a replay
  type: int
  sample: 3398
resumed:
  description: Whether an earlier replay was, or in check mode would be, gone on with.
  returned: for a replay
  type: bool
  sample: false
chunks:
  description: Transactions committed, or runs of the package's command with O(engine=artisan).
  returned: for a replay
  type: int
  sample: 4
retried:
  description: Chunks that met a deadlock or the like and were applied again.
  returned: for a replay
  type: int
  sample: 0
skipped:
  description: Events at which a projector threw and the application's C(catch_exceptions) let it pass.
  returned: for a replay
  type: int
  sample: 0
memory_bytes:
  description: The most memory that one C(php) took.
  returned: for a replay
  type: int
  sample: 59244544
seconds:
  description: Seconds spent applying events.
  returned: for a replay
  type: float
  sample: 1.31
events_per_second:
  description: RV(applied) a second; null when nothing was applied.
  returned: for a replay
  type: float
  sample: 2578.0
expected_seconds:
  description: How long applying all events would take, by the sample; null without one.
  returned: for a replay
  type: float
  sample: 77.6
drift:
  description:
    - How each live table differs from the rebuilt one. Rows are C(missing) or C(extra) in the live table, or C(different) in both.
    - C(unsettled) rows changed while they were compared. C(beyond) counts rows that differ past the first thousand, not looked at again.
    - With O(strategy=in_place) it is what the replay changed; live are the rows from before, rebuilt those after.
    - The samples show the key and both sides, only the differing columns where a row is on both.
  returned: for a replay; empty in check mode
  type: list
  elements: dict
  sample:
    - table: accounts
      rows_live: 600
      rows_rebuilt: 600
      missing: 0
      extra: 0
      different: 1
      unsettled: 0
      beyond: 0
      samples: [{key: {uuid: 064c4f41-339c-494f-a57d-f249a8ae1b79}, live: [{balance: 364687}], rebuilt: [{balance: 364680}]}]
activation:
  description:
    - Whether the tables were swapped, up to which event, and how long writers were held off in all. C(steps) are seconds since the
      first act against writers, each when it was done.
  returned: with O(activate), not in check mode
  type: dict
  sample: {activated: true, upto: 3406, blocked_seconds: 1.75, rename_seconds: 0.024, steps: {locked: 0.4, swapped: 1.7}}
undone:
  description: Whether tables were put back.
  returned: with O(undo)
  type: bool
  sample: true
events_since:
  description: Events that came after the activation.
  returned: with O(undo)
  type: int
  sample: 0
blocked_seconds:
  description: Seconds that writers were held off.
  returned: with O(strategy=in_place), and with O(undo) when tables were put back
  type: float
  sample: 1.2
rename_seconds:
  description: Seconds that the statement took that swapped the tables.
  returned: with O(undo), when tables were put back
  type: float
  sample: 0.02
steps:
  description: Seconds since the first act against writers, by step.
  returned: with O(undo), when tables were put back
  type: dict
  sample: {writers_stopped: 0.4, locked: 0.9, swapped: 1.0, writers_back: 1.2}
removed:
  description: The databases that were, or in check mode would be, removed.
  returned: with O(cleanup)
  type: list
  elements: str
  sample: [finaegis_replay, finaegis_replaced]
stopped:
  description: What the program said when it stopped, such as C(event_id), C(error) and C(committed_to).
  returned: when the application stopped the replay
  type: dict
  sample: {stop: failed, error: Amount is negative, class: DomainException, event_id: 2500, committed_to: 2000}
verdict:
  description: The worst of the findings, C(ok), C(critical) or C(unknown); in check mode C(unknown).
  returned: for a replay
  type: str
  sample: ok
findings:
  description: One for each table, and one for skipped events or connections left open where there are any.
  returned: for a replay
  type: list
  elements: dict
  sample:
    - {check: "drift:accounts", verdict: ok, observed: 0, threshold: 0, message: All 600 rows are as the events say., advice: ""}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options, verdict
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.events import replay_options, replay_task


def argument_spec() -> Dict[str, Dict[str, Any]]:
    spec = {
        **options.mysql(),
        **options.redis(),
        **options.transport(),
        **options.judgement(),
        **replay_options.replay_spec(),
    }
    return {**spec, "login_db": {"type": "str", "required": True}}


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(),
        mutually_exclusive=[("activate", "undo", "cleanup")],
        required_together=[("replay_user", "replay_password")],
        supports_check_mode=True,
    )
    with guard(module):
        result = replay_task.run(module.params, module.check_mode)
        if result.get("verdict") in module.params["fail_on"] and not module.check_mode:
            reasons = verdict.explain(verdict.Finding(**one) for one in result["findings"])
            raise Failed("The verdict on the read model is %s: %s" % (result["verdict"], reasons), **result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
