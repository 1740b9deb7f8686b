# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Base: the descriptions. A module adds its own ``support`` (and ``details`` where it is not full).
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Connects, reads and reports what would be done, with the same return values, and changes nothing.
  diff_mode:
    description: Returns what is or would be changed, as before and after, when run with C(--diff).
  idempotent:
    description: Run again in the same situation, it changes nothing and says so.
"""

    # A module that only reads.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - This module only reads; check mode makes no difference.
  diff_mode:
    support: N/A
    details:
      - This module changes nothing.
  idempotent:
    support: full
    details:
      - This module changes nothing.
"""

    ACTIONGROUP_REDIS = r"""
options: {}
attributes:
  action_group:
    description: Set the connection once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.redis
"""

    ACTIONGROUP_MYSQL = r"""
options: {}
attributes:
  action_group:
    description: Set the connection once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.mysql
"""

    ACTIONGROUP_S3 = r"""
options: {}
attributes:
  action_group:
    description: Set the connection once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.s3
"""

    # A module that moves data between the database and a storage.
    ACTIONGROUP_MYSQL_S3 = r"""
options: {}
attributes:
  action_group:
    description: Set the connections once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.mysql
      - finaegis.runbook.s3
"""

    # A module that asks the database and Redis.
    ACTIONGROUP_MYSQL_REDIS = r"""
options: {}
attributes:
  action_group:
    description: Set the connections once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.mysql
      - finaegis.runbook.redis
"""

    ACTIONGROUP_LARAVEL = r"""
options: {}
attributes:
  action_group:
    description: Set O(app_dir) and the like once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.laravel
"""

    # A module that asks the database and the application.
    ACTIONGROUP_MYSQL_LARAVEL = r"""
options: {}
attributes:
  action_group:
    description: Set the connection and the application once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.laravel
      - finaegis.runbook.mysql
"""

    # A module that asks the database, Redis and the application.
    ACTIONGROUP_MYSQL_REDIS_LARAVEL = r"""
options: {}
attributes:
  action_group:
    description: Set the connections and the application once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.laravel
      - finaegis.runbook.mysql
      - finaegis.runbook.redis
"""

    # A module that can go through Redis or through artisan.
    ACTIONGROUP_REDIS_LARAVEL = r"""
options: {}
attributes:
  action_group:
    description: Set the connection and the application once with C(module_defaults) for these groups.
    support: full
    membership:
      - finaegis.runbook.all
      - finaegis.runbook.laravel
      - finaegis.runbook.redis
"""

    # A module with no connection options of its own, or with options of several kinds.
    ACTIONGROUP_ALL = r"""
options: {}
attributes:
  action_group:
    description: Set common options once with C(module_defaults) for this group.
    support: full
    membership:
      - finaegis.runbook.all
"""
