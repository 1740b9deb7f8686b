# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup as a file with its manifest beside it. Nothing under the final name is ever incomplete.

While it grows it has a temporary name that holds the id of its process, and that process keeps a lock on it: a leftover is
known by nobody holding its lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from typing import IO, List, Tuple

from ..core.errors import BadInput, Refused, RunbookError
from .manifest import Manifest, parse
from .programs import SUFFIXES

MANIFEST_SUFFIX = ".manifest.json"
_PARTIAL = re.compile(r"^\.(?P<name>.+)\.finaegis-partial-\d+$")


def target(dest: str, database: str, compression: str, stamp: str) -> str:
    """The path of the file to make. In a directory it is named after the database and ``stamp`` (UTC).

    :raises BadInput: when the directory is not there or can't be written, or the name's ending says another compression.
    """
    ending = ".sql" + SUFFIXES[compression]
    path = (
        os.path.join(dest, "%s-%s%s" % (re.sub(r"[^\w.-]", "_", database), stamp, ending))
        if os.path.isdir(dest)
        else dest
    )
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent):
        raise BadInput("The directory %s does not exist." % parent, "Create it, or change dest; nothing was done.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise BadInput("The directory %s can't be written by this user." % parent, "Change its permissions or dest.")
    for other, suffix in SUFFIXES.items():
        if suffix and other != compression and path.endswith(suffix):
            raise BadInput("dest ends in %s but compression is %s." % (suffix, compression), "Let them agree.")
    return os.path.abspath(path)


def free_bytes(path: str) -> int:
    return shutil.disk_usage(os.path.dirname(path)).free


def verify(path: str) -> Manifest:
    """Prove an existing backup: its manifest is whole and the file's checksum is the manifest's. Reads the whole file.

    :raises BadInput: saying what is wrong.
    """
    beside = path + MANIFEST_SUFFIX
    try:
        with open(beside, encoding="utf-8") as handle:
            manifest = parse(handle.read(), beside)
        if os.path.getsize(path) != manifest.size_bytes or _sha256(path) != manifest.parts[0].sha256:
            raise BadInput("%s is not the file its manifest describes: size or checksum differ." % path)
    except OSError as error:
        raise BadInput("%s can't be proven: %s: %s." % (path, error.filename, error.strerror)) from error
    return manifest


def _sha256(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        for chunk in iter(lambda: handle.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def leftovers(directory: str) -> List[str]:
    """Temporary files of runs that were killed."""
    found = []
    for name in sorted(os.listdir(directory)):
        if _PARTIAL.match(name):
            path = os.path.join(directory, name)
            with contextlib.suppress(OSError), open(path, "rb") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(path)
    return found


def clean(directory: str) -> Tuple[List[str], List[str]]:
    """Remove leftovers. One may be the manifest of a dump that got its final name just before the kill: that dump was proven
    complete, so the manifest gets its name too. Returns the removed paths and the backups completed in this way.
    """
    removed, completed = [], []
    for path in leftovers(directory):
        name = _PARTIAL.sub(r"\g<name>", os.path.basename(path))
        final = os.path.join(directory, name)
        dump = final[: -len(MANIFEST_SUFFIX)]
        if name.endswith(MANIFEST_SUFFIX) and os.path.exists(dump) and not os.path.exists(final):
            os.rename(path, final)
            try:
                verify(dump)
                completed.append(dump)
                continue
            except BadInput:
                os.rename(final, path)
        os.unlink(path)
        removed.append(path)
    return removed, completed


class FileDestination:
    """One backup being written. ``commit`` makes it a backup, ``abandon`` leaves no trace; one of them must be called."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._partial = _partial(path)
        self.sink: IO[bytes] = _create(self._partial)

    def commit(self, manifest: Manifest) -> None:
        """Make it durable, then visible: the dump first, the manifest that proves it last.

        :raises OSError: when the disk is full or gone; nothing is visible then.
        """
        self.sink.flush()
        os.fsync(self.sink.fileno())
        beside = self.path + MANIFEST_SUFFIX
        handle = _create(_partial(beside))
        try:
            handle.write(manifest.render().encode())
            handle.flush()
            os.fsync(handle.fileno())
            os.rename(self._partial, self.path)
            os.rename(_partial(beside), beside)
        finally:
            handle.close()
            self.abandon()
        _sync_directory(os.path.dirname(self.path))

    def abandon(self) -> None:
        with contextlib.suppress(OSError):
            self.sink.close()
        for path in (self._partial, _partial(self.path + MANIFEST_SUFFIX)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _partial(path: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, ".%s.finaegis-partial-%d" % (name, os.getpid()))


def _create(path: str) -> IO[bytes]:
    try:
        handle = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise RunbookError(
            "%s can't be created: %s." % (path, error.strerror), "Check dest and the free space."
        ) from error
    fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def _sync_directory(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def check_space(path: str, expected: int, keep: int) -> int:
    """Free bytes, when the backup fits and ``keep`` bytes stay free after it.

    :raises Refused: when not.
    """
    free = free_bytes(path)
    if free - expected < keep:
        raise Refused(
            "%s has %d bytes free; the backup takes about %d and min_free_bytes wants %d left. Nothing was done."
            % (os.path.dirname(path), free, expected, keep),
            "Free space, choose another dest, or lower min_free_bytes.",
            free_bytes=free,
            estimated_bytes=expected,
        )
    return free
