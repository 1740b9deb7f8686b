#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: queue_probe
short_description: Prove that workers take jobs from Laravel queues and run them
version_added: 1.0.0
description:
  - Puts one harmless job on each queue and waits until a worker has run it. A status can say C(running) while every worker
    crashes; a job that was seen to run can't.
  - The job is the framework's own C(QueuedCommand) running C(cache:forget) on a mark of this probe in a cache store that all
    hosts share (the default store if it is shared, else the first of Redis, database, Memcached or DynamoDB that answers). It
    has run when the mark is gone. No code in the application is needed.
  - A queue is served in order, so behind a backlog the probe takes as long as the backlog.
  - While the application is in maintenance mode, workers without C(--force) take no jobs; use this module after C(up).
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.actiongroup_laravel
  - finaegis.runbook._transport
  - finaegis.runbook._wait
attributes:
  check_mode:
    support: full
    details:
      - The application is booted and its shared store found; no job is sent.
  diff_mode:
    support: N/A
    details:
      - Nothing that lasts is changed.
  idempotent:
    support: none
    details:
      - Each run sends new jobs. They leave nothing behind, so C(changed) is always false.
options:
  queues:
    description: Names of the queues to probe.
    type: list
    elements: str
    default: [default]
  connection:
    description: Name of the queue connection; omitted, the application's default connection is used.
    type: str
  wait_timeout:
    description: Seconds to wait for all jobs together; one that did not run until then fails the task. It may still run later.
    type: int
    default: 60
notes:
  - With O(wait=false) the jobs are sent and RV(unseen) lists all queues.
seealso:
  - module: finaegis.runbook.horizon_status
"""

EXAMPLES = r"""
- name: See that the restarted workers really work
  finaegis.runbook.queue_probe:
    app_dir: /var/www/html
    queues: [default, events, payments]
  become: true
  become_user: www-data
"""

RETURN = r"""
seen:
  description: Queues whose job was seen to run.
  returned: success
  type: list
  elements: str
  sample: [default, events]
unseen:
  description: Queues whose job was not seen to run; in check mode all of them.
  returned: always
  type: list
  elements: str
  sample: []
store:
  description: Cache store that carried the marks.
  returned: always
  type: str
  sample: redis
seconds:
  description: Time until the last job was seen, in seconds.
  returned: success
  type: float
  sample: 1.4
"""

import time
from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel import probe
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import make


def argument_spec() -> Dict[str, Dict[str, Any]]:
    waiting = options.wait(60, 0.2)
    return {
        **options.transport(),
        "queues": {"type": "list", "elements": "str", "default": ["default"]},
        "connection": {"type": "str"},
        "wait": waiting["wait"],
        "wait_timeout": waiting["wait_timeout"],
    }


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    transport = make(params)
    where = (transport, transport.targets()[0], params["app_dir"], params["php"])
    store = probe.shared_store(*where)
    if not store:
        raise Refused(
            "The application in %s has no cache store that hosts share and that answers, so the effect of a job can't be seen."
            % params["app_dir"],
            "Configure a redis or database store in config/cache.php.",
        )
    started = time.monotonic()
    result: Dict[str, Any] = {"seen": [], "unseen": list(params["queues"]), "store": store, "seconds": 0.0}
    if check_mode:
        return result
    data = {
        "queues": params["queues"],
        "connection": params["connection"],
        "store": store,
        "seconds": params["wait_timeout"] + 3600,
    }
    marks = probe.send(*where, data)
    if params["wait"]:
        result["unseen"] = probe.unseen(*where, store, marks, params["wait_timeout"])
        result["seen"] = [queue for queue in params["queues"] if queue not in result["unseen"]]
        result["seconds"] = round(time.monotonic() - started, 2)
    if params["wait"] and result["unseen"]:
        raise Failed(
            "No worker ran the probe job within %d seconds on: %s."
            % (params["wait_timeout"], ", ".join(result["unseen"])),
            "The jobs stay queued. See horizon_status for who serves these queues, whether they are paused and how long they are.",
            **result,
        )
    return result


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        module.exit_json(changed=False, **run(module.params, module.check_mode))


if __name__ == "__main__":
    main()
