#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: artisan
short_description: Run an artisan command and judge it by what it says, not by its exit code
version_added: 1.0.0
description:
  - Runs one C(php artisan) command without a terminal, without colours and with nothing on standard input, so no prompt can block it.
  - Artisan exits 0 when it was cancelled, locked out, found nothing, or signalled nobody, and not 0 when it merely answers. So the
    outcome comes from a contract for each command, a table of what it says when it is done, had nothing to do, was refused, was
    locked out or failed, recorded from the real commands on several versions of Laravel.
  - A command without a contract is judged by its exit code, and RV(judged_by) says so.
  - RV(caveat) says what neither text nor exit code can tell.
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
      - Asks the application whether it has the command.
      - C(migrate) and C(migrate:rollback) are previewed with C(--pretend), except where that would create the table of migrations.
        Code in a migration that is not a database statement runs in a preview too; that is how Laravel makes it.
      - Commands that only read are run. All others are not, and RV(message) says that they would be.
  diff_mode:
    support: partial
    details:
      - Only for C(migrate) and C(migrate:rollback), the statements or migrations.
  idempotent:
    support: partial
    details:
      - As idempotent as the command itself. Most say when there was nothing to do, and then nothing has changed; a command that
        does not say so counts as a change.
options:
  command:
    description:
      - Name of the command alone, such as V(migrate) or V(queue:retry).
      - A command that never ends by itself, such as V(horizon), is refused.
    type: str
    required: true
  arguments:
    description:
      - Arguments and options of the command, each an element, such as V(--force) or V(--step=1).
      - C(--no-interaction) and C(--no-ansi) are always added. C(--quiet), C(--silent) and C(--ansi) are refused, because the outcome is
        judged by the text.
    type: list
    elements: str
    default: []
  secret_arguments:
    description:
      - Further arguments that nobody may see, such as C(--password=...), each with its value in the same element.
      - They reach artisan through standard input of C(php) instead of a command line, and are cut out of all output.
    type: list
    elements: str
    default: []
  environment:
    description:
      - Environment variables for the command, on top of those of the task.
      - They are not treated as secret and other processes of the same user can see them; use O(secret_arguments) for secrets.
    type: dict
    default: {}
  json:
    description:
      - Whether to add C(--json) where this version of the command has it; RV(json) is C(null) where it has not.
    type: bool
    default: false
  timeout_seconds:
    description:
      - Seconds after which the command and the processes it started are ended; the outcome is then V(failed).
    type: int
    default: 600
  unavailable:
    description:
      - What to do when the application has no such command, or the command no such option.
      - V(fail) fails the task and names the command to use instead, where there is one; V(skip) skips it.
    type: str
    choices: [fail, skip]
    default: fail
  accept:
    description:
      - Outcomes that do not fail the task although they are not what was asked for.
      - Omitted, the outcomes V(refused), V(locked) and V(failed) fail it.
    type: list
    elements: str
    choices: [refused, locked, failed]
    default: []
seealso:
  - module: finaegis.runbook.maintenance_mode
  - module: finaegis.runbook.horizon_control
  - module: finaegis.runbook.laravel_info
"""

EXAMPLES = r"""
- name: Run pending migrations, one host at a time whoever else starts them
  finaegis.runbook.artisan:
    app_dir: /var/www/html
    command: migrate
    arguments: [--force, --isolated=12]
  become: true
  become_user: www-data
  run_once: true
  register: migrated

- name: See the SQL of pending migrations, changing nothing
  finaegis.runbook.artisan:
    app_dir: /var/www/html
    command: migrate
    arguments: [--force]
  check_mode: true
  diff: true

- name: Pause a queue where the framework can
  finaegis.runbook.artisan:
    app_dir: /var/www/html
    command: queue:pause
    arguments: [redis:payments]
    unavailable: skip

- name: Read the failed jobs as data
  finaegis.runbook.artisan:
    app_dir: /var/www/html
    command: queue:failed
    json: true
  register: failed_jobs

- name: Let a job that another host is retrying be
  finaegis.runbook.artisan:
    app_dir: /var/www/html
    command: queue:retry
    arguments: ["{{ job_id }}"]
    accept: [failed]
"""

RETURN = r"""
outcome:
  description:
    - What became of it, V(done), V(nothing_to_do), V(refused), V(locked), V(unavailable) or V(failed). Of several targets the worst.
    - In check mode what is foreseen.
  returned: always, unless the command could not be started
  type: str
  sample: done
