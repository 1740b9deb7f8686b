# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session that reads and can't write, whose statements end, and which means the same on every server."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator, Optional, Tuple

from ..core.errors import Unavailable
from ..mysql.connection import Connection, SqlError, connect, server
from ..mysql.dialect import Server

#: The longest a single statement may take, in seconds; the server ends it then. A chunk takes a small part of one.
STATEMENT_SECONDS = 300
#: The servers' numbers for a statement that took too long (MySQL, MariaDB) and for lost connections.
OUT_OF_TIME = (3024, 1969)
_NO_RIGHT = (1045, 1142, 1143, 1227)


def open_session(params: Dict[str, Any], seconds: int = STATEMENT_SECONDS) -> Tuple[Connection, Server]:
    """Log in for reading. ``params`` are those of ``core.options.mysql()`` and ``options.event_store()``.

    The SQL mode is emptied, because it changes what quotes mean; the time zone is the application's, so that NOW() and its times
    can be compared.
    """
    connection = connect(params)
    try:
        of = server(connection)
        limit = ("max_statement_time", seconds) if of.is_mariadb else ("max_execution_time", seconds * 1000)
        connection.rows(
            f"SET SESSION sql_mode = '', time_zone = %s, group_concat_max_len = 67108864, {limit[0]} = %s",
            [params["time_zone"], limit[1]],
        )
        connection.rows("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.rows("SET SESSION TRANSACTION READ ONLY")
    except BaseException:
        connection.close()
        raise
    return connection, of


@contextlib.contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """All statements of the body see the state of one moment, and the server refuses to write."""
    connection.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    try:
        yield
    except BaseException:
        with contextlib.suppress(SqlError):  # a broken connection has no transaction any more
            connection.rows("ROLLBACK")
        raise
    connection.rows("COMMIT")


def lag_seconds(connection: Connection, of: Server) -> Tuple[bool, Optional[float]]:
    """Whether this server is a replica, and how many seconds it is behind; None when its replication does not run.

    :raises Unavailable: when this user may not ask.
    """
    modern = of.version >= ((10, 5, 1) if of.is_mariadb else (8, 0, 22))
    try:
        rows = connection.rows("SHOW REPLICA STATUS" if modern else "SHOW SLAVE STATUS")
    except SqlError as error:
        if error.code not in _NO_RIGHT:
            raise
        raise Unavailable(
            "Whether this server lags behind another can't be seen: %s" % error.message,
            "Grant this user REPLICA MONITOR (MariaDB) or REPLICATION CLIENT (MySQL), or leave max_lag_seconds out.",
        ) from error
    if not rows:
        return False, 0.0
    lags = [row.get("Seconds_Behind_Source", row.get("Seconds_Behind_Master")) for row in rows]
    return True, None if None in lags else max(float(lag) for lag in lags if lag is not None)
