# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore that is under way, written into the database itself: what is half restored says so, also to the next run and to people."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict, List, Optional

from ..core.errors import Refused
from ..core.times import iso
from ..mysql import connection as mysql
from ..mysql.dialect import quote_identifier
from ..mysql.login import Login
from .restore_engines import drop_database, is_empty, make_database

#: Its presence means that the database is not whole. It is made first and dropped last.
MARKER = "finaegis_restore_in_progress"
#: What makes a server commit without waiting for the disk, and how; the server decides at each commit, so it helps at once.
FAST = {"innodb_flush_log_at_trx_commit": "0", "sync_binlog": "0"}
MISSING, EMPTY, UNFINISHED, FULL = "missing", "empty", "unfinished", "full"


@dataclasses.dataclass(frozen=True)
class Found:
    """``state`` is one of the four above; of an unfinished restore ``note`` is what it wrote down."""

    state: str
    note: Dict[str, Any]


def look(login: Login, database: str) -> Found:
    empty = is_empty(login, database)
    if empty is None:
        return Found(MISSING, {})
    if empty:
        return Found(EMPTY, {})
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        there = connection.value(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
            [database, MARKER],
        )
        if not there:
            return Found(FULL, {})
        text = connection.value("SELECT note FROM %s.%s" % (quote_identifier(database), MARKER))
    try:
        return Found(UNFINISHED, dict(json.loads(text)))
    except (TypeError, ValueError):
        return Found(UNFINISHED, {})


def refuse(found: Found, database: str, place: str, overwrite: bool, named_again: Optional[str]) -> None:
    """:raises Refused: unless the database is empty, was left by a killed restore, or may be overwritten by name."""
    if found.state != FULL or (overwrite and named_again == database):
        return
    wrong = "overwrite_database is '%s'." % named_again if overwrite else "overwrite is not set."
    raise Refused(
        "The database '%s' at %s is not empty, and %s" % (database, place, wrong),
        "Nothing was done. Restore into another target_database, or set overwrite and name '%s' again in overwrite_database: all that "
        "is in it will be gone." % database,
    )


def begin(
    login: Login, database: str, found: Found, backup: str, digest: str, now: float, settings: Dict[str, str]
) -> None:
    """Empty the database and mark it. ``settings`` are the server's own, to be put back by whoever comes next."""
    if found.state in (FULL, UNFINISHED):
        drop_database(login, database)
    if found.state != EMPTY:
        make_database(login, database)
    note = {"backup": backup, "manifest_digest": digest, "started": iso(now), "settings": settings}
    with mysql.login(dataclasses.replace(login, database=database)) as connection:
        connection.rows("CREATE TABLE %s (note TEXT) ENGINE=InnoDB" % MARKER)
        connection.rows("INSERT INTO %s VALUES (%%s)" % MARKER, [json.dumps(note)])


def end(login: Login, database: str) -> None:
    with mysql.login(dataclasses.replace(login, database=database)) as connection:
        connection.rows("DROP TABLE %s" % MARKER)


def read_settings(login: Login) -> Dict[str, str]:
    """The server's own values of what ``FAST`` changes."""
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        return {name: str(connection.value("SELECT @@GLOBAL.%s" % name)) for name in FAST}


def change_settings(login: Login, wanted: Dict[str, str]) -> List[str]:
    """Set what differs; what the server refused, in sentences."""
    refused = []
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        for name, value in wanted.items():
            if name not in FAST or str(connection.value("SELECT @@GLOBAL.%s" % name)) == value:
                continue
            try:
                connection.rows("SET GLOBAL %s = %d" % (name, int(value)))
            except mysql.SqlError as error:
                refused.append(error.message)
    return refused
