#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: horizon_status
short_description: See how Laravel Horizon and its queues really are, from Redis alone
version_added: 1.0.0
description:
  - Reads what Horizon and its queues keep in Redis and judges it. Needs no PHP and no access to the hosts of the workers.
  - Sees what C(php artisan horizon:status) does not say. One supervisor paused, masters without supervisors, masters that died, workers
    that crash while the status is C(running), queues with jobs that nobody serves, jobs still in hand after a terminate.
  - Heartbeats are judged by the time the records have left to live, on the clock of Redis, so the clocks of the hosts do not matter.
  - At most four round trips to Redis, whatever the number of queues, after the prefixes and queues have been found.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.info_module
  - finaegis.runbook._attributes.actiongroup_redis
  - finaegis.runbook._redis
  - finaegis.runbook._horizon
  - finaegis.runbook._judgement
options:
  queues:
    description: Queues to report even when nothing is known of them, besides those found.
    type: list
    elements: str
    default: []
  cache_redis_db:
    description:
      - Number of the database of the default cache store, C(REDIS_CACHE_DB) of the application, in the same Redis. The flags of
        C(queue:pause) are there.
    type: int
    default: 1
  cache_prefix:
    description:
      - What stands before C(illuminate:) in the names of cached values, the prefix of the cache's Redis connection and that of the cache
        together, such as C(finaegis_database_finaegis_cache_).
      - Omitted, it is found where the cache holds a value of the queues already; else C(paused) in RV(queues) is null.
    type: str
  queue_length_warning:
    description: A queue with more jobs (ready, delayed and reserved, as C(queue:monitor) counts) is a V(warning).
    type: int
    default: 1000
  queue_length_critical:
    description: A queue with more jobs is V(critical).
    type: int
    default: 5000
  failed_jobs_warning:
    description: More jobs that failed in the last hour are a V(warning).
    type: int
    default: 10
  failed_jobs_critical:
    description: More jobs that failed in the last hour are V(critical).
    type: int
    default: 50
  failed_jobs_limit:
    description: The most entries of Horizon's list of failed jobs to look at, the newest first; at least 1.
    type: int
    default: 10000
  stalled_seconds:
    description:
      - A job that waits longer in a queue whose workers have nothing in hand is a V(warning). Not used with O(observe_seconds).
    type: int
    default: 60
  observe_seconds:
    description:
      - Seconds between two looks, which tell for certain whether a backlog moves; 5 or more, because idle workers look for jobs only every
        3 seconds. V(0) looks once.
    type: float
    default: 0
  expect:
    description:
      - The task fails unless all masters and supervisors are in this state. V(inactive) is no master alive.
      - When no key of Horizon is found the task fails too, because a wrong prefix looks the same; see O(trust_prefix).
    type: str
    choices: [running, paused, inactive]
  wait_for:
    description:
      - Look again until all masters and supervisors are in this state. V(drained) is that none takes jobs and no queue has a job in hand.
      - Omitted, nothing is waited for.
    type: str
    choices: [running, paused, inactive, drained]
  wait_timeout:
    description: Seconds to wait for O(wait_for) before the task fails, with the last look as its return values.
    type: int
    default: 60
  wait_sleep:
    description: Seconds between two looks of O(wait_for).
    type: float
    default: 1
  fail_on:
    default: []
notes:
  - Without O(expect), O(wait_for) and O(fail_on) the task fails only when Redis can't be read.
  - An ACL user needs C(+@read +@connection +@transaction +time) on the keys of all three prefixes.
  - The status C(inactive) says that no master is alive. Workers may still finish jobs then; O(wait_for=drained) waits for them.
seealso:
  - module: finaegis.runbook.horizon_control
  - module: finaegis.runbook.queue_probe
"""

EXAMPLES = r"""
- name: Read the state of Horizon and its queues
  finaegis.runbook.horizon_status:
    redis_host: redis.internal
    redis_password: "{{ redis_password }}"
  register: horizon

- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ horizon.findings | rejectattr('verdict', 'equalto', 'ok') | map(attribute='message') }}"

