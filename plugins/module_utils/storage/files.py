# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects in a directory.

While an object grows it has a temporary name that holds the id of its process, and that process keeps a lock on it: a leftover is
known by nobody holding its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from typing import IO, Iterator, List, Optional

from ..core.errors import BadInput, RunbookError, Unavailable
from .base import CHUNK, Storage, Stored, Upload, expect

_PARTIAL = re.compile(r"^\.(?P<name>.+)\.finaegis-partial-\d+$")


class FileStorage(Storage):
    """``place`` is an absolute path. Files are made for their owner only."""

    def __init__(self, place: str) -> None:
        self.place = place

    def check(self) -> None:
        if not os.path.isdir(self.place):
            raise BadInput(
                "The directory %s does not exist." % self.place, "Create it, or change dest; nothing was done."
            )
        if not os.access(self.place, os.R_OK | os.X_OK):
            raise BadInput(
                "The directory %s can't be read by this user." % self.place, "Change its permissions or dest."
            )

    def url(self, name: str) -> str:
        return os.path.join(self.place, name)

    def list(self, prefix: str = "") -> List[Stored]:
        found = []
        for directory, below, names in os.walk(os.path.join(self.place, os.path.dirname(prefix))):
            below[:] = [one for one in below if not one.startswith(".")]
            for one in names:
                name = os.path.relpath(os.path.join(directory, one), self.place)
                stored = self.stat(name) if name.startswith(prefix) and not one.startswith(".") else None
                if stored is not None:
                    found.append(stored)
        return sorted(found, key=lambda stored: stored.name)

    def stat(self, name: str) -> Optional[Stored]:
        try:
            status = os.stat(self.url(name))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise Unavailable(
                "%s can't be looked at: %s." % (self.url(name), error.strerror),
                "Check the permissions of the directories above it.",
            ) from error
        return Stored(name, status.st_size, status.st_mtime)

    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        try:
            with open(self.url(name), "rb") as handle:
                handle.seek(start)
                yield from iter(lambda: handle.read(CHUNK), b"")
        except FileNotFoundError as error:
            raise BadInput("There is no %s." % self.url(name), "Check the name; nothing was done.") from error
        except OSError as error:
            raise Unavailable(
                "%s can't be read: %s." % (self.url(name), error.strerror), "Check its permissions and the disk."
            ) from error

    def create(self, name: str) -> Upload:
        return _FileUpload(self, name)

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.url(name))
            _sync(os.path.dirname(self.url(name)))

    def leftovers(self) -> List[str]:
        found = []
        for directory, _below, names in os.walk(self.place):
            for path in (os.path.join(directory, one) for one in sorted(names) if _PARTIAL.match(one)):
                with contextlib.suppress(OSError), open(path, "rb") as handle:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found.append(path)
        return found

    def clean(self) -> List[str]:
        removed = self.leftovers()
        for path in removed:
            os.unlink(path)
        return removed

    def named_by(self, leftover: str) -> str:
        """The name that a leftover was to get."""
        directory, name = os.path.split(leftover)
        return os.path.relpath(os.path.join(directory, _PARTIAL.sub(r"\g<name>", name)), self.place)

    def adopt(self, leftover: str) -> None:
        """Give a leftover the name that it was to get."""
        os.rename(leftover, self.url(self.named_by(leftover)))
        _sync(os.path.dirname(leftover))

    def free_bytes(self) -> Optional[int]:
        return shutil.disk_usage(self.place).free


class _FileUpload(Upload):
    def __init__(self, storage: FileStorage, name: str) -> None:
        self._storage, self._name = storage, name
        directory, base = os.path.split(storage.url(name))
        self._partial = os.path.join(directory, ".%s.finaegis-partial-%d" % (base, os.getpid()))
        try:
            os.makedirs(directory, mode=0o700, exist_ok=True)
            self._handle: IO[bytes] = os.fdopen(
                os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            )
        except OSError as error:
            raise RunbookError(
                "%s can't be created: %s." % (self._partial, error.strerror),
                "Check dest, its permissions and the free space.",
            ) from error
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def write(self, chunk: bytes) -> None:
        self._handle.write(chunk)

    def prepare(self) -> None:
        self._handle.flush()
        os.fsync(self._handle.fileno())

    def commit(self) -> Stored:
        self.prepare()
        sent = self._handle.tell()
        path = self._storage.url(self._name)
        os.rename(self._partial, path)
        self._handle.close()
        _sync(os.path.dirname(path))
        stored = self._storage.stat(self._name)
        expect(path, sent, stored.size_bytes if stored else None)
        return stored or Stored(self._name, sent, 0.0)

    def abort(self) -> None:
        with contextlib.suppress(OSError):
            self._handle.close()
        with contextlib.suppress(OSError):
            os.unlink(self._partial)


def _sync(directory: str) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
