# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a verification restores to: a scratch server of its own, or a new database on a server that you name. Gone afterwards."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import time
from typing import Any, Callable, Dict, Iterator, Optional

from ..core.errors import Refused
from ..mysql import connection as mysql
from ..mysql.login import Login, resolve
from . import restore_engines, scratch, scratch_programs
from .manifest import Manifest

#: Bytes on disk that a restored database needs at most for one byte of its SQL text: rows, keys, redo log and room to sort.
_SPACE_FACTOR = 2.5
_SPACE_LEAST = 800 << 20


@dataclasses.dataclass
class Target:
    """``death`` says how a scratch server ended, empty while it runs; ``seconds`` is how long it took to come up. ``relay_dir`` is the
    scratch server's directory of relay logs.
    """

    login: Login
    database: str
    work_dir: str
    death: Callable[[], str]
    seconds: float
    server: str
    is_mariadb: bool
    relay_dir: Optional[str] = None


@contextlib.contextmanager
def target(params: Dict[str, Any], manifest: Manifest) -> Iterator[Target]:
    """An empty database to restore into.

    :raises Refused: when the server is not fit, the disk too small, or the database there already.
    """
    scratch.sweep(params["scratch_dir"])
    if params["target"] == "server":
        with _named(params, manifest) as found:
            yield found
        return
    base = params["scratch_dir"]
    began = time.monotonic()
    program = scratch_programs.find(params["scratch_server"], manifest.server.get("flavor"))
    scratch_programs.refuse_unfit(program, manifest.server, manifest.engine == "physical")
    check_space(base, manifest)
    memory = params["scratch_memory_bytes"] or scratch_programs.default_memory()
    with scratch.Scratch(base, program, memory) as server:
        server.install()
        server.start()
        restore_engines.make_database(server.login, manifest.database)

        def death() -> str:
            return " ".join(filter(None, (server.death(), server.last_words()))) if server.death() else ""

        text = "%s %s" % (program.server.flavor, program.server.release)
        yield Target(
            server.login,
            manifest.database,
            server.home,
            death,
            time.monotonic() - began,
            text,
            program.server.is_mariadb,
            server.relay,
        )


@contextlib.contextmanager
def _named(params: Dict[str, Any], manifest: Manifest) -> Iterator[Target]:
    began = time.monotonic()
    login = dataclasses.replace(resolve(params), database=None)
    database = params["target_database"] or manifest.database + "_verify"
    with mysql.login(login) as connection:
        server = mysql.server(connection)
    scratch_programs.refuse_unfit(scratch_programs.ServerProgram(login.place, None, server), manifest.server, False)
    if restore_engines.is_empty(login, database) is not None:
        raise Refused(
            "There is a database '%s' at %s already." % (database, login.place),
            "A verification makes its own and drops it; name another with target_database, or drop it if a killed run left it.",
        )
    restore_engines.make_database(login, database)
    try:
        with scratch.PrivateDir(params["scratch_dir"]) as work:
            yield Target(
                login, database, work.home, lambda: "", time.monotonic() - began, server.text, server.is_mariadb
            )
    finally:
        restore_engines.drop_database(login, database)


def check_space(base: str, manifest: Manifest) -> None:
    """:raises Refused: when the restored data would not fit below ``base``."""
    needed = int((manifest.uncompressed_bytes or 0) * _SPACE_FACTOR) + _SPACE_LEAST
    free = shutil.disk_usage(base).free if os.path.isdir(base) else needed
    if free < needed:
        raise Refused(
            "%s has %d bytes free; the restored database may need %d. Nothing was restored." % (base, free, needed),
            "Free space, or choose another scratch_dir.",
        )
