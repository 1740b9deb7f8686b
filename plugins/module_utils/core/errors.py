# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors domain code raises. Only ``guard`` turns them into a failed task."""

from __future__ import annotations

from typing import Any


class RunbookError(Exception):
    """Something a person must read: what was tried, on what, what came back (``message``) and what to do next (``advice``).

    ``data`` becomes return values of the failed task, so its keys are those of the module's RETURN block.
    """

    def __init__(self, message: str, advice: str = "", **data: Any) -> None:
        super().__init__(message + (" " + advice if advice else ""))
        self.message = message
        self.advice = advice
        self.data = data


class BadInput(RunbookError):
    """The options contradict each other or name something that can't be; nothing was connected to yet."""


class Unavailable(RunbookError):
    """A server, program or library needed for the task is not there or does not answer."""


class Refused(RunbookError):
    """The task could go on but must not: a limit was passed or a condition for safety is missing. Nothing was changed."""


class TimedOut(RunbookError):
    """What was waited for did not come; ``data`` holds the last state seen."""


class Failed(RunbookError):
    """The act was tried and its effect was not seen."""
