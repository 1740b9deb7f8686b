# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mariadb-backup or xtrabackup: the files of the whole server in one stream, in the state of the stream's end."""

from __future__ import annotations

import os
import re
from typing import Iterator, List, Optional, Tuple

from ...core.errors import Refused
from ...mysql.connection import Connection
from ...mysql.dialect import Server
from ..programs import Program, find
from .base import Child, Engine, Job, Running

#: From this line on nobody can commit, until the copy is complete: what is committed now is what is in it.
_MOMENT = re.compile(r"Acquired locks for BACKUP STAGE BLOCK_COMMIT|Executing LOCK BINLOG FOR BACKUP")
_POSITION = re.compile(r"binlog position: filename '([^']+)', position '(\d+)'")


class Physical(Engine):
    name = "physical"
    suffix = ".xb"
    fixes_first = False
    needs_files = True
    needs_spool = True

    def program(self, server: Server, wanted: str) -> Program:
        names, package = (
            (["mariadb-backup", "mariabackup"], "mariadb-backup of the server's version")
            if server.is_mariadb
            else (["xtrabackup"], "percona-xtrabackup of the server's version")
        )
        program = find(names if wanted == "auto" else [wanted], package)
        version = re.search(r"based on MariaDB server (\d+)\.(\d+)|xtrabackup version (\d+)\.(\d+)", program.text)
        own = tuple(int(number) for number in version.groups() if number) if version else None
        if own != server.version[:2]:
            raise Refused(
                "%s is for version %s and the server is %s."
                % (program.path, "%d.%d" % own if own else "unknown", server.release),
                "Copies of the files are only safe with the program of the same version: install %s. Nothing was done."
                % package,
            )
        return program

    def look(self, connection: Connection) -> str:
        directory = str(connection.value("SELECT @@datadir"))
        if not os.access(os.path.join(directory, "ibdata1"), os.R_OK):
            raise Refused(
                "The server's files in %s can't be read where this task runs." % directory,
                "The engine physical must run on the server's host, as a user that may read its files. Take engine dump or mydumper "
                "from elsewhere. Nothing was done.",
            )
        return directory

    def start(self, job: Job) -> Running:
        return _Running(job)

    def dialect(self, program: Program, server: Server) -> bool:
        return True  # any other was refused


def argv(program: Program, options_fd: int, directory: str, spool: str, threads: int) -> List[str]:
    """The command; hardly anything is written to ``spool`` while streaming, but a directory must be named."""
    command = [program.path, "--defaults-file=/dev/fd/%d" % options_fd, "--backup", "--stream=xbstream"]
    return [*command, "--parallel=%d" % threads, "--datadir=%s" % directory, "--target-dir=%s" % spool]


class _Running(Running):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self._position: Optional[Tuple[str, int]] = None
        self._last = ""
        self._child = Child(
            argv(job.program, job.options_fd, job.data_directory, job.spool, job.threads), job.options_fd, self._heard
        )

    def _heard(self, line: str) -> None:
        if _MOMENT.search(line):
            self.mark()
        found = _POSITION.search(line)
        if found:
            self._position = (found.group(1), int(found.group(2)))
        self._last = line

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._child.chunks()
        finally:
            self.moment.set()

    def finish(self, timeout: Optional[float]) -> Optional[str]:
        rc = self._child.wait(timeout)
        if rc is None:
            return None
        said = " ".join(self._child.lines[-5:]) or "it said nothing"
        if rc:
            return "the backup program ended with %d: %s" % (rc, said)
        if not self._last.endswith("completed OK!"):
            return "the backup program ended well but did not say 'completed OK!': %s" % said
        return ""

    def kill(self) -> None:
        self._child.kill()

    def stop(self) -> None:
        self._child.stop()

    @property
    def position(self) -> Optional[Tuple[str, int]]:
        return self._position
