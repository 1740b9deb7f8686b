# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a whole server's files, made consistent and opened by a scratch server of the same release series."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from typing import Any, Dict, Iterator, List, Tuple

from ..core.errors import Failed, RunbookError, Unavailable
from ..storage.base import Storage
from . import scratch, scratch_programs
from .manifest import Manifest
from .restore_engines import Restored
from .restore_source import opened
from .restore_target import Target, check_space

#: What the files were made with and can't be opened without; the backup program notes it in backup-my.cnf.
_NEEDED = ("innodb_page_size", "innodb_data_file_path", "innodb_undo_tablespaces", "innodb_checksum_algorithm")
_USER = "finaegis_scratch"


@contextlib.contextmanager
def physical(
    params: Dict[str, Any], storage: Storage, manifest: Manifest, commands: List[List[str]]
) -> Iterator[Tuple[Target, Restored]]:
    """The scratch server on the restored files; when they are damaged or refused the server does not run, and ``Restored`` says why.

    :raises Refused: when this machine's server is of another series, or the disk too small. :raises Unavailable: without the programs.
    """
    base = params["scratch_dir"]
    scratch.sweep(base)
    program = scratch_programs.find(params["scratch_server"], manifest.server.get("flavor"))
    scratch_programs.refuse_unfit(program, manifest.server, True)
    check_space(base, manifest)
    names = ("mbstream", "mariadb-backup") if program.server.is_mariadb else ("xbstream", "xtrabackup")
    unpacker, preparer = (_program(name) for name in names)
    memory = params["scratch_memory_bytes"] or scratch_programs.default_memory()
    with scratch.Scratch(base, program, memory, user=_USER) as server:
        began = time.monotonic()
        restored = Restored()
        _unpack(storage, manifest, commands, unpacker, server.data, restored)
        try:
            if not (restored.damage or restored.unread):
                _prepare(preparer, server.data, memory)
                server.settings += _settings(server)
                server.start()
        except RunbookError as error:
            restored.refusal = error
        restored.seconds = time.monotonic() - began

        def death() -> str:
            return " ".join(filter(None, (server.death(), server.last_words()))) if server.death() else ""

        text = "%s %s" % (program.server.flavor, program.server.release)
        there = Target(
            server.login, manifest.database, server.home, death, 0.0, text, program.server.is_mariadb, server.relay
        )
        yield there, restored


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise Unavailable(
            "There is no %s where this task runs." % name, "Install the server's backup program (mariadb-backup)."
        )
    return path


def _unpack(
    storage: Storage, manifest: Manifest, commands: List[List[str]], unpacker: str, directory: str, restored: Restored
) -> None:
    os.mkdir(directory, 0o700)
    with opened(storage, manifest.parts[0], commands) as source:
        # Its input is the end of a pipe of programs, which run_command can't give.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [unpacker, "-x", "-C", directory], stdin=source.out, capture_output=True, check=False
        )
        restored.damage += source.finish()
        restored.unread += [source.unread] if source.unread else []
        if done.returncode and not (restored.damage or restored.unread):
            said = " ".join(done.stderr.decode("utf-8", "replace").split())[-300:]
            restored.damage.append("%s can't unpack it: %s" % (os.path.basename(unpacker), said))


def _prepare(preparer: str, directory: str, memory: int) -> None:
    """Bring the files to the moment at which the copy ended.

    :raises Failed: unless the program says that it is complete.
    """
    argv = [preparer, "--no-defaults", "--prepare", "--target-dir=" + directory, "--use-memory=%d" % memory]
    # A program of the room, not of the module.
    done = subprocess.run(argv, capture_output=True, check=False)  # pylint: disable=ansible-bad-function
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode or "completed OK!" not in said:
        raise Failed("The files can't be made consistent: %s" % " ".join(said.split())[-400:])


def _settings(server: scratch.Scratch) -> List[str]:
    """What the files need, and an administrator of our own: the server's users are those of the backup."""
    found = []
    with contextlib.suppress(OSError), open(os.path.join(server.data, "backup-my.cnf"), encoding="utf-8") as handle:
        for name, value in re.findall(r"^(\w+)\s*=\s*(.+)$", handle.read(), re.MULTILINE):
            if name in _NEEDED:
                found.append("--%s=%s" % (name.replace("_", "-"), value.strip()))
    path = os.path.join(server.home, "init.sql")
    with open(path, "w", encoding="utf-8") as handle:
        handle.write(
            "CREATE OR REPLACE USER '%s'@'localhost';\n" % _USER
            if server.program.server.is_mariadb
            else "CREATE USER IF NOT EXISTS '%s'@'localhost';\n" % _USER
        )
        handle.write("GRANT ALL ON *.* TO '%s'@'localhost' WITH GRANT OPTION;\n" % _USER)
    # The files were written a moment ago and are still in memory: to read past that, as is the default, takes twice as long.
    return [*found, "--init-file=" + path, "--innodb-flush-method=fsync"]
