#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: event_store_verify
short_description: Prove that event stores are whole, and that history is what it was
version_added: 1.0.0
description:
  - Holds every event of spatie/laravel-event-sourcing to the rules its package relies on. Versions without gaps, duplicates or a wrong
    order, valid JSON, metadata that agrees with the columns, times in order, known classes, snapshots that fit their events.
  - Reads in ranges of a key, never with C(OFFSET). Each range is read in a read-only transaction of its own, so no transaction is longer
    than a range takes, and the memory needed does not grow with the store.
  - With O(checkpoint) an interrupted run is gone on with, and a later run verifies only the events that came since. What an earlier run
    found wrong stays in the verdict until O(restart=true).
  - Whether versions, snapshots, hashes and money are right depends on events of any age, so these are gone through as a whole each time.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.actiongroup_mysql
  - finaegis.runbook._mysql
  - finaegis.runbook._event_store
  - finaegis.runbook._judgement
attributes:
  check_mode:
    support: full
    details:
      - Everything is verified; only the checkpoint is not written.
  diff_mode:
    support: full
    details:
      - Shows how far the checkpoint reaches, before and after.
  idempotent:
    support: full
    details:
      - Nothing but the checkpoint is ever written, and that only when there were new events.
options:
  checks:
    description:
      - The rules to check, by the names in RV(findings). Omitted, all of them.
      - V(unknown_class) is checked when O(known_classes) is given, V(event_hash) when O(event_hashes) is, V(money) when O(money) is.
    type: list
    elements: str
    choices: [version_gap, duplicate_version, unique_index, half_aggregate, version_order, invalid_json, meta_uuid, meta_version,
      meta_stored_event_id, created_at_order, created_at_future, unknown_class, event_version, snapshot_ahead, snapshot_orphan,
      snapshot_order, snapshot_empty, snapshot_json, history, event_hash, money]
    default: []
  known_classes:
    description: Every event class the application has, as it stands in C(event_class), aliases of the class map included.
    type: list
    elements: str
    default: []
  tolerance_seconds:
    description: Seconds an event may be older than the one before it, or lie in the future, because clocks differ.
    type: int
    default: 60
  settle_seconds:
    description:
      - Seconds an event must be old to be verified. The package adds the id to the metadata after it has stored an event, and a transaction
        may be committed after one with a higher id. Younger ones are left for the next run.
      - A balance whose last event is younger is not judged by O(money).
    type: int
    default: 60
  checkpoint:
    description:
      - File to keep what was verified in, where this task runs. It need not exist yet, its directory must.
      - It is refused when it is of another store or was made with rules that do not cover those of this run.
      - Omitted, nothing is kept and each run begins at the beginning.
    type: path
  restart:
    description: Whether to verify from the beginning and replace what O(checkpoint) has of these tables, after a known repair or archive.
    type: bool
    default: false
  hash_chain:
    description:
      - Whether to keep a SHA-256 chain over all events in O(checkpoint), so that a later run notices any change to an old event.
      - Keep the checkpoint where those who can write to the database can't write, or keep C(chain_head) of RV(tables) elsewhere.
    type: bool
    default: false
  recheck:
    description:
      - Whether to look again at the events verified by earlier runs. Without O(hash_chain) they are counted, which shows events that are
        gone or came late; with it they are hashed.
      - V(false) looks only at the first and the last of them.
    type: bool
    default: true
  chunk_rows:
    description: Events in one range, from 100 to 100000.
    type: int
    default: 10000
  workers:
    description: Connections that read ranges at the same time, from 1 to 16; one more plans.
    type: int
    default: 2
  max_seconds:
    description: Seconds after which no new range is begun; the verdict is then V(unknown) unless worse. Omitted, there is no end.
    type: float
  max_lag_seconds:
    description:
      - Pause while the server, a replica, is further behind, or its replication stands still. Needs the right to see replication.
      - Omitted, replication is not looked at. A server that is no replica never pauses.
    type: float
  lag_timeout_seconds:
    description: Seconds of one pause after which the run ends early, as with O(max_seconds).
    type: float
    default: 600
  samples:
    description: The most places to show for each rule and table, at least 1.
    type: int
    default: 5
  event_hashes:
    description:
      - Hashes that the application chains through the events of an aggregate. Each is over the text of the one before it and the amount.
      - That is how FinAegis protects its transactions. Classes whose hash holds the time of writing can't be recomputed; leave them out.
    type: dict
    suboptions:
      event_classes:
        description: The event classes of the chain.
        type: list
        elements: str
        required: true
      hash:
        description: JSON path of the hash in the properties.
        type: str
        default: $.hash.hash
      amount:
        description: JSON path of the amount in the properties. An event without it counts as 0.
        type: str
        default: $.money.amount
      algorithm:
        description: The hash function. Old releases of FinAegis used SHA-256.
        type: str
        choices: [sha3-512, sha256]
        default: sha3-512
  money:
    description: Sums of events that must be equal to what a projection holds, for each aggregate.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the rule in messages.
        type: str
        required: true
      event_table:
        description: The event table, in each of the databases that has it.
        type: str
        required: true
      adds:
        description: Event classes that add money.
        type: list
        elements: dict
        default: []
        suboptions: &movement
          event_class:
            description: The class or alias in C(event_class).
            type: str
            required: true
          amount:
            description: JSON path of the amount in the properties; an event without a plain number there counts as wrong.
            type: str
            required: true
          group:
            description: JSON path of what balances are kept apart by, such as the currency, or a fixed text. Omitted, there is one balance.
            type: str
      subtracts:
        description: Event classes that take money away; the amount is positive.
        type: list
        elements: dict
        default: []
        suboptions: *movement
      projection_table:
        description: The table that holds the balances, in the same database.
        type: str
        required: true
      key_column:
        description: Its column with the aggregate's uuid; it should have an index.
        type: str
        required: true
      value_column:
        description: Its column with the balance; several rows of a key are added up.
        type: str
        required: true
      group_column:
        description: Its column with the group.
        type: str
      watermark_column:
        description: Its column with the id of the last event applied, where there is one; later events are then not counted.
        type: str
      scale:
        description: The events' amounts are divided by 10 to this power, V(2) for cents in events and whole units in the projection.
        type: int
        default: 0
  fail_on:
    default: [critical, unknown]
