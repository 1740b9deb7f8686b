# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mysqldump or mariadb-dump: SQL text in one stream, loadable by anything.

The program spends most of its time on looking for characters of several bytes in what it quotes. Where all text is UTF-8 and nothing is
binary it is told to take the bytes as they are, which gives the same text, but for the one line that says what it is: that we put right.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Iterable, Iterator, List, Optional, Tuple

from ...mysql.dialect import Server
from ..dump_text import DumpText
from ..programs import Program, buffered, find
from .base import Child, Engine, Job, Running

_NAMES = re.compile(rb"(SET NAMES )binary\b")
#: The line is in the header, which is shorter than this.
_HEAD_BYTES = 16384


class Dump(Engine):
    name = "dump"
    suffix = ".sql"
    takes_bytes = True

    def program(self, server: Server, wanted: str) -> Program:
        native = ["mariadb-dump", "mysqldump"] if server.is_mariadb else ["mysqldump", "mariadb-dump"]
        package = "the client programs of the server (mariadb-client or mysql-client), or name one with program"
        program = find(native if wanted == "auto" else [wanted], package)
        return dataclasses.replace(program, launcher=buffered(program))

    def start(self, job: Job) -> Running:
        return _Running(job)


def argv(program: Program, options_fd: int, database: str, with_position: bool, plain_text: bool) -> List[str]:
    """The command; the login is in the option file behind ``options_fd``, and no other option file is read."""
    command = [*program.launcher, program.path, "--defaults-file=/dev/fd/%d" % options_fd, "--single-transaction"]
    command += ["--quick", "--routines", "--triggers", "--events", "--no-tablespaces", "--skip-lock-tables"]
    # Of bytes taken as they are --hex-blob would make numbers, text or not.
    command += ["--default-character-set=binary"] if plain_text else ["--default-character-set=utf8mb4", "--hex-blob"]
    command.append("--max-allowed-packet=1G")
    if not program.is_mariadb:
        command.append("--set-gtid-purged=OFF")
        if program.version >= (8, 0):
            command.append("--column-statistics=0")  # 5.7 does not know it, and 8.0 fails with it on older servers
    if with_position:
        command.append("--master-data=2")
    return [*command, "--", database]


def as_utf8(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same dump, which says of its text that it is UTF-8."""
    head: Optional[bytes] = b""
    for chunk in chunks:
        if head is not None:
            head += chunk
            if _NAMES.search(head) is None and len(head) < _HEAD_BYTES:
                continue
            chunk, head = _NAMES.sub(rb"\1utf8mb4", head, 1), None
        yield chunk
    if head:
        yield head


class _Running(Running):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self._text = DumpText()
        with_position = job.ask_position and job.program.is_mariadb
        self._plain_text = job.plain_text
        command = argv(job.program, job.options_fd, job.database, with_position, job.plain_text)
        self._child = Child(command, job.options_fd)

    def chunks(self) -> Iterator[bytes]:
        return as_utf8(self._watched()) if self._plain_text else self._watched()

    def _watched(self) -> Iterator[bytes]:
        try:
            for chunk in self._child.chunks():
                self._text.feed(chunk)
                if not self.fixed and self._text.past_snapshot:
                    self.mark()
                yield chunk
        finally:
            self.moment.set()

    def finish(self, timeout: Optional[float]) -> Optional[str]:
        rc = self._child.wait(timeout)
        if rc is None:
            return None
        if rc:
            return "the dump program ended with %d: %s" % (rc, self._child.said or "it said nothing")
        if self._child.said:
            return "the dump program ended well but warned: %s" % self._child.said
        if not self._text.complete:
            return (
                "the dump program ended well but its output ends with '%s' instead of '-- Dump completed'"
                % self._text.last_line
            )
        return ""

    def kill(self) -> None:
        self._child.kill()

    def stop(self) -> None:
        self._child.stop()

    @property
    def position(self) -> Optional[Tuple[str, int]]:
        return self._text.position