- name: Stop here unless workers run and the backlog moves
  finaegis.runbook.horizon_status:
    redis_url: "{{ redis_url }}"
    app: FinAegis
    expect: running
    observe_seconds: 6
    fail_on: [critical, unknown]

- name: Wait until the last job in hand is done
  finaegis.runbook.horizon_status:
    redis_url: "{{ redis_url }}"
    wait_for: drained
    wait_timeout: 120
"""

RETURN = r"""
status:
  description: What C(horizon:status) would say. No live master is C(inactive), any paused one is C(paused), else C(running).
  returned: when Redis could be read
  type: str
  sample: running
masters:
  description: The masters on record; those that are C(stale) have died and have no more than a name.
  returned: when Redis could be read
  type: list
  elements: dict
  sample:
    - name: web-1-W7nP
      host: web-1
      pid: 2948
      environment: production
      status: running
      supervisors: ["web-1-W7nP:supervisor-default"]
      heartbeat_age_seconds: 0.435
      stale: false
supervisors:
  description: The supervisors on record, their workers by pool (C(connection:queues)) and the options that matter.
  returned: when Redis could be read
  type: list
  elements: dict
  sample:
    - name: web-1-W7nP:supervisor-default
      master: web-1-W7nP
      pid: 3112
      status: running
      processes: {"redis:default": 2, "redis:events": 1}
      options: {connection: redis, queues: [default, events], balance: auto, min_processes: 1, max_processes: 3, timeout_seconds: 60,
        memory_mb: 128, max_tries: 1, auto_scaling_strategy: time}
      heartbeat_age_seconds: 0.972
      stale: false
queues:
  description:
    - Every queue that holds jobs, is served, was measured or was named. All are counted at the same moment.
    - C(length) is C(ready) + C(delayed) + C(reserved). C(due) are delayed jobs whose time has come, C(lost) reserved ones whose
      reservation ran out; both are part of the others.
    - C(oldest_job_age_seconds) is that of the first ready job. C(runtime_ms) and C(throughput) are of the jobs that succeeded since
      Horizon's last metrics snapshot. C(wait_seconds) is Horizon's estimate for the ready jobs, null where it can't be known.
    - C(paused) tells of C(queue:pause), null where the cache can't be seen.
  returned: when Redis could be read
  type: list
  elements: dict
  sample:
    - name: default
      connection: redis
      ready: 4
      delayed: 0
      reserved: 2
      due: 0
      lost: 0
      length: 6
      oldest_job_age_seconds: 93.1
      processes: 2
      runtime_ms: 22.46
      throughput: 25
      wait_seconds: 0
      served: true
      paused: false
failed_jobs:
  description:
    - C(last_hour) and C(total) count jobs that failed and are still failed. Those that were retried and succeeded are not among them, and
      C(retrying) are back on a queue.
    - Horizon's list has C(listed) entries, of which the newest C(examined) were looked at; where that is fewer, C(total) is a lower bound.
  returned: when Redis could be read
  type: dict
  sample: {last_hour: 4, total: 7, retrying: 1, listed: 12, examined: 12}
jobs_per_minute:
  description: Jobs that succeeded, a minute, since Horizon's last metrics snapshot; null where that time is not on record.
  returned: when Redis could be read
  type: int
  sample: 11
commands_left:
  description: Lists of commands whose target is gone, and the number of elements in each.
  returned: when Redis could be read
  type: dict
  sample: {"master:web-1-W7nP": 1}
horizon_prefix:
  description: The prefix of Horizon's keys, given or found; null when no Horizon was found.
  returned: when Redis could be read
  type: str
  sample: "finaegis_horizon:"
queue_prefix:
  description: The prefix of the queues' keys, given, found or taken from the application's name.
  returned: when Redis could be read
  type: str
  sample: finaegis_database_
round_trips:
  description: Round trips to Redis that the last look took, without discovery.
  returned: when Redis could be read
  type: int
  sample: 4
discovery_round_trips:
  description: Round trips to Redis that finding prefixes and queues took, one for each 1000 keys in the database.
  returned: when Redis could be read
  type: int
  sample: 2
taken_at:
  description: Time of the last look on the clock of Redis, UTC.
  returned: when Redis could be read
  type: str
  sample: "2026-01-31T02:00:00Z"