notes:
  - Run it on a replica where there is one. Reading a large table once displaces other pages from the server's memory.
  - With O(fail_on=[critical]) a nightly run with O(max_seconds) goes through a large store in pieces without failing.
  - Duplicates are looked for in the rows, also where the unique index is there.
seealso:
  - module: finaegis.runbook.event_store_info
"""

EXAMPLES = r"""
- name: Verify every event table of the bank and of all tenants
  finaegis.runbook.event_store_verify:
    login_host: replica.db.internal
    login_user: auditor
    login_password: "{{ auditor_password }}"
    schemas: [finaegis, 'tenant*']
    checkpoint: /var/lib/runbook/event_store.json
    hash_chain: true
    max_lag_seconds: 10
    max_seconds: 3600

- name: Verify the money of the accounts
  finaegis.runbook.event_store_verify:
    login_db: finaegis
    tables: [transactions]
    money:
      - name: balances
        event_table: transactions
        adds:
          - {event_class: asset_balance_added, amount: $.amount, group: $.assetCode}
        subtracts:
          - {event_class: asset_balance_subtracted, amount: $.amount, group: $.assetCode}
        projection_table: account_balances
        key_column: account_uuid
        value_column: balance
        group_column: asset_code
    event_hashes:
      event_classes: [money_added, money_subtracted]
"""

RETURN = r"""
tables:
  description:
    - Each table that was verified. C(verified) are rows of this run, C(verified_total) those of all runs, C(verified_to) the last id.
    - C(too_young) are events left for the next run, null when there are others left too. C(rechecked) are old events looked at again.
    - C(chain_head) is the end of the chain of hashes over all events up to C(verified_to), null without O(hash_chain).
  returned: when the stores could be read
  type: list
  elements: dict
  sample:
    - {schema: finaegis, table: transactions, kind: events, verified: 120, verified_total: 3398, verified_to: 3398, too_young: 2,
      rechecked: 3278, chain_head: 9d2f0c..., resumed: true, complete: true}
anomalies:
  description: What is wrong, by rule and table, with the first places in the order of the ids or uuids.
  returned: when the stores could be read
  type: list
  elements: dict
  sample:
    - check: meta_version
      schema: finaegis
      table: transactions
      count: 1
      samples: [{id: 17, aggregate_uuid: 170b862c-c2c8-4e5d-90b9-610b8993debc, aggregate_version: 3, seen: "4"}]
complete:
  description: Whether every table was gone through; C(false) after O(max_seconds) or a lasting lag.
  returned: when the stores could be read
  type: bool
  sample: true
seconds:
  description: Seconds the run took, of which C(paused_seconds) were spent waiting for the replica.
  returned: when the stores could be read
  type: float
  sample: 41.3
paused_seconds:
  description: Seconds spent waiting for the replica.
  returned: when the stores could be read
  type: float
  sample: 0.0
events_per_second:
  description: Events verified in this run, a second.
  returned: when the stores could be read
  type: float
  sample: 240118.4
verdict:
  description: The worst of the findings, C(ok), C(warning), C(critical) or C(unknown).
  returned: when the stores could be read
  type: str
  sample: ok
findings:
  description: How much was covered, and one finding for each rule.
  returned: when the stores could be read
  type: list
  elements: dict
  sample:
    - {check: version_gap, verdict: ok, observed: 0, threshold: 0, message: None found., advice: ""}
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options, verdict
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.events import verify_task
from ansible_collections.finaegis.runbook.plugins.module_utils.events.options import event_store


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {**options.mysql(), **event_store(), **options.judgement("critical", "unknown"), **verify_task.verify_spec()}


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        result = verify_task.run(module.params, module.check_mode)
        diff = result.pop("diff")
        if module._diff:
            result["diff"] = diff
        if result["verdict"] in module.params["fail_on"]:
            reasons = verdict.explain(verdict.Finding(**one) for one in result["findings"])
            raise Failed("The verdict on the event store is %s: %s" % (result["verdict"], reasons), **result)
        module.exit_json(**result)


if __name__ == "__main__":
    main()
