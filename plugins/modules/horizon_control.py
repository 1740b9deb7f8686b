#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: horizon_control
short_description: Pause, continue or terminate Laravel Horizon everywhere, and see that it happened
version_added: 1.0.0
description:
  - Tells Horizon's masters or supervisors what to do through their lists of commands in Redis. That works from anywhere, for all
    hosts and pods at once, without PHP, unlike C(php artisan horizon:pause) and its kin, which reach one host and exit with 0
    whatever happened.
  - Success is that every process took its command and its own record shows the effect. A command that nobody takes is removed
    again.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.actiongroup_redis_laravel
  - finaegis.runbook._redis
  - finaegis.runbook._horizon
  - finaegis.runbook._transport
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Processes that are in the state already are told nothing.
options:
  state:
    description:
      - V(paused) lets the jobs in hand finish and takes no more; a restart of a process ends the pause.
      - V(running) continues what is paused. It starts no process.
      - V(terminated) ends the processes after their jobs. systemd, supervisord or Kubernetes may start new ones at once; a supervisor
        terminated alone is not started again until its master is.
    type: str
    required: true
    choices: [running, paused, terminated]
  masters:
    description: Full names of masters; omitted, those of all O(hosts).
    type: list
    elements: str
    default: []
  hosts:
    description:
      - Hosts whose masters are meant, as host names or as the slugs Laravel makes of them (C(Web_1.example.com) is C(web-1examplecom)).
        Whole names are compared, so C(web-1) is not C(web-10). Omitted, all hosts.
      - With O(method=artisan) at most one, the name Horizon gives the task's host where that is not the machine's own
        (C(MasterSupervisor::determineNameUsing)).
    type: list
    elements: str
    default: []
  supervisors:
    description:
      - Supervisors, by full name or by their name in C(config/horizon.php), which is meant in every chosen master.
      - Omitted, the masters themselves are told and tell all their supervisors.
    type: list
    elements: str
    default: []
  method:
    description:
      - V(redis) uses Horizon's lists of commands.
      - V(artisan) runs C(horizon:pause), C(horizon:continue) or C(horizon:terminate) in O(app_dir), which signals the masters of the
        task's own host. It is refused where these would signal process numbers of another host.
      - C(horizon:terminate) also tells all other workers (C(queue:work)) of the application on all hosts to end after their job;
        V(redis) does not.
    type: str
    choices: [redis, artisan]
    default: redis
  app_dir:
    description: Directory of the Laravel application, the one that holds C(artisan). Required with O(method=artisan), else unused.
    type: path
    required: false
  drain:
    description:
      - Wait until no job of the queues of the chosen processes is in hand any more; of all processes, of any queue.
      - Not with O(state=running). Refused when others that are not chosen serve one of the queues, because a job does not say whose it is.
    type: bool
    default: false
  drain_timeout:
    description: Seconds to wait for O(drain) before the task fails with RV(at_risk). The default is Laravel's C(retry_after).
    type: int
    default: 90
  max_targets:
    description: When more processes than this would have to be told, nothing is done and the task fails; omitted, there is no limit.
    type: int
  ack_timeout:
    description:
      - Seconds in which a process must have taken its command. A healthy one takes a second; later it is taken for dead and the
        command is removed.
    type: float
    default: 5
  wait_timeout:
    description: Seconds in which the effect must be seen, before the task fails.
    type: int
    default: 15
  wait_sleep:
    description: Seconds between two looks.
    type: float
    default: 0.25
notes:
  - An ACL user needs C(+@read +@connection +@transaction +time +rpush +lrem) on the keys of both prefixes.
  - Run it on one host only (C(run_once) or C(delegate_to)); with O(method=artisan) on each host of workers.
  - C(gone) in RV(targets) says that the records are gone. The process itself ends after its last job; C(pids) tells
    which to look for.
seealso:
  - module: finaegis.runbook.horizon_status
"""

EXAMPLES = r"""
- name: Let all workers finish what they have in hand and take no more
  finaegis.runbook.horizon_control:
    redis_url: "{{ redis_url }}"
    state: paused
    drain: true
  delegate_to: localhost
  run_once: true

- name: See who would be told, on two hosts
  finaegis.runbook.horizon_control:
    redis_url: "{{ redis_url }}"
    state: terminated
    hosts: [web-1, web-2]
  check_mode: true
  register: plan

- name: Pause the payments only, on all hosts
  finaegis.runbook.horizon_control:
    redis_url: "{{ redis_url }}"
    state: paused
    supervisors: [supervisor-payments]
    max_targets: 4
"""

RETURN = r"""
state:
  description: The state that was asked for.
  returned: unless refused
  type: str
  sample: paused
method:
  description: How the processes were told.
  returned: unless refused
  type: str
  sample: redis
status_before:
  description: What C(horizon:status) would have said before.
  returned: unless refused
  type: str
  sample: running
status_after:
  description: What C(horizon:status) would say after; in check mode the one before.
  returned: unless refused
  type: str
  sample: paused
