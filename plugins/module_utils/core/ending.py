# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals that ask a task to end: it cleans up like one that failed."""

from __future__ import annotations

import contextlib
import signal
from typing import Iterator

from .errors import Failed

_ASKED = (signal.SIGTERM, signal.SIGHUP)


class _Ended(BaseException):
    """Not an error that anything on the way may take for an answer."""


class _Task:
    """Of this process. ``came`` is the signal that waits for the end of ``in_one_piece``, while ``busy``."""

    busy = False
    came = ""


@contextlib.contextmanager
def ends_when_asked(what: str) -> Iterator[None]:
    """SIGTERM and SIGHUP end ``what`` like an error, so that everything is put back and removed.

    :raises Failed: when one came.
    """

    def ended(number: int, *_: object) -> None:
        for one in _ASKED:
            signal.signal(one, signal.SIG_IGN)  # cleaning up must not be cut short by a second one
        name = signal.Signals(number).name
        if not _Task.busy:
            raise _Ended(name)
        _Task.came = name

    before = {one: signal.signal(one, ended) for one in _ASKED}
    try:
        yield
    except _Ended as error:
        raise Failed("%s was ended by %s before it was complete." % (what, error)) from None
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextlib.contextmanager
def in_one_piece() -> Iterator[None]:
    """For starting programs and threads: a signal that comes meanwhile acts at the end, when they are known to who ends them."""
    _Task.busy, _Task.came = True, ""
    try:
        yield
    finally:
        _Task.busy = False
    if _Task.came:
        raise _Ended(_Task.came)
