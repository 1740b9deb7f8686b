# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock in a directory that all operators share. Needs no flock and no daemon; survives a crash at any instruction.

The document is a series of numbered files, the highest counts. Whoever read number N writes N+1 with link(2), which fails if it is
there: atomic on local file systems and on NFS. The last files stay, as a history and because a slow writer must find its number used.
A crash leaves at most a hidden temporary file.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from typing import List, Optional, Tuple

from ..core.errors import Failed, Unavailable
from .locking import Store

#: How many files are kept. A writer that slept while this many others wrote is told apart below.
KEPT = 20


class FileStore(Store):
    def __init__(self, directory: str, environment: str) -> None:
        self._directory = directory
        self._environment = environment
        self._number = 0
        self.place = os.path.join(directory, environment + ".*.json")

    def read(self) -> Tuple[Optional[str], float]:
        """Time is this machine's: with a shared directory the machines' clocks must agree."""
        for _unused in range(KEPT):
            self._number = max(self._numbers(), default=0)
            if not self._number:
                return None, time.time()
            try:
                with open(self._path(self._number), encoding="utf-8", errors="replace") as handle:
                    return handle.read(), time.time()
            except FileNotFoundError:
                continue  # so many were written since the listing that this one is gone
            except OSError as error:
                raise self._unavailable("read", error) from error
        raise Failed("The lock at %s changes faster than it can be read." % self.place)

    def swap(self, old: Optional[str], new: str) -> bool:
        mine = self._number + 1
        temporary = os.path.join(self._directory, ".%s.%s.tmp" % (self._environment, uuid.uuid4().hex))
        try:
            try:
                self._write(temporary, new)
                os.link(temporary, self._path(mine))
            except FileExistsError:
                # Over NFS the answer to our own success can be lost and the repeated call then fails.
                if os.stat(temporary).st_nlink != 2:
                    return False
            finally:
                if os.path.exists(temporary):
                    os.unlink(temporary)
            highest = max(self._numbers())
            self._prune(highest)
        except OSError as error:
            raise self._unavailable("write", error) from error
        # So far behind, the number was free only because its file had been pruned: we were asleep and come too late.
        return highest < mine + KEPT

    def _write(self, path: str, text: str) -> None:
        with open(path, "x", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())

    def _numbers(self) -> List[int]:
        pattern = re.compile(re.escape(self._environment) + r"\.(\d{10})\.json")
        try:
            found = [pattern.fullmatch(name) for name in os.listdir(self._directory)]
        except OSError as error:
            raise self._unavailable("list", error) from error
        return [int(match.group(1)) for match in found if match]

    def _path(self, number: int) -> str:
        return os.path.join(self._directory, "%s.%010d.json" % (self._environment, number))

    def _prune(self, highest: int) -> None:
        for number in self._numbers():
            if number <= highest - KEPT:
                with contextlib.suppress(OSError):  # gone already, or another user's in a sticky directory: harmless
                    os.unlink(self._path(number))

    def _unavailable(self, verb: str, error: OSError) -> Unavailable:
        return Unavailable(
            "The lock directory %s can't be used: %s failed (%s)." % (self._directory, verb, error.strerror or error),
            "It must exist (it is never made here, because on a share that is not mounted that would be a lock of your own), be "
            "writable for every operator, and be on a file system with hard links.",
        )