waited_seconds:
  description: Seconds until O(wait_for) was seen, or until the time-out.
  returned: when O(wait_for) is given
  type: float
  sample: 3.1
verdict:
  description: The worst of the findings, C(ok), C(warning), C(critical) or C(unknown).
  returned: when Redis could be read
  type: str
  sample: warning
findings:
  description: What was checked and seen.
  returned: when Redis could be read
  type: list
  elements: dict
  sample:
    - check: status
      verdict: warning
      observed: paused
      threshold: running
      message: "1 of 2 masters running; paused: web-1-W7nP."
      advice: Jobs wait until Horizon is continued.
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options, verdict
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Failed, TimedOut
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.core.thresholds import FAILED_JOBS_PER_HOUR, QUEUE_LENGTH
from ansible_collections.finaegis.runbook.plugins.module_utils.core.times import iso
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon import options as horizon_options
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.connection import Wire
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.judge import Limits, judge, unmet
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.observe import Watcher, observe
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.report import as_result


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **options.redis(),
        **horizon_options.horizon(),
        **options.judgement(),
        "queues": {"type": "list", "elements": "str", "default": []},
        "cache_redis_db": {"type": "int", "default": 1},
        "cache_prefix": {"type": "str"},
        "queue_length_warning": {"type": "int", "default": QUEUE_LENGTH[0]},
        "queue_length_critical": {"type": "int", "default": QUEUE_LENGTH[1]},
        "failed_jobs_warning": {"type": "int", "default": FAILED_JOBS_PER_HOUR[0]},
        "failed_jobs_critical": {"type": "int", "default": FAILED_JOBS_PER_HOUR[1]},
        "failed_jobs_limit": {"type": "int", "default": 10000},
        "stalled_seconds": {"type": "int", "default": 60},
        "observe_seconds": {"type": "float", "default": 0.0},
        "expect": {"type": "str", "choices": ["running", "paused", "inactive"]},
        "wait_for": {"type": "str", "choices": ["running", "paused", "inactive", "drained"]},
        "wait_timeout": {"type": "int", "default": 60},
        "wait_sleep": {"type": "float", "default": 1.0},
    }


def run(params: Dict[str, Any]) -> Dict[str, Any]:
    if params["failed_jobs_limit"] < 1:
        raise BadInput("failed_jobs_limit must be 1 or more.")
    wanted = horizon_options.wanted(params)
    watcher = Watcher(Wire(params), wanted, params["queues"], params["failed_jobs_limit"])
    how = ("wait_for", "wait_timeout", "wait_sleep", "observe_seconds")
    seen = observe(watcher, **{name: params[name] for name in how})
    findings = judge(seen.snapshot, Limits.from_options(params), params["expect"], seen.earlier)
    result = {
        **as_result(seen.snapshot),
        "horizon_prefix": watcher.place.horizon_prefix,
        "queue_prefix": watcher.place.queue_prefix,
        "round_trips": watcher.trips,
        "discovery_round_trips": watcher.discovery_trips,
        "taken_at": iso(seen.snapshot.taken_at),
        **verdict.summary(findings),
    }
    if params["wait_for"]:
        result["waited_seconds"] = round(seen.seconds, 2)
    if not seen.reached:
        obstacles = "; ".join(unmet(seen.snapshot, params["wait_for"]))
        raise TimedOut(
            "Horizon was not %s within %d seconds: %s." % (params["wait_for"], params["wait_timeout"], obstacles),
            "The return values are the last look.",
            **result,
        )
    status = findings[0]
    if params["expect"] and status.verdict != verdict.OK:
        raise Failed(
            "Horizon is %s, expected %s: %s" % (status.observed, params["expect"], status.message),
            status.advice,
            **result,
        )
    if result["verdict"] in params["fail_on"]:
        reasons = verdict.explain(findings) or "nothing is wrong"
        raise Failed("The verdict on Horizon is %s: %s" % (result["verdict"], reasons), **result)
    return result


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        module.exit_json(changed=False, **run(module.params))


if __name__ == "__main__":
    main()
