# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a storage into a server, by engine. What is wrong with the backup itself is collected, apart from what the server refuses."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import tempfile
import time
from typing import IO, Callable, List, Optional, Set, Tuple

from ..core.errors import BadInput, RunbookError
from ..mysql import connection as mysql
from ..mysql.dialect import quote_identifier
from ..mysql.login import Login
from ..storage.base import CHUNK, Storage
from .engines import mydumper
from .manifest import Manifest, Part
from .restore_load import SMALL_ROWS, Loaded, Loader
from .restore_source import Lines, Opened, opened


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


class LogicalRestore:
    """Restores SQL text: a ``dump``, or the files of ``mydumper``, which lie in ``work_dir`` meanwhile."""

    def __init__(
        self,
        storage: Storage,
        manifest: Manifest,
        commands: List[List[str]],
        streams: int,
        work_dir: str,
        progress: Optional[Callable[[Loaded], None]] = None,
    ) -> None:
        self._storage, self._manifest, self._commands = storage, manifest, commands
        self._streams, self._work_dir, self._progress = streams, work_dir, progress
        self._damage: List[str] = []
        self._unread: List[str] = []

    def into(self, login: Login, database: str) -> Restored:
        """Load everything into an existing, empty database. The backup is hashed on the way, so one reading is enough."""
        began = time.monotonic()
        restored = Restored()
        loader = Loader(login, database, small_tables(self._manifest), self._streams, self._progress)
        try:
            load = {"dump": self._load_dump, "mydumper": self._load_mydumper}.get(self._manifest.engine)
            if load is None:
                raise BadInput(
                    "Backups of the engine '%s' can't be loaded into a running server." % self._manifest.engine
                )
            load(loader)
        except RunbookError as error:
            restored.refusal = error
        restored.loaded = loader.loaded
        restored.damage, restored.unread = list(self._damage), list(self._unread)
        restored.seconds = time.monotonic() - began
        return restored

    def _load_dump(self, loader: Loader) -> None:
        with opened(self._storage, self._manifest.parts[0], self._commands) as source:
            lines = Lines(source.out)
            try:
                loader.load_whole(lines)
            except RunbookError:
                self._read_on(source, lines)  # damage explains a refusal, and comes first
                raise
            self._read_on(source, lines)

    def _read_on(self, source: Opened, lines: Lines) -> None:
        for _line in lines:
            pass
        if self._whole(source):
            self._judge_text(self._manifest.parts[0], lines)

    def _load_mydumper(self, loader: Loader) -> None:
        directory = tempfile.mkdtemp(dir=self._work_dir)
        try:
            with opened(self._storage, self._manifest.parts[0], self._commands) as source:
                try:
                    names = mydumper.unpack(iter(lambda: source.out.read(CHUNK), b""), directory)
                except BadInput as error:
                    self._damage.append(error.message)
                    names = []
                if not self._whole(source) or self._damage:
                    return
            if "metadata" not in names:
                self._damage.append("the archive has no metadata, which mydumper writes last")
                return
            tables, rows, objects = _kinds(names)
            for name in tables:
                with open(os.path.join(directory, name), "rb") as handle:
                    loader.load_definitions(handle)
            loader.load_rows([functools.partial(_open, os.path.join(directory, name)) for name in rows])
            for name in objects:
                with open(os.path.join(directory, name), "rb") as handle:
                    loader.load_definitions(handle)
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _whole(self, source: Opened) -> bool:
        self._damage += source.finish()
        self._unread += [source.unread] if source.unread else []
        return not (self._damage or self._unread)

    def _judge_text(self, part: Part, lines: Lines) -> None:
        if not lines.text.complete:
            self._damage.append(
                "%s does not end as a complete dump does, but with '%s'" % (part.file, lines.text.last_line)
            )
        if lines.database and lines.database != self._manifest.database:
            self._damage.append("%s is a dump of '%s' by its own first lines" % (part.file, lines.database))


def _open(path: str) -> IO[bytes]:
    return open(path, "rb")


def _kinds(names: List[str]) -> Tuple[List[str], List[str], List[str]]:
    """mydumper's files: tables; rows, the largest numbers last; views, triggers, routines and events."""
    tables = sorted(name for name in names if name.endswith("-schema.sql"))
    objects = [
        name
        for suffix in ("-schema-view.sql", "-schema-triggers.sql", "-schema-post.sql")
        for name in sorted(names)
        if name.endswith(suffix)
    ]
    others = {"metadata", *tables, *objects}
    rows = sorted(
        name for name in names if name.endswith(".sql") and name not in others and "-schema-create" not in name
    )
    return tables, rows, objects


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