targets:
  description:
    - Every chosen process. C(before) and C(after) are C(running), C(paused), C(gone), C(mixed) (a master whose supervisors differ) or
      C(ending). In check mode C(after) is what would be.
    - C(list) and C(command) are what was or would be sent, null where nothing is needed. C(acknowledged) is whether it was taken, null
      where nothing was sent through Redis; C(command_removed) whether it had to be removed again.
    - C(pids) are the process numbers of the process and, of a master, of its supervisors, on C(host). C(seconds) is the time until the
      effect was seen.
  returned: unless refused
  type: list
  elements: dict
  sample:
    - kind: master
      name: web-1-W7nP
      host: web-1
      pids: [2948, 3112, 3113]
      before: running
      after: paused
      changed: true
      command: 'Laravel\Horizon\SupervisorCommands\Pause'
      list: "finaegis_horizon:commands:master:web-1-W7nP"
      acknowledged: true
      command_removed: false
      seconds: 1.24
absent:
  description: Names among the options that fit nobody alive; only O(state=terminated) accepts any, because that is how the terminated look.
  returned: unless refused
  type: list
  elements: str
  sample: []
removed_commands:
  description: Commands of interrupted runs of this module whose process is gone, and that were (in check mode would be) removed.
  returned: unless refused
  type: list
  elements: dict
  sample:
    - list: "finaegis_horizon:commands:master:web-1-a1B2"
      command: 'Laravel\Horizon\SupervisorCommands\Pause'
drained:
  description: Whether no job is in hand; null without O(drain). In check mode, whether that is so now.
  returned: unless refused
  type: bool
  sample: true
drain_seconds:
  description: Seconds until no job was in hand.
  returned: unless refused
  type: float
  sample: 4.51
at_risk:
  description:
    - Jobs still in hand when O(drain) gave up (in check mode now), at most 100. C(attempt) counts from 1; C(age_seconds) is since the job
      was put on the queue, C(reserved_seconds) since a worker took it, null where not on record; at C(reserved_until) (Unix time) any
      worker may take it again, and C(expired) says that this has passed.
  returned: unless refused
  type: list
  elements: dict
  sample:
    - class: 'App\Jobs\SlowJob'
      queue: payments
      uuid: 91404471-6939-4d2e-ac5e-9447a1fcd315
      attempt: 1
      age_seconds: 95.2
      reserved_seconds: 90.1
      reserved_until: 1795421318.0
      expired: false
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon import options as horizon_options
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.conduct import Request, conduct
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.connection import Wire
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.control import Timing
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.observe import Watcher
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.targets import Selection
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import make


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **options.redis(),
        **horizon_options.horizon(),
        **options.transport(),
        "app_dir": {"type": "path"},
        "state": {"type": "str", "required": True, "choices": ["running", "paused", "terminated"]},
        "masters": {"type": "list", "elements": "str", "default": []},
        "hosts": {"type": "list", "elements": "str", "default": []},
        "supervisors": {"type": "list", "elements": "str", "default": []},
        "method": {"type": "str", "choices": ["redis", "artisan"], "default": "redis"},
        "drain": {"type": "bool", "default": False},
        "drain_timeout": {"type": "int", "default": 90},
        "max_targets": {"type": "int"},
        "ack_timeout": {"type": "float", "default": 5.0},
        "wait_timeout": {"type": "int", "default": 15},
        "wait_sleep": {"type": "float", "default": 0.25},
    }


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    selection = Selection(params["masters"], params["hosts"], params["supervisors"])
    if params["drain"] and params["state"] == "running":
        raise BadInput("drain waits for workers to have no job in hand, which state=running prevents.")
    way: Dict[str, Any] = {}
    if params["method"] == "artisan":
        if params["masters"] or params["supervisors"] or len(params["hosts"]) > 1:
            raise BadInput(
                "method=artisan reaches all masters of one host, no fewer and no more.", "Omit masters and supervisors."
            )
        transport = make(params)
        place = transport.targets()[0]

        def artisan(command: str) -> str:
            argv = [params["php"], "artisan", command, "--no-interaction", "--no-ansi"]
            done = transport.run(place, argv, params["app_dir"], timeout=60)
            return " ".join((done.stdout + " " + done.stderr).split())[:500]

        way = {"host": (params["hosts"] or [place])[0], "artisan": artisan}
    wire = Wire(params)
    request = Request(
        state=params["state"],
        selection=selection,
        timing=Timing(params["ack_timeout"], params["wait_timeout"], params["wait_sleep"]),
        drain=params["drain"],
        drain_timeout=params["drain_timeout"],
        max_targets=params["max_targets"],
        check_mode=check_mode,
        **way,
    )
    result = conduct(wire, Watcher(wire, horizon_options.wanted(params), failed_limit=1), request)
    changes = [target for target in result["targets"] if target["changed"]]
    result["diff"] = {side: {target["name"]: target[side] for target in changes} for side in ("before", "after")}
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_if=[("method", "artisan", ("app_dir",))],
    )
    with guard(module):
        result = run(module.params, module.check_mode)
        if not module._diff:
            del result["diff"]
        if result["absent"]:
            module.warn("Not alive, so taken for terminated already: %s." % ", ".join(result["absent"]))
        module.exit_json(**result)


if __name__ == "__main__":
    main()
