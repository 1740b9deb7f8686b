# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server a backup is taken from: what it holds, whether we may see all of it, a moment in which it stands still."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from ..core.errors import Refused
from ..mysql.connection import LOST, Connection, SqlError
from ..mysql.dialect import Server

_TRANSACTIONAL = {"innodb", "rocksdb"}
#: Whose values reach a client as UTF-8 whatever it asked for.
_UTF8 = "'utf8mb4', 'utf8mb3', 'utf8', 'ascii'"
_NO_TEXT = (
    "'tinyint', 'smallint', 'mediumint', 'int', 'bigint', 'decimal', 'float', 'double', 'date', 'time', 'datetime', 'timestamp', 'year', "
    "'json', 'uuid', 'inet4', 'inet6'"
)


@dataclasses.dataclass(frozen=True)
class Table:
    name: str
    engine: str
    data_bytes: int

    @property
    def transactional(self) -> bool:
        """Whether the engine can show one state to a dump while others write."""
        return self.engine.lower() in _TRANSACTIONAL


@dataclasses.dataclass(frozen=True)
class Source:
    """``missing_rights`` are those without which a dump silently leaves things out, as far as the server shows them to us.
    ``server_bytes`` is the size of all databases, indexes included. ``plain_text`` is the answer of the function of that name.
    """

    name: str
    tables: List[Table]
    binary_log: bool
    missing_rights: List[str]
    server_bytes: int = 0
    plain_text: bool = False

    @property
    def data_bytes(self) -> int:
        return sum(table.data_bytes for table in self.tables)


def look(connection: Connection, server: Server, database: str) -> Source:
    """Read what will be dumped. Views hold no rows and are not listed.

    :raises Refused: when there is no such database, or this user sees nothing of it.
    """
    found = connection.value("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", [database])
    if found is None:
        raise Refused(
            "There is no database '%s' at %s, or this user has no right to see it." % (database, connection.place),
            "Check the option database and the user's grants.",
        )
    if not server.is_mariadb and server.version >= (8, 0, 0):
        connection.rows("SET SESSION information_schema_stats_expiry = 0")  # else sizes may be a day old
    rows = connection.rows(
        "SELECT TABLE_NAME AS name, ENGINE AS engine, DATA_LENGTH AS data_bytes FROM information_schema.TABLES"
        " WHERE TABLE_SCHEMA = %s AND TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY TABLE_NAME",
        [database],
    )
    tables = [Table(row["name"], row["engine"] or "", int(row["data_bytes"] or 0)) for row in rows]
    whole = connection.value("SELECT SUM(DATA_LENGTH + INDEX_LENGTH) FROM information_schema.TABLES")
    log = bool(connection.value("SELECT @@log_bin"))
    missing = _missing_rights(connection, database)
    return Source(database, tables, log, missing, int(whole or 0), plain_text(connection, database))


def plain_text(connection: Connection, database: str) -> bool:
    """Whether all columns hold numbers, times, or text in UTF-8, so that their values can be taken byte by byte."""
    others = connection.value(
        "SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s"
        " AND NOT IFNULL(CHARACTER_SET_NAME IN (" + _UTF8 + "), LOWER(DATA_TYPE) IN (" + _NO_TEXT + "))",
        [database],
    )
    return int(others) == 0


def _missing_rights(connection: Connection, database: str) -> List[str]:
    account = str(connection.value("SELECT CURRENT_USER()"))
    grantee = "'%s'@'%s'" % tuple(account.rsplit("@", 1))

    def held(table: str, where: str, *args: str) -> Set[str]:
        sql = "SELECT PRIVILEGE_TYPE AS held FROM information_schema.%s WHERE GRANTEE = %%s%s" % (table, where)
        return {row["held"].upper() for row in connection.rows(sql, [grantee, *args])}

    everywhere = held("USER_PRIVILEGES", "")
    here = held("SCHEMA_PRIVILEGES", " AND %s LIKE TABLE_SCHEMA", database)
    system = held("SCHEMA_PRIVILEGES", " AND TABLE_SCHEMA = 'mysql'") | held(
        "TABLE_PRIVILEGES", " AND TABLE_SCHEMA = 'mysql' AND TABLE_NAME = 'proc'"
    )
    return missing_rights(everywhere, here, system)


