#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: maintenance_mode
short_description: Take a Laravel application down for maintenance or bring it up, and prove it from outside
version_added: 1.0.0
description:
  - Does what C(php artisan down) and C(php artisan up) are meant to do. The same options leave the application as it is; other
    options are brought about on every version of Laravel from 8 on, many of which silently keep the old ones, and without a moment
    of being up.
  - The whole state is meant. An option that is omitted is none, and one that was set before is removed.
  - The secret is in no command line, no URL, no output and no log of this module. To look with it, the module makes the bypass cookie
    itself.
author:
  - FinAegis contributors (@FinAegis)
extends_documentation_fragment:
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.actiongroup_laravel
  - finaegis.runbook._transport
attributes:
  check_mode:
    support: full
    details:
      - Visits O(verify_urls) only when nothing would be changed.
  diff_mode:
    support: full
    details:
      - A secret is shown as set or not.
  idempotent:
    support: full
    details:
      - A page of O(render) that is another one each time it is rendered is written each time.
options:
  state:
    description: V(down) shows visitors the maintenance page, V(up) lets them in.
    type: str
    choices: [down, up]
    required: true
  secret:
    description:
      - Lets those in who know it, by visiting C(/SECRET) once; omitted, nobody gets in.
      - The framework keeps it in clear text on the host or in the cache.
    type: str
  render:
    description:
      - View to render now and show as the page, such as V(errors::503), so that it is shown even while the application can't start
        (file driver). Omitted, the application renders its 503 page for each visitor.
      - A view that does not exist fails the task before anything is changed.
    type: str
  redirect:
    description: Path to send visitors to, such as V(/status); omitted, they get the page.
    type: str
  retry_seconds:
    description: Seconds after which clients may try again (header C(Retry-After)); omitted or V(0), the header is not sent.
    type: int
  refresh_seconds:
    description: Seconds after which browsers reload the page (header C(Refresh)); omitted or V(0), the header is not sent.
    type: int
  status:
    description:
      - HTTP status of the maintenance page. With V(up), the status that O(verify_urls) must no longer answer.
      - Anything but a 5xx keeps load balancers and probes content, and lets search engines index the page.
    type: int
    default: 503
  driver:
    description:
      - Where the framework keeps the state, V(file) in C(storage/framework/down) of each host or V(cache) in a store that all share.
      - V(auto) asks the application. When another one is named than the application uses, the task fails and nothing is changed.
    type: str
    choices: [auto, file, cache]
    default: auto
  replicas:
    description:
      - How many copies of the application, each with a storage directory of its own, this one task stands for; omitted, as many as
        the transport reaches.
      - On a fleet of hosts the task runs on every host and stands for that host alone, so it is omitted there.
      - With more than one and the file driver V(down) is refused, because the others would go on serving.
    type: int
  verify_urls:
    description:
      - URLs of the application to visit afterwards, best one for each host and around the load balancer.
      - Down, each must answer O(status) (or redirect to O(redirect)), and with O(secret) anything else. Up, each must answer, and
        neither O(status) nor another 5xx.
      - A path that is exempt from maintenance, such as C(/up) on Laravel 11 and later, proves nothing.
      - Omitted, nothing is visited and RV(verified) is V(null).
    type: list
    elements: str
    default: []
  verify_timeout:
    description: Seconds to try O(verify_urls) again before the task fails; the state is not changed back.
    type: int
    default: 30
  validate_certs:
    description: Whether certificates of O(verify_urls) must be valid.
    type: bool
    default: true
  ca_cert:
    description: File with the certificate authorities for O(verify_urls), in PEM; omitted, the system's are used.
    type: path
  use_proxy:
    description: Whether to go through the proxy of the environment (E(http_proxy)); a proxy may answer in the application's place.
    type: bool
    default: false
  timeout_seconds:
    description: Seconds to wait for each answer of the application on the host before the task fails.
    type: int
    default: 60
seealso:
  - module: finaegis.runbook.artisan
  - module: finaegis.runbook.laravel_info
"""

EXAMPLES = r"""
- name: Take every host down, with a way in for the team
  finaegis.runbook.maintenance_mode:
    app_dir: /var/www/html
    state: down
    secret: "{{ vault_bypass_secret }}"
    render: errors::503
    retry_seconds: 60
    verify_urls: ["http://{{ ansible_host }}:8080/"]
  become: true
  become_user: www-data

- name: See the state of a host without changing it
  finaegis.runbook.maintenance_mode:
    app_dir: /var/www/html
    state: up
  check_mode: true
  register: now

- name: Say it
  ansible.builtin.debug:
    msg: "{{ now.targets[0].target }} is {{ now.targets[0].before }} since {{ now.targets[0].since }}"

- name: Bring it up and see it answer
  finaegis.runbook.maintenance_mode:
    app_dir: /var/www/html
    state: up
    verify_urls: [https://bank.example.org/]
  become: true
  become_user: www-data
"""

RETURN = r"""
state:
  description: The state asked for; unless the task failed or in check mode, the state there is.
  returned: always, unless the application could not be asked
  type: str
  sample: down
message:
  description: What was found or done, in one line for people.
  returned: success
  type: str
  sample: web-1 is now down. Seen from outside at 1 URL(s).
verified:
  description:
    - Whether all O(verify_urls) showed the state; V(null) when there are none, or when check mode would have to change the state.
  returned: always, unless the application could not be asked
  type: bool
  sample: true
checks:
  description:
    - For each URL the last answers, C(status_without) as a visitor and C(status_with) with the secret, V(null) when there was none; C(ok)
      whether they show the state; and a message.
  returned: always, unless the application could not be asked
  type: list
  elements: dict
  sample: [{url: "http://web-1:8080/", status_without: 503, status_with: 200, ok: true, message: Down for visitors.}]
targets:
  description:
    - For each target its name and the state C(before) and C(after), V(up), V(down), or V(unknown) after a failure. In check mode
      C(after) is foreseen.
    - C(driver) is V(file), V(cache), or the name of a driver of the application's own.
    - C(action) is V(none), V(down), V(down_again), V(replace) (the options were written over the old ones) or V(up); C(differences)
      names the options that were not as wanted.
    - C(since) is when it went down, V(null) where nothing tells (cache driver).
  returned: always, unless the application could not be asked
  type: list
  elements: dict
  sample:
    - target: web-1
      before: up
      after: down
      driver: file
      action: down
      changed: true
      differences: []
      since: "2026-01-31T02:00:04Z"
      laravel_version: 12.56.0
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.maintenance_mode import perform
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import make


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **options.transport(),
        "state": {"type": "str", "choices": ["down", "up"], "required": True},
        "secret": {"type": "str", "no_log": True},
        "render": {"type": "str"},
        "redirect": {"type": "str"},
        "retry_seconds": {"type": "int"},
        "refresh_seconds": {"type": "int"},
        "status": {"type": "int", "default": 503},
        "driver": {"type": "str", "choices": ["auto", "file", "cache"], "default": "auto"},
        "replicas": {"type": "int"},
        "verify_urls": {"type": "list", "elements": "str", "default": []},
        "verify_timeout": {"type": "int", "default": 30},
        "validate_certs": {"type": "bool", "default": True},
        "ca_cert": {"type": "path"},
        "use_proxy": {"type": "bool", "default": False},
        "timeout_seconds": {"type": "int", "default": 60},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    with guard(module):
        module.exit_json(**perform(make(module.params), module.params, module.check_mode, module._diff))


if __name__ == "__main__":
    main()
