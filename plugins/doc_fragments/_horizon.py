# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of horizon.options.horizon().
    DOCUMENTATION = r"""
options:
  horizon_prefix:
    description:
      - What stands before Horizon's own keys, C(HORIZON_PREFIX) of the application, such as C(finaegis_horizon:).
      - Omitted, it is found in the key names. When the database holds several Horizons, the task fails and lists them; choose with this
        option or O(app).
    type: str
  queue_prefix:
    description:
      - What stands before C(queues:NAME), the prefix of the application's Redis connection, such as C(finaegis_database_).
      - Omitted, it is found in the key names, or taken to be Laravel's default for the application's name when all queues are empty.
    type: str
  app:
    description:
      - Name of the application (C(APP_NAME)) or its slug, to choose among several Horizons in one database.
      - Omitted, there must be only one. Ignored when O(horizon_prefix) is given.
    type: str
  trust_prefix:
    description:
      - Whether O(horizon_prefix) and the database are known to be right, for instance read from the application by
        M(finaegis.runbook.laravel_info). Then no key of Horizon at all means that it is not running, as after the clean end of a
        Horizon that never had a job.
      - With V(false) that means that nothing is known, because a wrong prefix or database looks the same.
    type: bool
    default: false
  discover:
    description:
      - Whether to walk through the key names once, with C(SCAN), to find the prefixes and queues that no supervisor serves.
      - V(false) saves that on databases with many millions of keys. It needs O(horizon_prefix) and O(queue_prefix), and only
        queues are seen that a supervisor serves, that were measured or that are named.
    type: bool
    default: true
"""
