# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads tables, the server settings that matter to them, and the free space of the disk below them."""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional, Set, Tuple

from .connection import Connection, SqlError
from .dialect import Server
from .tables import VIRTUAL, Disk, Settings, Table, parse_settings

_SETTINGS = (
    "alter_algorithm",
    "innodb_online_alter_log_max_size",
    "innodb_optimize_fulltext_only",
    "innodb_page_size",
    "old_alter_table",
    "read_only",
)
_OF_THE_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")
_PRIVILEGE_NEEDED = 1227
#: Files that belong to a FULLTEXT index, or to a table that is being rebuilt.
_NOT_A_TABLE = re.compile(r"/(fts_[0-9a-f]{16}|#sql)", re.IGNORECASE)


def read_settings(connection: Connection) -> Settings:
    names = ", ".join("'%s'" % name for name in _SETTINGS)
    found = connection.rows("SHOW GLOBAL VARIABLES WHERE Variable_name IN (%s)" % names)
    return parse_settings({row["Variable_name"]: row["Value"] for row in found})


def read_tables(connection: Connection, server: Server, schema: str = "", name: str = "") -> List[Table]:
    """Tables and views by name: those of ``schema`` (without one, of all databases but the system's), or the one ``name`` in it.

    The numbers are those of now, not the ones MySQL keeps for a day. Without the PROCESS privilege the sizes of files can't
    be read; then ``file_bytes`` is None for all.
    """
    if not server.is_mariadb:
        connection.rows("SET SESSION information_schema_stats_expiry = 0")
    where, args = "table_schema NOT IN (%s, %s, %s, %s)", list(_OF_THE_SYSTEM)
    if schema:
        where, args = "table_schema = %s", [schema]
    if name:
        where, args = where + " AND table_name = %s", [*args, name]
    rows = connection.rows(
        "SELECT table_schema AS s, table_name AS t, table_type AS kind, engine AS engine, data_length AS data,"
        " index_length AS indexes, data_free AS free, create_options AS options, " + _file_name(server) + " AS file"
        " FROM information_schema.tables WHERE " + where + " ORDER BY table_schema, table_name",
        args,
    )
    indexes = _read_indexes(connection, where, args)
    files = _read_files(connection, server, _common_prefix(rows, schema, name))
    return [_table(row, indexes.get((row["s"], row["t"]), set()), files.get(_text(row["file"]))) for row in rows]


def _file_name(server: Server) -> str:
    """How InnoDB's list of files spells a table: MariaDB as the file does, MySQL as people do."""
    if not server.is_mariadb:
        return "CONCAT(table_schema, '/', table_name)"
    spelled = "CAST(CONVERT(%s USING filename) AS BINARY)"
    return "CONCAT(%s, '/', %s)" % (spelled % "table_schema", spelled % "table_name")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _common_prefix(rows: List[Dict[str, Any]], schema: str, name: str) -> str:
    """What all wanted entries in InnoDB's list begin with, so that reading one table does not read all."""
    if not rows or not schema:
        return ""
    first = _text(rows[0]["file"])
    return first if name else first.partition("/")[0] + "/"


def _table(row: Dict[str, Any], indexes: Set[str], files: Optional[Tuple[int, int]]) -> Table:
    return Table(
        schema=row["s"],
        name=row["t"],
        kind=row["kind"],
        engine=row["engine"] or "",
        data_bytes=int(row["data"] or 0),
        index_bytes=int(row["indexes"] or 0),
        free_bytes=int(row["free"] or 0),
        file_bytes=files[0] if files else None,
        files=files[1] if files else 1,
        indexes=tuple(sorted(indexes)),
        elsewhere="DATA DIRECTORY" in str(row["options"] or "").upper(),
    )


def _read_indexes(connection: Connection, where: str, args: List[str]) -> Dict[Tuple[str, str], Set[str]]:
    virtual = {
        (row["s"], row["t"], row["c"])
        for row in connection.rows(
            "SELECT table_schema AS s, table_name AS t, column_name AS c FROM information_schema.columns"
            " WHERE INSTR(extra, 'VIRTUAL') > 0 AND " + where,
            args,
        )
    }
    found: Dict[Tuple[str, str], Set[str]] = {}
    for row in connection.rows(
        "SELECT table_schema AS s, table_name AS t, column_name AS c, index_type AS kind"
        " FROM information_schema.statistics WHERE " + where,
        args,
    ):
        kinds = found.setdefault((row["s"], row["t"]), set())
        kinds.add(row["kind"])
        if (row["s"], row["t"], row["c"]) in virtual:
            kinds.add(VIRTUAL)
    return found


def _read_files(connection: Connection, server: Server, prefix: str) -> Dict[str, Tuple[int, int]]:
    """Bytes and number of the files that hold one table alone, by its spelled name; partitions are added up."""
    source = "innodb_sys_tablespaces" if server.is_mariadb else "innodb_tablespaces"
    try:
        rows = connection.rows(
            "SELECT name AS name, file_size AS size FROM information_schema." + source + " WHERE LEFT(name, %s) = %s",
            [len(prefix), prefix],
        )
    except SqlError as error:
        if error.code != _PRIVILEGE_NEEDED:
            raise
        return {}
    found: Dict[str, Tuple[int, int]] = {}
    for row in rows:
        name = _text(row["name"])
        # A partition counts for its table; MySQL also lets a whole table be called so.
        for each in sorted({name, re.split("#p#", name, maxsplit=1, flags=re.IGNORECASE)[0]}):
            size, number = found.get(each, (0, 0))
            found[each] = (size + int(row["size"]), number + 1)
    return found


def count_hidden(connection: Connection, server: Server, seen: List[Table]) -> int:
    """How many InnoDB tables with a file of their own are not among ``seen``: the server shows tables only to users who have a
    right on them, and says nothing of the others.

    :raises SqlError: 1227 without the PROCESS privilege.
    """
    source = "innodb_sys_tablespaces" if server.is_mariadb else "innodb_tablespaces"
    rows = connection.rows("SELECT name AS name FROM information_schema." + source + " WHERE name LIKE '%/%'")
    names = {re.split("#p#", _text(row["name"]), maxsplit=1, flags=re.IGNORECASE)[0] for row in rows}
    ours = [name for name in names if not _NOT_A_TABLE.search(name) and name.partition("/")[0] not in _OF_THE_SYSTEM]
    return max(0, len(ours) - sum(table.file_bytes is not None for table in seen))


def read_disk(connection: Connection, is_local: bool) -> Disk:
    """The disk of the server's data, when the server is seen to run on this very machine: its process id file is here and
    names a running server. A forwarded port or a container fails that.

    :param is_local: whether the connection stays on this machine.
    """
    row = connection.rows("SELECT @@GLOBAL.datadir AS datadir, @@GLOBAL.pid_file AS pid_file")[0]
    datadir = row["datadir"]
    if not is_local or not _runs_here(os.path.join(datadir, row["pid_file"])):
        return Disk(datadir, None, "the server runs on another machine, or it can't be seen that it runs on this one")
    try:
        found = os.statvfs(datadir)
    except OSError as error:
        return Disk(datadir, None, "the data directory can't be looked at: %s" % error.strerror)
    return Disk(datadir, found.f_bavail * found.f_frsize)


def _runs_here(pid_file: str) -> bool:
    try:
        with open(pid_file, encoding="ascii") as handle:
            pid = int(handle.read())
        with open("/proc/%d/cmdline" % pid, encoding="utf-8", errors="replace") as handle:
            words = handle.read().split("\0")
    except (OSError, ValueError):
        return False
    return any(os.path.basename(word) in ("mysqld", "mariadbd") for word in words)
