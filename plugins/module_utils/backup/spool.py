# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A private directory for the time of one run. Its process keeps a lock on it, so what a killed run left is known by nobody holding it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from typing import Iterator, List

from ..core.errors import BadInput

_PREFIX = ".finaegis-spool-"


@contextlib.contextmanager
def spool(parent: str) -> Iterator[str]:
    """A new directory in ``parent`` for this user only; it is gone afterwards.

    :raises BadInput: when it can't be made.
    """
    try:
        path = tempfile.mkdtemp(prefix=_PREFIX, dir=parent)
    except OSError as error:
        raise BadInput("No directory can be made in %s: %s." % (parent, error.strerror), "Check spool_dir.") from error
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(fd)


def leftovers(parent: str) -> List[str]:
    """Directories of runs that were killed."""
    found = []
    for name in sorted(os.listdir(parent)) if os.path.isdir(parent) else []:
        path = os.path.join(parent, name)
        if name.startswith(_PREFIX) and os.path.isdir(path) and os.stat(path).st_uid == os.getuid():
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDONLY)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found.append(path)
                finally:
                    os.close(fd)
    return found


def clean(parent: str) -> List[str]:
    """Remove them; their paths."""
    found = leftovers(parent)
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    return found
