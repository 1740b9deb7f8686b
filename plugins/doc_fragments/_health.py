# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of environment.health.http_spec(), prometheus_spec() and queues_spec(): what a health gate looks at.
    DOCUMENTATION = r"""
options:
  http:
    description: Addresses to request. A failed request is a critical sample, an answered one is graded by its time.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the probe in the results.
        type: str
        required: true
      url:
        description: The whole address, without credentials in it.
        type: str
        required: true
      method:
        description: How to ask.
        type: str
        choices: [GET, HEAD]
        default: GET
      expect_status:
        description: Statuses that are fine, each as V(200) or V(200-299). Any other is a failed request.
        type: list
        elements: str
        default: ['200']
      body_contains:
        description: Text that the first MiB of the body must contain, or the request has failed; omitted, the body is not looked at.
        type: str
      headers:
        description: Headers to send, shown in results and logs. Credentials are refused here.
        type: dict
      secret_headers:
        description: Headers to send whose values are never shown, nor sent on after a redirect.
        type: dict
      follow_redirects:
        description: Whether to request the target of a redirect; otherwise the redirect's own status is judged.
        type: bool
        default: false
      timeout_seconds:
        description: Seconds from the connection to the end of the body, after which the request has failed.
        type: float
        default: 10.0
      validate_certs:
        description: Whether a certificate that can't be verified fails the request.
        type: bool
        default: true
      ca_cert:
        description: File with the certificate authorities to trust, in PEM; omitted, the system's are used.
        type: path
      p95_warning_ms:
        description: Milliseconds above which the 95th percentile, and each single request, is a warning.
        type: float
        default: 500.0
      p95_critical_ms:
        description: Milliseconds above which the 95th percentile, and each single request, is critical.
        type: float
        default: 2000.0
      error_rate_warning_percent:
        description: Percent of failed requests above which the watch is a warning.
        type: float
        default: 1.0
      error_rate_critical_percent:
        description: Percent of failed requests above which the watch is critical.
        type: float
        default: 5.0
  prometheus:
    description: A Prometheus server, or anything with its HTTP API, and what to ask it.
    type: dict
    suboptions:
      url:
        description: Address of the server, without C(/api/v1/query).
        type: str
        required: true
      queries:
        description:
          - Instant queries. Of several series the worst counts. No series, NaN, infinity, an error or a stale answer are unknown.
          - To have too little traffic judged as unknown, say so in the query, as the example does.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name of the query in the results.
            type: str
            required: true
          query:
            description: The expression in PromQL.
            type: str
            required: true
          warning:
            description: Number beyond which a sample is a warning; omitted, none is.
            type: float
          critical:
            description: Number beyond which a sample is critical; omitted, none is.
            type: float
          direction:
            description: On which side of the limits it is bad.
            type: str
            choices: [above, below]
            default: above
          counter:
            description: Whether the number counts up, so that its growth per second is judged. When it falls, it was reset, unknown.
            type: bool
            default: false
          min_samples:
            description: Samples with a number that are needed; with fewer the query is unknown.
            type: int
            default: 1
      bearer_token:
        description: Token to send in the C(Authorization) header.
        type: str
      headers:
        description: Headers to send, shown in results and logs. Credentials are refused here.
        type: dict
      secret_headers:
        description: Headers to send whose values are never shown.
        type: dict
      max_age_seconds:
        description: Seconds the time of an answer may differ from this machine's clock; beyond, it is stale, unknown.
        type: float
        default: 300.0
      timeout_seconds:
        description: Seconds for a whole answer, after which there is none.
        type: float
        default: 10.0
      validate_certs:
        description: Whether a certificate that can't be verified fails the query.
        type: bool
        default: true
      ca_cert:
        description: File with the certificate authorities to trust, in PEM; omitted, the system's are used.
        type: path
  queues:
    description: Queues in the Redis that the C(redis_*) options name. That Redis must answer when the watch begins.
    type: dict
    suboptions:
      names:
        description: Queues whose ready jobs are counted, as the runbook does. An empty queue can't be told from a wrong name.
        type: list
        elements: str
        required: true
      queue_prefix:
        description: Laravel's Redis prefix, for example V(finaegis_database_); may be empty.
        type: str
        required: true
      horizon_prefix:
        description: Horizon's prefix, for example V(finaegis_horizon:); omitted, failed jobs are not looked at.
        type: str
      length_warning:
        description: Ready jobs in one queue above which a sample is a warning.
        type: float
        default: 1000.0
      length_critical:
        description: Ready jobs in one queue above which a sample is critical.
        type: float
        default: 5000.0
      failed_per_hour_warning:
        description: Failed jobs of the last hour, without those retried with success, above which a sample is a warning.
        type: float
        default: 10.0
      failed_per_hour_critical:
        description: The same for critical.
        type: float
        default: 50.0
"""
