# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of events.replay_options.rebuilding(): how a read model is rebuilt and compared.
    DOCUMENTATION = r"""
options:
  strategy:
    description:
      - V(aside) rebuilds in a scratch database and compares; nothing live is touched without O(activate).
      - V(in_place) runs the package's own command on the live tables. It is refused while the application is up (see O(writers)) or jobs
        wait in O(queues), takes a copy of the tables first, and puts their rows back when the command fails, applies another number of
        events than SQL counts, or is killed; after a kill the next task does so. Users see half-built tables meanwhile.
    type: str
    choices: [aside, in_place]
    default: aside
  idempotent:
    description:
      - Projectors that only set values and never add to what is there. Used with O(strategy=in_place), which refuses others where their
        tables are not emptied before, because they have no C(resetState) or because only a part of the events is replayed.
    type: list
    elements: str
    default: []
  aggregate_uuid:
    description: Replay the events of this aggregate only, and compare only its rows. Such a replay can't be activated.
    type: str
  aggregate_columns:
    description: For each of O(projection_tables) the column that holds the aggregate's uuid; needed with O(aggregate_uuid).
    type: dict
    default: {}
  from_id:
    description:
      - Replay from this event on, the first included, onto a copy of the live tables; the drift shows what such a replay would do.
      - It can't be activated. Up to V(1) all events are replayed, to empty tables.
    type: int
    default: 0
  engine:
    description:
      - V(driver) feeds the package's replay by key from a small program of ours, which the application's C(php) reads from standard input,
        and commits every chunk together with its place. It needs release 7.12 or later with the package's own event repository.
      - V(artisan) runs the package's command over slices of the events. It fits all releases with the command and projectors that commit by
        themselves, is slower, and begins again from the start when it is interrupted.
    type: str
    choices: [driver, artisan]
    default: driver
  workers:
    description:
      - Processes that apply events at the same time, from 1 to 16, each those of its own aggregates; only with O(engine=driver).
      - More than one needs all projectors in O(aggregate_safe).
    type: int
    default: 1
  aggregate_safe:
    description:
      - Projectors whose effects do not depend on the order of events of different aggregates. Each row belongs to one aggregate, or is only
        added to by single SQL statements. One that reads, computes and writes back loses updates without an error.
    type: list
    elements: str
    default: []
  chunk_events:
    description: Events in one transaction, from 1 to 10000.
    type: int
    default: 1000
  chunk_seconds:
    description: Seconds after which a chunk is committed although it is not full, so that slow projectors do not hold locks for long.
    type: float
    default: 5.0
  settle_seconds:
    description:
      - Seconds to wait between looking for the newest event and replaying up to it, so that events under way get their metadata and
        those of transactions that commit late are there. One that comes later still is noticed by its count and fails the task.
      - Also how long requests under way are waited for after O(writers=maintenance).
    type: float
    default: 2.0
  environment:
    description:
      - Environment variables for the application, such as those that choose a tenant. What redirects it during the replay wins over them.
      - They are not secret, Ansible shows them with C(-vvv).
    type: dict
    default: {}
  allow_connections:
    description: Names of further database connections of the application to leave open; what projectors write there is not held back.
    type: list
    elements: str
    default: []
  scratch_schema:
    description: The database to build in. Omitted, the name of O(login_db) with C(_replay) added. One that no replay made is refused.
    type: str
  old_schema:
    description: The database that keeps replaced tables for O(undo). Omitted, the name of O(login_db) with C(_replaced) added.
    type: str
  replay_user:
    description:
      - An existing user to run the application as, with SELECT on the live database and all rights on O(scratch_schema).
      - Omitted, one is made with a random password for the time of the task.
    type: str
  replay_password:
    description: Password of O(replay_user).
    type: str
  restart:
    description: Whether to begin from the first event although an interrupted replay could be gone on with.
    type: bool
    default: false
  keep:
    description: Whether to keep the scratch database after the comparison, to look at it; the next task goes on from it.
    type: bool
    default: false
  ignore_columns:
    description: For each table the columns not to compare, such as surrogate ids, which a replay may number otherwise.
    type: dict
    default: {}
  key_columns:
    description:
      - For each table the columns to find its rows by, needed where the primary key is among O(ignore_columns). They may not be NULL and
        should have an index; they need not be unique. Omitted, the primary key.
    type: dict
    default: {}
  chunk_rows:
    description: Rows in one range of the comparison, from 10 to 100000.
    type: int
    default: 2000
  rounds:
    description: How often, at most, rows that differ are looked at again while events come in.
    type: int
    default: 5
  samples:
    description: The most differing rows to show for each table.
    type: int
    default: 5
  sample_events:
    description: Events to measure the speed with in check mode; V(0) measures nothing.
    type: int
    default: 2000
  timeout:
    description: Seconds that one run of C(php) may take; what it committed is kept. Omitted, there is no end.
    type: float
"""
