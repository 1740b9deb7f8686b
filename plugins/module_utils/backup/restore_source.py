# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of a backup on its way out of the storage: its bytes counted and hashed, decrypted, decompressed, in constant memory."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import subprocess
import tempfile
import threading
from typing import IO, Any, Dict, Iterator, List, Optional, Tuple, cast

from ..core.ending import in_one_piece
from ..core.errors import RunbookError
from ..storage.base import Storage
from . import programs
from .dump_text import DumpText
from .manifest import Manifest, Part

_STDERR_BYTES = 4000


@dataclasses.dataclass(frozen=True)
class Key:
    """What opens an encrypted backup: the file with the age identity, or GnuPG's directory with the secret key."""

    age_identity: Optional[str] = None
    gpg_home: Optional[str] = None


def filters(compression: str, encryption: Optional[Dict[str, Any]], key: Key) -> List[List[str]]:
    """The commands between the storage and the data.

    :raises BadInput: when it is encrypted and no key is given. :raises Unavailable: when a program is missing.
    """
    home = key.gpg_home or os.environ.get("GNUPGHOME") or os.path.expanduser("~/.gnupg")
    return programs.unpack_argv(compression, encryption, key.age_identity, home)


class Opened:
    """One part being read. ``out`` gives what was backed up; after ``finish``, ``unread`` says why the storage did not give all of it."""

    def __init__(self, storage: Storage, part: Part, commands: List[List[str]]) -> None:
        self.part = part
        self.size = 0
        self._storage = storage
        self._commands = commands
        self._hash: Any = hashlib.sha256()
        self.unread = ""
        self._stderr = [tempfile.TemporaryFile() for unused in commands]  # noqa: SIM115  closed by stop()
        self._processes: List[subprocess.Popen[bytes]] = []
        self._plain_end: Optional[int] = None
        try:
            self.out = self._start()
        except BaseException:
            self.stop()
            raise
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def _start(self) -> IO[bytes]:
        if not self._commands:
            end, self._plain_end = os.pipe()
            return os.fdopen(end, "rb", 1 << 20)
        source: Any = subprocess.PIPE
        for number, command in enumerate(self._commands):
            # Programs joined by pipes are beyond run_command.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                command, stdin=source, stdout=subprocess.PIPE, stderr=self._stderr[number], bufsize=1 << 20
            )
            if number:
                source.close()  # the program before it gets a broken pipe when this one ends
            self._processes.append(process)
            source = process.stdout
        return cast(IO[bytes], source)

    def _feed(self) -> None:
        sink = self._processes[0].stdin if self._processes else os.fdopen(cast(int, self._plain_end), "wb")
        self._plain_end = None
        try:
            for chunk in self._storage.read(self.part.file):
                self._hash.update(chunk)
                self.size += len(chunk)
                cast(IO[bytes], sink).write(chunk)
        except BrokenPipeError:
            pass  # the program's exit code, or the end of the reading, tells why
        except RunbookError as error:
            self.unread = error.message
        finally:
            with contextlib.suppress(OSError, ValueError):
                cast(IO[bytes], sink).close()

    def finish(self) -> List[str]:
        """Read what is left, wait for the programs; what is wrong with the part. Of one that could not be read nothing is known."""
        while self.out.read(1 << 20):
            pass
        self._feeder.join()
        if self.unread:
            return []
        problems = []
        if self.size != self.part.size_bytes:
            problems.append("%s has %d bytes, the manifest says %d" % (self.part.file, self.size, self.part.size_bytes))
        if self._hash.hexdigest() != self.part.sha256:
            problems.append("the SHA-256 of %s is not the manifest's" % self.part.file)
        for number, process in enumerate(self._processes):
            if process.wait():
                self._stderr[number].seek(0)
                said = " ".join(self._stderr[number].read(_STDERR_BYTES).decode("utf-8", "replace").split())
                name = os.path.basename(self._commands[number][0])
                problems.append("%s can't unpack %s: %s" % (name, self.part.file, said[:300] or "it said nothing"))
        return problems

    def stop(self) -> None:
        """End everything, whatever state it is in."""
        with contextlib.suppress(AttributeError, OSError):
            self.out.close()
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        feeder = getattr(self, "_feeder", None)
        if feeder is not None:
            feeder.join()
        for process in self._processes:
            for pipe in filter(None, (process.stdin, process.stdout)):
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()
        for handle in self._stderr:
            handle.close()


@contextlib.contextmanager
def opened(storage: Storage, part: Part, commands: List[List[str]]) -> Iterator[Opened]:
    source: Optional[Opened] = None
    try:
        with in_one_piece():
            source = Opened(storage, part, commands)
        yield source
    finally:
        if source is not None:
            source.stop()


class Lines:
    """The lines of SQL text, with what they tell about the whole: its size, its first comments and its end."""

    def __init__(self, source: IO[bytes]) -> None:
        self.text = DumpText()
        self.database = ""
        self._source = source

    def __iter__(self) -> Iterator[bytes]:
        for line in self._source:
            self.text.feed(line)
            if not self.database and line.startswith(b"-- Host:"):
                self.database = line.partition(b"Database: ")[2].strip().decode("utf-8", "replace")
            yield line


def intact(storage: Storage, manifest: Manifest, commands: List[List[str]]) -> Tuple[List[str], List[str]]:
    """Read every part to its end: what is wrong with them, and what the storage did not give."""
    damage: List[str] = []
    unread: List[str] = []
    for part in manifest.parts:
        with opened(storage, part, commands) as source:
            damage += source.finish()
            unread += [source.unread] if source.unread else []
    return damage, unread
