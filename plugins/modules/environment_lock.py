#!/usr/bin/python
# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: environment_lock
short_description: One operator at a time per environment
version_added: 1.0.0
description:
  - Takes, extends, releases, breaks or reads the lock of an environment, so that two people, an AWX job and a shell never work on
    it at the same time. Whoever comes second learns at once who holds it, since when, until when and why.
  - A lock ends by itself after O(ttl_seconds) unless it is extended, so a crashed holder blocks nobody for ever. Where the crashed
    run can be seen to be gone, because it ran on this machine, the same O(owner) gets the lock again at once, see RV(taken_over).
  - Each holding has a RV(fence), a number higher than that of every holding before it, even when Redis lost its data in between.
  - The lock keeps out those who ask for it. It does not stop work that a lost holder has still under way; therefore extend it
    between the steps of long work and stop when that fails.
options:
  environment:
    description:
      - Name of what is locked, for example V(production). Letters, digits, C(.), C(_) and C(-).
    type: str
    required: true
  state:
    description:
      - V(acquired) takes the lock, or extends it when O(token) is given. Fails, changing nothing, when somebody else holds it.
      - V(released) gives it up. Fails when it had been lost, because somebody else may have been at work meanwhile.
      - V(broken) ends anybody's lock. The holder is told on its next extension or release. Does nothing when nobody holds it.
      - V(queried) only reads.
    type: str
    choices: [acquired, released, broken, queried]
    default: acquired
  owner:
    description:
      - Who takes, releases or breaks the lock, as shown to others.
      - Omitted, the user the task runs as (behind sudo the user who called it), C(@) and the name of the host. In AWX all jobs share
        that user, so give C({{ awx_user_name }}).
    type: str
  reason:
    description: Why the lock is taken, as shown to others. Needed to take it; not looked at when O(token) is given.
    type: str
  ticket:
    description: Number or address of the change or incident the work belongs to; omitted, none is recorded.
    type: str
  ttl_seconds:
    description: Seconds after which the lock ends unless it is extended; each extension counts anew from its own time.
    type: int
    default: 900
  token:
    description:
      - The RV(token) that taking the lock returned. Needed to extend and to release it.
      - It proves who took the lock and opens nothing else, so it is not treated as a secret.
    type: str
  wait_timeout:
    description:
      - Seconds to wait for a lock that somebody else holds before the task fails; V(0) fails at once. Check mode never waits.
    type: int
    default: 0
  break_reason:
    description: Why the lock is broken, recorded and shown to the holder. Needed when O(state=broken).
    type: str
  backend:
    description:
      - V(redis) keeps the lock in Redis and uses its clock, so the clocks of the operators' machines don't matter.
      - V(file) keeps it in the directory O(path); the clocks of all machines that use it must agree.
      - Everybody must use the same one, or there are two locks.
    type: str
    choices: [redis, file]
    default: redis
  path:
    description:
      - The directory of O(backend=file), on one machine or shared by all. It must exist, be writable for every operator and be on a
        file system with hard links (NFS has them).
    type: path
  key_prefix:
    description: What the name of the environment is appended to for the Redis key.
    type: str
    default: 'finaegis:runbook:lock:'
extends_documentation_fragment:
  - finaegis.runbook._redis
  - finaegis.runbook._attributes
  - finaegis.runbook._attributes.ACTIONGROUP_REDIS
attributes:
  check_mode:
    support: full
    details:
      - Tells whether the lock would be had and fails when it would not. The RV(token) it returns stands for the real one in the
        later tasks of the same play.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Releasing and breaking twice changes nothing the second time, nor does extending count as a change. Taking the lock twice
        without O(token) is refused, also within one play, because that is what a lock is for.
notes:
  - Run it on the controller (C(delegate_to=localhost), C(run_once=true)), where a crashed run can be recognised.
  - A Redis without persistence forgets the lock when it restarts. The next extension then fails and says so; it is never taken
    anew in silence. Use a database that C(cache:clear) does not flush.
  - The document in Redis has no expiry of its own, so that the fence and the last endings survive. It is about 5 kB at most.
seealso:
  - module: finaegis.runbook.health_gate
author:
  - FinAegis contributors (@FinAegis)
"""

EXAMPLES = r"""
- name: Take the lock before anything is changed
  finaegis.runbook.environment_lock:
    environment: production
    reason: Maintenance window, pending migrations
    ticket: CHG-2071
    redis_host: redis.example.com
    redis_password: "{{ vault_redis_password }}"
  delegate_to: localhost
  run_once: true
  register: environment_lock

- name: Keep it during a long step, and stop here if it was lost
  finaegis.runbook.environment_lock:
    environment: production
    token: "{{ environment_lock.token }}"
    redis_host: redis.example.com
    redis_password: "{{ vault_redis_password }}"
  delegate_to: localhost
  run_once: true

- name: Give it up (in the always section)
  finaegis.runbook.environment_lock:
    environment: production
    state: released
    token: "{{ environment_lock.token }}"
    redis_host: redis.example.com
    redis_password: "{{ vault_redis_password }}"
  delegate_to: localhost
  run_once: true
  when: environment_lock.token is defined

