# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""mydumper: SQL text read by several sessions at once, as a tar archive of the files that it writes.

It writes into a directory. Each file goes to the stream as soon as it is complete and is removed there; when the stream can't follow,
mydumper is stopped until it can, so the directory stays small.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tarfile
import time
from typing import Iterator, List, Optional, Tuple

from ...core.errors import BadInput, Refused
from ...mysql.dialect import Server
from ...storage.base import CHUNK
from ..programs import Program, find
from .base import Child, Engine, Job, Running

#: Said when all its sessions have their snapshot, just before it lets go of its own lock.
_MOMENT = re.compile(r"Transactions started, unlocking tables|Releasing FTWR lock|Sending .*UNLOCK TABLES")
_POSITION = re.compile(r"(?:Log: |File = )(\S+)\n\s*(?:Pos: |Position = )(\d+)")
#: MiB of one file; bytes that may wait in the directory before mydumper is stopped.
_FILE_MIB = 16
_MOST_WAITING = 256 << 20
_PAUSE_SECONDS = 0.02


class Mydumper(Engine):
    name = "mydumper"
    suffix = ".tar"
    needs_spool = True

    def program(self, server: Server, wanted: str) -> Program:
        program = find(["mydumper" if wanted == "auto" else wanted], "mydumper, or take another engine")
        if program.version < (0, 10):
            raise Refused(
                "%s is %s; from 0.10 on it can be used." % (program.path, program.text), "Install a newer mydumper."
            )
        return program

    def start(self, job: Job) -> Running:
        if any(character in job.database for character in ".,"):
            raise BadInput("mydumper can't take the database name '%s'." % job.database, "Take engine dump.")
        return _Running(job)

    def dialect(self, program: Program, server: Server) -> bool:
        return True


def argv(program: Program, options_fd: int, database: str, directory: str, threads: int) -> List[str]:
    """The command; the login is in the option file behind ``options_fd``."""
    command = [
        program.path,
        "--defaults-file=/dev/fd/%d" % options_fd,
        "--database",
        database,
        "--outputdir",
        directory,
    ]
    command += ["--threads", "%d" % threads, "--chunk-filesize", "%d" % _FILE_MIB, "--verbose", "3"]
    command += ["--triggers", "--events", "--routines", "--build-empty-files"]
    # The newer name of the same: our own lock, not mydumper's, sees to tables that have no snapshots.
    return [*command, "--trx-tables" if program.version >= (0, 18) else "--trx-consistency-only"]


class _Running(Running):
    def __init__(self, job: Job) -> None:
        super().__init__()
        self._directory = os.path.join(job.spool, "files")
        self._position: Optional[Tuple[str, int]] = None
        self._finished = False
        self._complaints: List[str] = []
        self._stopped = False
        self._child = Child(
            argv(job.program, job.options_fd, job.database, self._directory, job.threads),
            job.options_fd,
            self._heard,
            "both",
        )

    def _heard(self, line: str) -> None:
        if _MOMENT.search(line):
            self.mark()
        if re.search(r"(CRITICAL|ERROR) \*\*|\*\* (CRITICAL|ERROR)", line):
            self._complaints.append(line)

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._packed()
        finally:
            self.moment.set()

    def _packed(self) -> Iterator[bytes]:
        while True:
            ended = self._child.process.poll() is not None
            complete = self._complete(ended)
            self._throttle(sum(os.path.getsize(path) for path in complete))
            for path in complete:
                yield from self._member(path)
            if ended:
                yield bytes(2 * tarfile.BLOCKSIZE)
                return
            if not complete:
                time.sleep(_PAUSE_SECONDS)

    def _complete(self, ended: bool) -> List[str]:
        """Files that nobody writes any more: listed first, then looked for among the files mydumper has open."""
        names = sorted(os.listdir(self._directory)) if os.path.isdir(self._directory) else []
        if ended:
            return [os.path.join(self._directory, name) for name in names]
        here = [os.path.join(self._directory, name) for name in names if not name.startswith("metadata")]
        descriptors = "/proc/%d/fd" % self._child.process.pid
        opened = set()
        try:
            for one in os.listdir(descriptors):
                with contextlib.suppress(OSError):
                    opened.add(os.path.realpath(os.readlink(os.path.join(descriptors, one))))
        except OSError:
            return []  # it has just ended
        return [path for path in here if os.path.realpath(path) not in opened]

    def _throttle(self, waiting: int) -> None:
        if waiting > _MOST_WAITING and not self._stopped and self.fixed:
            self._signal(signal.SIGSTOP)
        elif self._stopped and waiting < _MOST_WAITING // 2:
            self._signal(signal.SIGCONT)

    def _signal(self, which: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._child.process.send_signal(which)
            self._stopped = which == signal.SIGSTOP

    def _member(self, path: str) -> Iterator[bytes]:
        """One file as a member of the archive; then it is removed."""
        name = os.path.basename(path)
        with open(path, "rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            header = tarfile.TarInfo(name)
            header.size, header.mode = size, 0o600
            yield header.tobuf(tarfile.GNU_FORMAT)
            if name == "metadata":
                text = handle.read(CHUNK)
                self._read_metadata(text.decode("utf-8", "replace"))
                handle.seek(0)
            yield from iter(lambda: handle.read(CHUNK), b"")
        yield bytes(-size % tarfile.BLOCKSIZE)
        os.unlink(path)

    def _read_metadata(self, text: str) -> None:
        self._finished = "inished dump at" in text
        found = _POSITION.search(text)
        if found:
            self._position = (found.group(1), int(found.group(2)))

    def finish(self, timeout: Optional[float]) -> Optional[str]:
        rc = self._child.wait(timeout)
        if rc is None:
            return None
        if rc or self._complaints:
            said = " ".join(self._complaints or self._child.lines[-5:]) or "it said nothing"
            return "mydumper ended with %d: %s" % (rc, said)
        return "" if self._finished else "mydumper ended well but did not say when it finished"

    def kill(self) -> None:
        self._child.kill()

    def stop(self) -> None:
        self._child.stop()

    @property
    def position(self) -> Optional[Tuple[str, int]]:
        return self._position


def unpack(chunks: Iterator[bytes], directory: str) -> List[str]:
    """Write the members of an archive made here into ``directory``, in constant memory; their names.

    :raises BadInput: when it is no such archive.
    """
    names: List[str] = []
    try:
        # tarfile only reads of a stream; its types want a whole file.
        with tarfile.open(fileobj=_Chunks(chunks), mode="r|", bufsize=CHUNK) as archive:  # type: ignore[call-overload]
            for member in archive:
                if not member.isfile() or "/" in member.name or member.name.startswith("."):
                    raise BadInput("The archive holds '%s', which mydumper does not write." % member.name)
                source = archive.extractfile(member)
                if source is not None:
                    with open(os.path.join(directory, member.name), "xb") as target:
                        shutil.copyfileobj(source, target, CHUNK)
                names.append(member.name)
    except tarfile.TarError as error:
        raise BadInput("It is no whole tar archive: %s." % error) from error
    return names


class _Chunks:
    """Pieces of bytes as a file to read from, as far as ``tarfile`` does."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._rest += chunk
        found, self._rest = self._rest[:size], self._rest[size:]
        return found
