# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a storage into a server, by engine. What is wrong with the backup itself is collected, apart from what the server refuses."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Set

from ..core.errors import BadInput, RunbookError
from ..mysql import connection as mysql
from ..mysql.dialect import quote_identifier
from ..mysql.login import Login
from .manifest import Manifest, Part
from .restore_load import SMALL_ROWS, Loaded, Loader
from .restore_source import Lines, Opened, opened
from .storage import Storage

#: Engines whose backups are SQL text, which any server can load.
LOGICAL = ("dump", "mydumper")


@dataclasses.dataclass
class Restored:
    """``damage`` is what is wrong with the backup as it was stored, ``unread`` what the storage did not give, ``refusal`` what the
    server said to what was in it.

    ``loaded`` is None until something was loaded.
    """

    damage: List[str] = dataclasses.field(default_factory=list)
    unread: List[str] = dataclasses.field(default_factory=list)
    refusal: Optional[RunbookError] = None
    loaded: Optional[Loaded] = None
    seconds: float = 0.0


def small_tables(manifest: Manifest) -> Set[str]:
    """Tables that are not worth making in two steps; those of unknown size are."""
    return {
        name for name, facts in manifest.tables.items() if facts.get("rows") is not None and facts["rows"] < SMALL_ROWS
    }


class DumpRestore:
    """Restores a ``dump``: SQL text in one part, or in several that are marked tables, rows and objects."""

    def __init__(
        self,
        storage: Storage,
        manifest: Manifest,
        commands: List[List[str]],
        streams: int,
        progress: Optional[Callable[[Loaded], None]] = None,
    ) -> None:
        self._storage, self._manifest, self._commands = storage, manifest, commands
        self._streams, self._progress = streams, progress
        self._damage: Dict[str, List[str]] = {}
        self._unread: List[str] = []

    def into(self, login: Login, database: str) -> Restored:
        """Load everything into an existing, empty database. The backup is hashed on the way, so one reading is enough."""
        began = time.monotonic()
        restored = Restored()
        loader = Loader(login, database, small_tables(self._manifest), self._streams, self._progress)
        try:
            self._load(loader)
        except RunbookError as error:
            restored.refusal = error
        restored.loaded = loader.loaded
        restored.damage = [problem for part in self._manifest.parts for problem in self._damage.get(part.file, [])]
        restored.unread = list(self._unread)
        restored.seconds = time.monotonic() - began
        return restored

    def _load(self, loader: Loader) -> None:
        parts = {role: [part for part in self._manifest.parts if part.role == role] for role in
                 ("whole", "tables", "rows", "objects")}  # fmt: skip
        unknown = [part.role for part in self._manifest.parts if part.role not in parts]
        if unknown:
            raise BadInput("The backup has a part of the kind '%s', which this version does not know." % unknown[0])
        for part in parts["whole"]:
            with self._lines(part) as lines:
                loader.load_whole(lines)
        for part in parts["tables"]:
            with self._lines(part) as lines:
                loader.load_definitions(lines)
        if parts["rows"]:
            loader.load_rows([lambda part=part: self._lines(part) for part in parts["rows"]])  # type: ignore[misc]
        for part in parts["objects"]:
            with self._lines(part) as lines:
                loader.load_definitions(lines)

    @contextlib.contextmanager
    def _lines(self, part: Part) -> Iterator[Iterable[bytes]]:
        with opened(self._storage, part, self._commands) as source:
            lines = Lines(source.out)
            try:
                yield lines
            finally:
                # Also after a refusal: damage explains it, and comes first.
                self._damage[part.file] = self._judge(part, source, lines)

    def _judge(self, part: Part, source: Opened, lines: Lines) -> List[str]:
        for _line in lines:
            pass
        problems = source.finish()
        if source.unread:
            self._unread.append(source.unread)
            return []
        if part.role == "whole" and not problems:
            if not lines.text.complete:
                problems.append(
                    "%s does not end as a complete dump does, but with '%s'" % (part.file, lines.text.last_line)
                )
            if lines.database and lines.database != self._manifest.database:
                problems.append("%s is a dump of '%s' by its own first lines" % (part.file, lines.database))
        return problems


def make_database(login: Login, database: str) -> None:
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        connection.rows("CREATE DATABASE %s CHARACTER SET utf8mb4" % quote_identifier(database))


def drop_database(login: Login, database: str) -> None:
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        connection.rows("DROP DATABASE IF EXISTS %s" % quote_identifier(database))


def make_definers(login: Login, database: str) -> None:
    """On a scratch server: accounts, which nobody can use, for those in whose name views and routines run; else these fail there."""
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        definers = {
            str(row["definer"])
            for view, column in (("VIEWS", "TABLE"), ("TRIGGERS", "TRIGGER"), ("ROUTINES", "ROUTINE"))
            for row in connection.rows(
                "SELECT DISTINCT DEFINER AS definer FROM information_schema.%s WHERE %s_SCHEMA = %%s" % (view, column),
                [database],
            )
        }
        for definer in sorted(definers):
            user, unused, host = definer.rpartition("@")
            connection.rows("CREATE USER IF NOT EXISTS %s@%s ACCOUNT LOCK", [user, host])
            connection.rows("GRANT ALL ON *.* TO %s@%s", [user, host])


def is_empty(login: Login, database: str) -> Optional[bool]:
    """Whether a database holds nothing; None when there is no such database, or this user sees none."""
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        there = connection.value("SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", [database])
        if not there:
            return None
        counts = [
            connection.value(
                "SELECT COUNT(*) FROM information_schema.%s WHERE %s_SCHEMA = %%s" % (view, column), [database]
            )
            for view, column in (("TABLES", "TABLE"), ("ROUTINES", "ROUTINE"), ("EVENTS", "EVENT"))
        ]
    return not any(int(count) for count in counts)