def missing_rights(everywhere: Set[str], here: Set[str], system: Set[str]) -> List[str]:
    """Which of the rights that make a dump whole are in none of the sets: global, on the database, on the system tables."""
    missing = [right for right in ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT") if right not in everywhere | here]
    routines = (
        {"SHOW_ROUTINE", "SHOW CREATE ROUTINE", "SELECT"} & everywhere
        or "SHOW CREATE ROUTINE" in here
        or "SELECT" in system
    )
    return (
        missing
        if routines
        else [*missing, "SHOW_ROUTINE (MySQL), SHOW CREATE ROUTINE or SELECT on mysql.proc (MariaDB)"]
    )


class GlobalReadLock:
    """``FLUSH TABLES WITH READ LOCK``: nobody can write while it is held, or while it is waited for.

    So one time limit spans both, from the first wish to the end; ``seconds`` is how long that really was.
    """

    def __init__(self, connection: Connection, limit: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._limit = limit
        self._clock = clock
        self._since: Optional[float] = None
        self.seconds = 0.0
        self.held = False
        self.reason = "" if limit > 0 else "lock_timeout_seconds is 0."

    def take(self) -> bool:
        """Whether it was granted; if not, ``reason`` says why.

        :raises SqlError: when the connection is lost.
        """
        if self._limit <= 0:
            return False
        self._since = self._clock()
        try:
            self._connection.rows("SET SESSION lock_wait_timeout = %d" % max(1, math.ceil(self._limit)))
            self._connection.rows("FLUSH TABLES WITH READ LOCK")
            self.held = True
        except SqlError as error:
            if error.code in LOST:
                raise
            self.reason = error.message
            self.seconds = self._clock() - self._since
        return self.held

    def remaining(self) -> float:
        """Seconds it may still be held."""
        return 0.0 if self._since is None else max(0.0, self._since + self._limit - self._clock())

    def release(self) -> None:
        """Let writers go on; nothing happens when it is not held."""
        if self.held and self._since is not None:
            self._connection.rows("UNLOCK TABLES")
            self.held = False
            self.seconds = self._clock() - self._since


def open_snapshot(connection: Connection, server: Server) -> None:
    """Everything this connection reads from now on is the state of this moment."""
    limit = "max_statement_time" if server.is_mariadb else "max_execution_time"
    connection.rows("SET SESSION %s = 0" % limit)
    connection.rows("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    connection.rows("START TRANSACTION WITH CONSISTENT SNAPSHOT")


def read_position(connection: Connection, server: Server) -> Dict[str, Any]:
    """Where the binary log is now; of use only while nobody can write.

    :raises SqlError: when this user may not know (1227).
    """
    renamed = not server.is_mariadb and server.version >= (8, 2, 0)
    rows = connection.rows("SHOW BINARY LOG STATUS" if renamed else "SHOW MASTER STATUS")
    gtid = rows[0].get("Executed_Gtid_Set", "").replace("\n", "") if rows else ""
    return {"file": rows[0]["File"], "position": int(rows[0]["Position"]), "gtid": gtid or None}


def snapshot_position(connection: Connection, server: Server) -> Optional[Tuple[str, int]]:
    """File and position in the binary log of the snapshot that this connection has open; None where the server does not tell (MySQL)."""
    if not server.is_mariadb:
        return None
    rows = connection.rows("SHOW STATUS LIKE 'Binlog_snapshot%'")
    found = {str(row["Variable_name"]).lower(): row["Value"] for row in rows}
    file = found.get("binlog_snapshot_file")
    return (str(file), int(found["binlog_snapshot_position"])) if file else None


def gtid_at(connection: Connection, file: str, position: int) -> Optional[str]:
    """MariaDB's GTID for a place in its binary log; None where it does not know one."""
    return connection.value("SELECT BINLOG_GTID_POS(%s, %s)", [file, position]) or None
