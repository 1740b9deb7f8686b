# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables as the server describes them: which are meant, how fragmented they are, what rebuilding them would block. Pure."""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import Dict, List, Optional, Sequence

from .dialect import Server

ONLINE = "online"
BLOCKS_WRITES = "blocks_writes"
BLOCKS_ALL = "blocks_all"

#: Among the kinds of a table's indexes: one of them is on a virtual column.
VIRTUAL = "VIRTUAL"

#: InnoDB extends a file by four extents and keeps as many free: OPTIMIZE can't win these back (``fsp_try_extend_data_file``
#: and ``FSP_FREE_ADD`` in both servers; 4 to 7 MB are seen in tables that were never deleted from).
_RESERVED_EXTENTS = 8
_MIB = 1024 * 1024


@dataclasses.dataclass(frozen=True)
class Table:
    """One table. Sizes are bytes; ``file_bytes`` is the size of its own files, None when it shares a file with others.

    ``files`` is their number, more than one with partitions. ``indexes`` holds the kinds of its indexes, such as BTREE,
    FULLTEXT or VIRTUAL. ``elsewhere`` says that a DATA DIRECTORY puts it on another disk, perhaps.
    """

    schema: str
    name: str
    kind: str = "BASE TABLE"
    engine: str = "InnoDB"
    data_bytes: int = 0
    index_bytes: int = 0
    free_bytes: int = 0
    file_bytes: Optional[int] = None
    files: int = 1
    indexes: Sequence[str] = ()
    elsewhere: bool = False

    @property
    def full_name(self) -> str:
        return "%s.%s" % (self.schema, self.name)

    @property
    def is_view(self) -> bool:
        return self.kind in ("VIEW", "SYSTEM VIEW")

    @property
    def is_innodb(self) -> bool:
        return self.engine.lower() == "innodb"

    @property
    def shares_a_file(self) -> bool:
        """Whether its free space is that of a file with other tables in it, where OPTIMIZE frees nothing for the disk."""
        return self.is_innodb and self.file_bytes is None and not self.is_view

    @property
    def bytes(self) -> int:
        """What it takes on disk: its files, or without a file of its own its pages."""
        if self.file_bytes is not None:
            return self.file_bytes
        return self.data_bytes + self.index_bytes + (0 if self.shares_a_file else self.free_bytes)

    def reclaimable(self, page_bytes: int) -> int:
        """Free bytes without what InnoDB keeps for itself; 0 when they can't be told apart from other tables'.

        :param page_bytes: ``innodb_page_size`` of the server; an extent is 1 MiB, with pages of 32 and 64 KiB 64 pages.
        """
        if self.shares_a_file or self.is_view:
            return 0
        if not self.is_innodb:
            return self.free_bytes
        extent = max(_MIB, 64 * page_bytes if page_bytes > 16384 else 0)
        return max(0, self.free_bytes - _RESERVED_EXTENTS * extent * self.files)


@dataclasses.dataclass(frozen=True)
class Settings:
    """Server variables that decide how a table is rebuilt."""

    page_bytes: int = 16384
    copies: bool = False
    fulltext_only: bool = False
    online_log_bytes: int = 128 * _MIB
    read_only: bool = False


@dataclasses.dataclass(frozen=True)
class Rebuild:
    """What OPTIMIZE would do. ``mode`` is None when the engine has nothing to rebuild; ``why`` explains what is not online."""

    mode: Optional[str]
    why: str = ""


@dataclasses.dataclass(frozen=True)
class Disk:
    """Free bytes of the disk that holds the data; None with the reason in ``why`` where they can't be known."""

    path: str
    free_bytes: Optional[int]
    why: str = ""


def parse_settings(variables: Dict[str, str]) -> Settings:
    """From ``SHOW VARIABLES``. MariaDB's ``old_alter_table`` is an alias of ``alter_algorithm``: ON means COPY."""
    return Settings(
        page_bytes=int(variables.get("innodb_page_size", 16384)),
        copies=bool(
            {variables.get(name, "").upper() for name in ("old_alter_table", "alter_algorithm")} & {"ON", "COPY"}
        ),
        fulltext_only=variables.get("innodb_optimize_fulltext_only", "OFF").upper() == "ON",
        online_log_bytes=int(variables.get("innodb_online_alter_log_max_size", 128 * _MIB)),
        # MariaDB 12 has more values than ON and OFF, such as NO_LOCK.
        read_only=variables.get("read_only", "OFF").upper() not in ("OFF", "0"),
    )


def rebuild(table: Table, server: Server, settings: Settings) -> Rebuild:
    """What OPTIMIZE TABLE would do to ``table``; the same as ``ALTER TABLE ... FORCE`` with the best algorithm the server has.

    The integration tests ask real servers for the same answer (``ALGORITHM=INPLACE, LOCK=NONE``).
    """
    if not table.is_innodb:
        if table.engine.lower() in ("myisam", "aria", "archive"):
            return Rebuild(BLOCKS_ALL, "%s locks the whole table, for readers too" % table.engine)
        return Rebuild(None, "the engine %s has nothing to optimize" % table.engine)
    if settings.copies:
        return Rebuild(BLOCKS_WRITES, "old_alter_table or alter_algorithm makes the server copy the table")
    if "FULLTEXT" in table.indexes:
        return Rebuild(BLOCKS_WRITES, "it has a FULLTEXT index")
    if "SPATIAL" in table.indexes:
        return Rebuild(BLOCKS_WRITES, "it has a SPATIAL index")
    if server.is_mariadb and VIRTUAL in table.indexes:
        return Rebuild(BLOCKS_WRITES, "it has an index on a virtual column")
    return Rebuild(ONLINE)


def space_needed(table: Table, mode: Optional[str], settings: Settings) -> int:
    """Bytes of disk that a rebuild may take while it runs: a second copy, and the log of changes made meanwhile."""
    if mode is None:
        return 0
    # The statistics may be old; where the file has a size of its own, what is not free in it is in use.
    used = max(table.data_bytes + table.index_bytes, (table.file_bytes or 0) - table.free_bytes)
    return used + (settings.online_log_bytes if mode == ONLINE else 0)


def choose(known: Sequence[Table], names: Sequence[str], patterns: Sequence[str]) -> List[Table]:
    """The tables meant, in the order of ``known``; without names and patterns every base table.

    Names mean any kind of table, views included; patterns only base tables. Both are compared as the server compares
    them: exactly. See ``missing`` for names that are not there.
    """
    if not names and not patterns:
        patterns = ["*"]
    return [
        table
        for table in known
        if table.name in names
        or (table.kind == "BASE TABLE" and any(fnmatch.fnmatchcase(table.name, pattern) for pattern in patterns))
    ]


def missing(known: Sequence[Table], names: Sequence[str]) -> List[str]:
    """Names that no table has."""
    there = {table.name for table in known}
    return [name for name in names if name not in there]
