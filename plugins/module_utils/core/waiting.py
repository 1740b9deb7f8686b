# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a state to be seen. The clock and the sleep are arguments, so tests neither sleep nor depend on time."""

from __future__ import annotations

import dataclasses
import time
from typing import Callable, Generic, Optional, TypeVar

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Waited(Generic[T]):
    """``value`` is what was seen last; ``reached`` whether it was what was waited for; ``seconds`` how long that took."""

    value: T
    reached: bool
    seconds: float


def wait_until(
    look: Callable[[], T],
    reached: Callable[[T], bool],
    timeout: float,
    interval: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    first: Optional[float] = None,
) -> Waited[T]:
    """Look every ``interval`` seconds until ``reached(look())`` or ``timeout`` seconds have passed.

    Looks at least once, and once more at the very end, so a state reached in the last interval counts. With ``first`` the first
    pause is that long, and each is twice the one before until they are ``interval``: for what is mostly there at once.
    """
    start = clock()
    pause = interval if first is None else min(first, interval)
    while True:
        value = look()
        spent = clock() - start
        if reached(value):
            return Waited(value, True, spent)
        if spent >= timeout:
            return Waited(value, False, spent)
        sleep(min(pause, max(timeout - spent, 0.0)))
        pause = min(2 * pause, interval)
