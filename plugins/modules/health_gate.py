#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_gate
short_description: Watch an application for a time and decide whether it is healthy
version_added: 1.0.0
description:
  - Looks at HTTP addresses, Prometheus queries and queues every O(interval_seconds) for O(duration_seconds), and decides in one of
    four words, V(ok), V(warning), V(critical) or V(unknown). What could not be measured is unknown, never ok.
  - Each sample is graded by itself; a grade counts once O(fail_samples) of the last O(of_samples) samples were that bad, at any
    moment of the watch. A recovery later does not undo it.
  - The error rate and the 95th percentile are taken over all requests of the watch. Percentiles are by nearest rank, in whole
    milliseconds rounded up; a request without an answer counts as slower than all others.
options:
  duration_seconds:
    description: Seconds to watch; V(0) looks once and lets that look decide.
    type: float
    default: 60.0
  interval_seconds:
    description: Seconds from the start of one look to the start of the next. A probe that is still busy is left out of a look.
    type: float
    default: 2.0
  fail_samples:
    description: How many of the last O(of_samples) samples must be that bad for a grade to count.
    type: int
    default: 3
  of_samples:
    description: How many of the last samples O(fail_samples) looks at.
    type: int
    default: 5
  minimum_samples:
    description:
      - Requests a probe of O(http) must have made for its error rate and percentile to be judged; with fewer both are unknown.
      - With fewer than 20 a single request would pass the runbook's 5 % or be the 95th percentile.
      - A watch that can't reach it is refused at once.
    type: int
    default: 20
  stop_early:
    description: Whether to end the watch as soon as a grade of critical counts. The verdict is the same without, only later.
    type: bool
    default: false
  samples_kept:
    description: Samples to return at most, half of them for those that are not ok. Beyond, the oldest of each half are dropped.
    type: int
    default: 5000
  use_proxy:
    description: Whether requests go through the proxy of the task's environment (E(http_proxy), E(https_proxy)).
    type: bool
    default: false
  fail_on:
    default: [critical, unknown]
extends_documentation_fragment:
  - finaegis.runbook._health
  - finaegis.runbook._redis
  - finaegis.runbook._judgement
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.INFO_MODULE
  - finaegis.runbook._attributes.ACTIONGROUP_REDIS
attributes:
  check_mode:
    support: full
    details:
      - Takes one look, which decides, and says how long a run would watch. O(fail_on) applies to it.
notes:
  - Run it from where users are, not on the host it asks, to see what they see.
seealso:
  - module: finaegis.runbook.environment_lock
author:
  - FinAegis contributors (@FinAegis)
"""

EXAMPLES = r"""
- name: Watch the site for half an hour after maintenance, stop as soon as it is certain that it is broken
  finaegis.runbook.health_gate:
    duration_seconds: 1800
    interval_seconds: 5
    stop_early: true
    http:
      - name: health
        url: https://bank.example.com/api/health
        body_contains: '"healthy"'
      - name: login page
        url: https://bank.example.com/login
        p95_critical_ms: 4000
    queues:
      names: [default, events]
      queue_prefix: finaegis_database_
      horizon_prefix: 'finaegis_horizon:'
    redis_host: redis.example.com
    redis_password: "{{ vault_redis_password }}"
  delegate_to: localhost

- name: Ask Prometheus; without at least one request a second the ratio is unknown
  finaegis.runbook.health_gate:
    duration_seconds: 300
    interval_seconds: 15
    prometheus:
      url: https://prometheus.example.com
      bearer_token: "{{ vault_prometheus_token }}"
      queries:
        - name: errors
          query: >-
            100 * sum(rate(http_requests_total{status=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))
            and sum(rate(http_requests_total[5m])) > 1
          warning: 1
          critical: 5
  delegate_to: localhost

- name: Is it healthy right now? Don't fail, decide later
  finaegis.runbook.health_gate:
    duration_seconds: 0
    fail_on: []
    http:
      - name: up
        url: https://bank.example.com/up
  delegate_to: localhost
  register: health_now
"""

RETURN = r"""
verdict:
  description: The worst of RV(findings).
  returned: when the watch took place
  type: str
  sample: warning
findings:
  description:
    - What was judged, each with C(check), C(verdict), C(observed), C(threshold), C(message) and C(advice).
    - The checks are C(http.NAME.recent), C(http.NAME.error_rate), C(http.NAME.p95), C(prometheus.NAME), C(queue.NAME) and
      C(horizon.failed_jobs).
  returned: when the watch took place
  type: list
  elements: dict
  sample:
    - check: http.health.p95
      verdict: warning
      observed: 640
      threshold: 500.0
      message: 95 % of 361 requests took at most 640 ms
      advice: 'Look for what is slow: database, cache, workers.'
message:
  description: The verdict and what is behind it, in a sentence.
  returned: when the watch took place
  type: str
  sample: 'ok after 1 min 0 s: nothing is wrong'
samples:
  description:
    - Every look at every check, in the order they began. C(status) and C(ms) (to the last byte, null without an answer) of requests,
      C(value) of queries and queues, C(error) says why a request failed or why there is no number.
  returned: when the watch took place
  type: list
  elements: dict
  sample:
    - {time: '2026-01-31T02:00:00Z', at_seconds: 0.0, check: http.health, verdict: ok, status: 200, ms: 12.3, value: null, error: ''}
samples_dropped:
  description: How many samples were more than O(samples_kept).
  returned: when the watch took place
  type: int
  sample: 0
probes:
  description: What was seen of each check over the watch; null where it does not apply.
  returned: when the watch took place
  type: list
  elements: dict
  sample:
    - {check: http.health, kind: http, samples: 361, verdicts: {ok: 361, warning: 0, unknown: 0, critical: 0}, failed: 0,
       error_rate_percent: 0.0, p50_ms: 12, p95_ms: 31, max_ms: 47, lowest: null, highest: null, latest: null}
started:
  description: When the watch began.
  returned: when the watch took place
  type: str
  sample: '2026-01-31T02:00:00Z'
seconds:
  description: How long it took.
  returned: when the watch took place
  type: float
  sample: 1800.2
looks:
  description: How often the probes were asked.
  returned: when the watch took place
  type: int
  sample: 361
looks_missed:
  description: How often it was time to look but this machine was stopped or too slow.
  returned: when the watch took place
  type: int
  sample: 0
stopped_early:
  description: Whether O(stop_early) ended the watch.
  returned: when the watch took place
  type: bool
  sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.environment import health


def argument_spec() -> options.Spec:
    return dict(
        options.redis(),
        **options.judgement("critical", "unknown"),
        duration_seconds={"type": "float", "default": 60.0},
        interval_seconds={"type": "float", "default": 2.0},
        fail_samples={"type": "int", "default": 3},
        of_samples={"type": "int", "default": 5},
        minimum_samples={"type": "int", "default": 20},
        stop_early={"type": "bool", "default": False},
        samples_kept={"type": "int", "default": 5000},
        use_proxy={"type": "bool", "default": False},
        http={"type": "list", "elements": "dict", "options": health.http_spec()},
        prometheus={"type": "dict", "options": health.prometheus_spec()},
        queues={"type": "dict", "options": health.queues_spec()},
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec(), supports_check_mode=True, required_one_of=[("http", "prometheus", "queues")]
    )
    module.no_log_values.update(health.secrets(module.params))
    with guard(module):
        result = health.perform(module.params, module.check_mode)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