- name: See who is at work, without taking anything
  finaegis.runbook.environment_lock:
    environment: production
    state: queried
    redis_host: redis.example.com
    redis_password: "{{ vault_redis_password }}"
  delegate_to: localhost
  register: environment_lock_now

- name: End the lock of a machine that is lost
  finaegis.runbook.environment_lock:
    environment: production
    state: broken
    break_reason: The execution node died, confirmed with its owner
    owner: "{{ awx_user_name }}"
    redis_host: redis.example.com
    redis_password: "{{ vault_redis_password }}"
  delegate_to: localhost

- name: Without Redis, in a directory all operators share
  finaegis.runbook.environment_lock:
    environment: staging
    backend: file
    path: /srv/operations/locks
    reason: Restore test
  delegate_to: localhost
  register: environment_lock
"""

RETURN = r"""
environment:
  description: The name of what is locked.
  returned: success, and when the lock could not be taken, extended or released
  type: str
  sample: production
held:
  description: Whether anybody holds the lock after this task.
  returned: success, and when the lock could not be taken, extended or released
  type: bool
  sample: true
owner:
  description: Who holds it; null when nobody does.
  returned: success, and when the lock could not be taken, extended or released
  type: str
  sample: alice@control.example.com
since:
  description: When it was taken; null when nobody holds it.
  returned: success, and when the lock could not be taken, extended or released
  type: str
  sample: '2026-01-31T02:00:00Z'
until:
  description: When it ends unless it is extended; null when nobody holds it.
  returned: success, and when the lock could not be taken, extended or released
  type: str
  sample: '2026-01-31T02:15:00Z'
reason:
  description: Why it was taken; null when nobody holds it.
  returned: success, and when the lock could not be taken, extended or released
  type: str
  sample: Maintenance window, pending migrations
ticket:
  description: The change or incident it belongs to, empty without one; null when nobody holds it.
  returned: success, and when the lock could not be taken, extended or released
  type: str
  sample: CHG-2071
fence:
  description:
    - Number of this holding, higher than that of every holding before; null when nobody holds the lock.
    - It starts at the clock of the store in milliseconds, so that it can't go back when the store loses its data.
  returned: success, and when the lock could not be taken, extended or released
  type: int
  sample: 1769824800123
process:
  description: The run of Ansible that took the lock; null when nobody holds it or that run could not be told.
  returned: success, and when the lock could not be taken, extended or released
  type: dict
  contains:
    host:
      description: Name of the machine or container.
      type: str
      returned: always
      sample: control.example.com
    pid:
      description: Number of the C(ansible-playbook) process.
      type: int
      returned: always
      sample: 4711
  sample: {host: control.example.com, pid: 4711}
token:
  description: What proves that the lock is ours, to extend and release it; null unless it was taken or extended by this task.
  returned: success
  type: str
  sample: 0d8d2b0e3f8f4f0f9b4e4a8f1c2d3e4f
renewed:
  description: Whether this task extended a lock that O(token) holds. That alone is no change.
  returned: success
  type: bool
  sample: false
taken_over:
  description: Whether the lock was taken from an earlier run of the same owner, on this machine, that had ended without releasing it.
  returned: success
  type: bool
  sample: false
previous:
  description:
    - The holding that ended by this task, or that had run out before it, with C(owner), C(since), C(until), C(reason), C(ticket),
      C(fence) and C(process); null if there was none.
  returned: success
  type: dict
  sample:
    owner: alice@control.example.com
    since: '2026-01-31T01:00:00Z'
    until: '2026-01-31T01:15:00Z'
    reason: Maintenance window
    ticket: CHG-2070
    fence: 1769821200042
    process: {host: control.example.com, pid: 4242}
last_broken:
  description: Whose lock was broken last, by whom, when and why; null if none was among the last 20 holdings.
  returned: success, and when the lock could not be taken, extended or released
  type: dict
  sample:
    owner: bob@control.example.com
    since: '2026-01-30T22:00:00Z'
    fence: 1769810400007
    by: alice@control.example.com
    at: '2026-01-30T22:10:00Z'
    reason: Laptop lost on the train
message:
  description: What was done, and who holds the lock, in a sentence.
  returned: success
  type: str
  sample: The lock of production is taken until 2026-01-31T02:15:00Z.
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard
from ansible_collections.finaegis.runbook.plugins.module_utils.environment import locking


def argument_spec() -> options.Spec:
    return dict(
        options.redis(),
        environment={"type": "str", "required": True},
        state={"type": "str", "choices": ["acquired", "released", "broken", "queried"], "default": "acquired"},
        owner={"type": "str"},
        reason={"type": "str"},
        ticket={"type": "str"},
        ttl_seconds={"type": "int", "default": 900},
        token={"type": "str", "no_log": False},
        wait_timeout={"type": "int", "default": 0},
        break_reason={"type": "str"},
        backend={"type": "str", "choices": ["redis", "file"], "default": "redis"},
        path={"type": "path"},
        key_prefix={"type": "str", "default": "finaegis:runbook:lock:", "no_log": False},
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec(),
        supports_check_mode=True,
        required_if=[
            ("state", "released", ["token"]),
            ("state", "broken", ["break_reason"]),
            ("backend", "file", ["path"]),
        ],
    )
    with guard(module):
        result = locking.perform(module.params, locking.make(module.params), module.check_mode)
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
