# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of events.options.event_store().
    DOCUMENTATION = r"""
options:
  schemas:
    description:
      - Databases to look for event stores in. A name may be a pattern such as C(tenant*), so that one task covers all tenants.
      - Omitted, O(login_db) is meant. A name or pattern that fits no database this user can see fails the task.
    type: list
    elements: str
    default: []
  tables:
    description:
      - Names of the event tables to look at. One that is no event table in any of the databases fails the task.
      - Omitted, every table counts that has the columns of one (C(aggregate_uuid), C(aggregate_version), C(event_class),
        C(event_properties), C(created_at)), whatever its name. Snapshot tables are found in the same way.
    type: list
    elements: str
    default: []
  snapshots:
    description:
      - Which event table each snapshot table belongs to, as a dictionary of snapshot table and event table. The columns don't tell.
      - A snapshot table that is not among the keys may belong to any event table of its database, so it is judged more leniently
        where there are several.
    type: dict
    default: {}
  time_zone:
    description: The application's time zone as an offset, in which it writes times without one. Laravel's default is UTC.
    type: str
    default: "+00:00"
"""