message:
  description: The outcome in one line for people.
  returned: always, unless the command could not be started
  type: str
  sample: 2 migration(s) run.
judged_by:
  description:
    - What the judgement rests on, V(text) or V(json) the command printed, V(exit_code) alone, V(list) (artisan's list of commands) or
      V(time_limit).
  returned: always, unless the command could not be started
  type: str
  sample: text
caveat:
  description: What neither text nor exit code can tell, and where to look; empty where nothing is known.
  returned: always, unless the command could not be started
  type: str
  sample: Pushed is not processed, a job may fail again.
rc:
  description: Exit code.
  returned: when the command was run to its end
  type: int
  sample: 0
stdout:
  description: What it printed, the middle cut out above 20000 characters. Settings that name a secret are hidden.
  returned: always, unless the command could not be started
  type: str
  sample: "\n   INFO  Nothing to migrate.  \n\n"
stderr:
  description: What it printed as errors, cut in the same way.
  returned: always, unless the command could not be started
  type: str
  sample: ""
json:
  description: The object or list in the output, any human line before it skipped; V(null) when there is none.
  returned: always, unless the command could not be started
  type: raw
  sample: [{id: be4642c0-c63e-4f92-90a9-1ec3831c73b2, connection: redis, queue: default}]
laravel_version:
  description: Version of the framework, from Composer's notes or artisan; V(null) when neither was at hand.
  returned: always, unless the command could not be started
  type: str
  sample: 12.56.0
argv:
  description: The command line, with secret arguments hidden.
  returned: always, unless the command could not be started
  type: list
  elements: str
  sample: [php, artisan, migrate, --no-interaction, --no-ansi, --force]
seconds:
  description: How long it ran.
  returned: always, unless the command could not be started
  type: float
  sample: 1.25
targets:
  description: The outcome for each target, with its name; with several targets also its stdout, stderr and json.
  returned: always, unless the command could not be started
  type: list
  elements: dict
  sample: [{target: web-1, outcome: done, changed: true, judged_by: text, message: 2 migration(s) run., rc: 0, seconds: 1.25}]
skip_reason:
  description: Why the task was skipped.
  returned: when O(unavailable=skip) and the application has no such command or option
  type: str
  sample: This application has no command queue:pause. It came with Laravel 12.40.
"""

from typing import Any, Dict

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel import command
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.artisan import Artisan, secret_values
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import make


def argument_spec() -> Dict[str, Dict[str, Any]]:
    return {
        **options.transport(),
        "command": {"type": "str", "required": True},
        "arguments": {"type": "list", "elements": "str", "default": []},
        "secret_arguments": {"type": "list", "elements": "str", "default": [], "no_log": True},
        "environment": {"type": "dict", "default": {}, "no_log": False},
        "json": {"type": "bool", "default": False},
        "timeout_seconds": {"type": "int", "default": 600},
        "unavailable": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
        "accept": {"type": "list", "elements": "str", "choices": ["refused", "locked", "failed"], "default": []},
    }


def main() -> None:
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    module.no_log_values.update(secret_values(params["secret_arguments"]))
    with guard(module):
        request = command.Request(
            params["command"],
            tuple(params["arguments"]),
            tuple(params["secret_arguments"]),
            params["json"],
            ask=params["unavailable"] == "skip",
        )
        command.check(request)
        transport = make(params)
        environment = {name: str(value) for name, value in params["environment"].items()}
        artisan = Artisan(transport, params["app_dir"], params["php"], environment, params["timeout_seconds"])
        runs = [command.Run(artisan, target, request) for target in transport.targets()]
        results = [run.perform(module.check_mode) for run in runs]
        result = command.together(results, with_diff=module._diff)
        if result["outcome"] == "unavailable" and params["unavailable"] == "skip":
            module.exit_json(skipped=True, skip_reason=result["message"], **result)
        if result["outcome"] in {"unavailable", "refused", "locked", "failed"} - set(params["accept"]):
            module.fail_json(msg=command.complaint(artisan.app_dir, request, result), **result)
        # Ansible takes an exit code other than 0 for a failure, unless told that it is none.
        module.exit_json(failed=False, **result)


if __name__ == "__main__":
    main()
