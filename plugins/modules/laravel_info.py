#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: laravel_info
short_description: What a Laravel application says of itself, and which of its workers run here
version_added: 1.0.0
description:
  - Asks the booted application itself, on any Laravel from 8 on, for what C(php artisan about) and C(migrate:status) would show
    people, as data. Both have no such output on many versions.
  - The answer is what the running code sees, a cached configuration included. It never contains passwords.
  - Lists the worker processes of the application that run on the host of the task, because a Horizon whose status is
    C(inactive) may still be finishing jobs.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.info_module
  - finaegis.runbook._attributes.actiongroup_laravel
  - finaegis.runbook._transport
options:
  gather:
    description:
      - What to look at. V(application) needs the application to boot, V(migrations) needs its database as well.
      - V(workers) reads only C(/proc) and works when the application is broken.
    type: list
    elements: str
    choices: [application, migrations, workers]
    default: [application, migrations, workers]
  timeout_seconds:
    description: Seconds to wait for each answer of the application before the task fails.
    type: int
    default: 60
seealso:
  - module: finaegis.runbook.horizon_status
  - module: finaegis.runbook.artisan
"""

EXAMPLES = r"""
- name: See versions, stores and pending migrations before a release
  finaegis.runbook.laravel_info:
    app_dir: /var/www/html
  become: true
  become_user: www-data
  register: bank

- name: Refuse to clear the cache when that would delete jobs
  ansible.builtin.assert:
    that: bank.application.cache_clear.safe
    fail_msg: "cache:clear would destroy {{ bank.application.cache_clear.destroys | join(' and ') }}"

- name: Wait until the last worker of this host has ended
  finaegis.runbook.laravel_info:
    app_dir: /var/www/html
    gather: [workers]
  become: true
  register: left
  until: left.workers | length == 0 and left.workers_undetermined | length == 0
  retries: 30
  delay: 2
"""

RETURN = r"""
application:
  description: Versions, drivers and stores; passwords are not read.
  returned: when O(gather) contains V(application)
  type: dict
  sample:
    name: Bank
    environment: production
    debug: false
    timezone: UTC
    laravel_version: 12.56.0
    php_version: 8.4.27
    hostname: web-1
    maintenance: {driver: file, store: null, down: false}
    caches: {config: true, routes: true, events: false}
    cache:
      store: redis
      driver: redis
      prefix: bank_cache_
      redis: {connection: cache, host: 192.0.2.10, port: 6379, db: 1, prefix: bank_database_}
    queue:
      connection: redis
      driver: redis
      queue: default
      redis: {connection: default, host: 192.0.2.10, port: 6379, db: 0, prefix: bank_database_}
    horizon:
      prefix: "bank_horizon:"
      redis: {connection: default, host: 192.0.2.10, port: 6379, db: 0, prefix: bank_database_}
    cache_clear: {safe: true, destroys: []}
migrations:
  description:
    - Names of migrations that ran (C(ran)), have not run (C(pending)), and ran but have no file any more (C(missing_files)).
    - C(table_exists) is false when no migration ever ran; then all are pending.
  returned: when O(gather) contains V(migrations)
  type: dict
  sample: {table_exists: true, ran: [2024_01_01_000000_create_accounts], pending: [], missing_files: []}
workers:
  description: Worker processes of this application on the host of the task, with pid, artisan command and age in seconds.
  returned: when O(gather) contains V(workers)
  type: list
  elements: dict
  sample: [{pid: 4711, command: horizon, age_seconds: 3600.5}]
workers_undetermined:
  description:
    - Workers of other users whose application can't be told without more rights. An empty RV(workers) proves nothing while this
      list is not empty; run the task with C(become).
  returned: when O(gather) contains V(workers)
  type: list
  elements: dict
  sample: []
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel import info
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import make

CHOICES = ["application", "migrations", "workers"]


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **options.transport(),
        "gather": {"type": "list", "elements": "str", "choices": CHOICES, "default": CHOICES},
        "timeout_seconds": {"type": "int", "default": 60},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    with guard(module):
        transport = make(params)
        where = (transport, transport.targets()[0], params["app_dir"], params["php"], params["timeout_seconds"])
        result: Dict[str, Any] = {}
        if "application" in params["gather"]:
            result["application"] = info.application(*where)
        if "migrations" in params["gather"]:
            result["migrations"] = info.migrations(*where)
        if "workers" in params["gather"]:
            found = info.workers(params["app_dir"])
            result.update(workers=found["own"], workers_undetermined=found["undetermined"])
        module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
