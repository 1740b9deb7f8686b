# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface every transport keeps."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from typing import Any, Dict, List, Optional, Sequence

from ..core.errors import BadInput


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a finished command left. ``rc`` is None when it was stopped for taking longer than its time limit."""

    target: str
    rc: Optional[int]
    stdout: str
    stderr: str
    seconds: float

    @property
    def timed_out(self) -> bool:
        return self.rc is None


class Transport(ABC):
    """Runs commands and reads files on one or more targets: a host, or the pods of a workload."""

    @abstractmethod
    def targets(self) -> List[str]:
        """The names of all places reached; commands run on each of them by a call each."""

    @abstractmethod
    def run(
        self,
        target: str,
        argv: Sequence[str],
        cwd: str,
        stdin: str = "",
        environment: Optional[Dict[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> Outcome:
        """Run ``argv`` in ``cwd`` without a terminal; ``stdin`` is all it can read. ``argv`` is public: no secrets in it.

        :raises Unavailable: when the program or the directory is not there.
        """

    @abstractmethod
    def read(self, target: str, path: str) -> Optional[str]:
        """The text of a file, or None when it does not exist."""

    @abstractmethod
    def exists(self, target: str, path: str) -> bool:
        """Whether a file or directory is there."""


def make(params: Dict[str, Any]) -> Transport:
    """The transport that the ``transport`` option asks for."""
    kind = params["transport"]["kind"]
    if kind == "local":
        from .local import LocalTransport

        return LocalTransport()
    raise BadInput("There is no transport of the kind '%s'." % kind)
