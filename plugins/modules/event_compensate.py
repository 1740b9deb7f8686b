#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: event_compensate
short_description: Undo events by events that compensate them; nothing is ever deleted
version_added: 1.0.0
description:
  - Builds the events that undo those of one aggregate, from an event to its last one, by a map that says which class undoes which.
    The newest is undone first. Check mode shows them.
  - They are recorded through O(command), a command of the application, or by the module itself with O(append=true).
  - Each points at what it undoes, by C(compensates-event-id) in its metadata. By that a second run finds them and does nothing, and a run
    that was interrupted is gone on with.
  - Events that compensate others, and events that are compensated, are never compensated themselves.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.actiongroup_mysql_laravel
  - finaegis.runbook._mysql
  - finaegis.runbook._transport
attributes:
  check_mode:
    support: full
    details:
      - Shows the events. Whether the application has O(command) is asked, too.
  diff_mode:
    support: full
    details:
      - Shows the events that are or would be recorded.
  idempotent:
    support: full
options:
  app_dir:
    description: Directory of the Laravel application; needed for O(command).
    required: false
  table:
    description: The event table, in the database O(login_db).
    type: str
    required: true
  time_zone:
    description: The application's time zone as an offset, in which it writes times without one.
    type: str
    default: "+00:00"
  aggregate_uuid:
    description: The aggregate whose events are undone.
    type: str
    required: true
  from_event:
    description: Id of the first event that is undone. It must be one of the aggregate.
    type: str
    required: true
  inverses:
    description: What undoes an event of a class. When the aggregate has an event of another class there, nothing is done.
    type: list
    elements: dict
    required: true
    suboptions:
      event_class:
        description: The class or alias as it stands in C(event_class).
        type: str
        required: true
      inverse_class:
        description: The class or alias of the event that undoes it.
        type: str
        required: true
      properties:
        description:
          - Its properties. A text such as V($.amount) is the value at that path in the event that is undone.
          - A dictionary with the one key C(negate), such as C(negate) and V($.amount), is the negative of that value. Anything else is
            taken as it is.
        type: dict
        default: {}
      event_version:
        description: Version of the inverse class's events, for O(append=true).
        type: int
        default: 1
  skip_classes:
    description: Classes with nothing to undo, such as notes.
    type: list
    elements: str
    default: []
  max_events:
    description: When more events than this would be recorded, nothing is done and the task fails.
    type: int
    default: 100
  command:
    description:
      - Artisan command that records one event, run once for each. It must write C(compensates-event-id) into the event's metadata.
      - After each run the event must be seen in O(table), with this class, these properties and the mark; otherwise the task fails.
    type: str
  arguments:
    description:
      - Arguments of O(command). V({aggregate_uuid}), V({event_class}), V({properties}) (as JSON) and V({undoes}) (an id) are replaced,
        one in each argument. They are on no command line.
    type: list
    elements: str
    default: []
  timeout:
    description: Seconds that each run of O(command) may take.
    type: float
    default: 60.0
  append:
    description:
      - Whether to write the events into O(table), with the next versions, in one transaction. Nothing of the application runs then, so its
        rules are not asked and its projectors do not see the events.
      - Refused when an event of the aggregate holds a hash, because the application chains them and only it can go on with the chain.
    type: bool
    default: false
notes:
  - Without O(command) and O(append) only check mode succeeds, unless there is nothing to do.
  - Whether the aggregate's own rules allow the inverse, such as a balance that must not become negative, only the application knows.
    That is why O(command) is the better way.
seealso:
  - module: finaegis.runbook.event_store_verify
  - module: finaegis.runbook.event_archive
"""

EXAMPLES = r"""
- name: What would undo everything from event 4711 on?
  finaegis.runbook.event_compensate:
    login_db: finaegis
    table: transactions
    aggregate_uuid: 170b862c-c2c8-4e5d-90b9-610b8993debc
    from_event: 4711
    inverses:
      - {event_class: money_added, inverse_class: money_subtracted, properties: {money: $.money}}
      - {event_class: money_subtracted, inverse_class: money_added, properties: {money: $.money}}
    skip_classes: [account_viewed]
  check_mode: true

- name: Let the application record it
  finaegis.runbook.event_compensate:
    login_db: finaegis
    table: transactions
    aggregate_uuid: 170b862c-c2c8-4e5d-90b9-610b8993debc
    from_event: 4711
    inverses:
      - {event_class: money_added, inverse_class: money_subtracted, properties: {money: $.money}}
    app_dir: /var/www/html
    command: account:compensate
    arguments: ['{aggregate_uuid}', '--class={event_class}', '--properties={properties}', '--undoes={undoes}']
"""

RETURN = r"""
events:
  description: The events that undo, in the order in which they are recorded. C(id) is null for those that are not recorded.
  returned: when the aggregate could be read
  type: list
  elements: dict
  sample:
    - {undoes: "4713", undone_class: money_added, aggregate_version: 18, event_class: money_subtracted,
      properties: {money: {amount: 100}}, id: "4790"}
recorded:
  description: How many of them were recorded and seen; 0 in check mode.
  returned: when the aggregate could be read
  type: int
  sample: 3
recorded_by:
  description: Who records, or would; V(artisan), V(append) or V(nobody).
  returned: when the aggregate could be read
  type: str
  sample: artisan
already_compensated:
  description: Ids of the events that were compensated before.
  returned: when the aggregate could be read
  type: list
  elements: str
  sample: ["4711"]
message:
  description: What happens, and who projects it.
  returned: success
  type: str
  sample: 3 events of 170b862c-c2c8-4e5d-90b9-610b8993debc undo those from 4711 on. The application projects what its command records.
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.events import compensate_task


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **options.mysql(),
        **options.transport(),
        "app_dir": {"type": "path"},
        **compensate_task.compensate_spec(),
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(), supports_check_mode=True, required_by={"command": ("app_dir", "arguments")}
    )
    with guard(module):
        result = compensate_task.run(module.params, module.check_mode)
        diff = result.pop("diff")
        if module._diff:
            result["diff"] = diff
        module.exit_json(**result)


if __name__ == "__main__":
    main()
