# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on the host the task runs on."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from typing import Dict, List, Optional, Sequence

from ..core.errors import Unavailable
from .base import Outcome, Transport

#: Seconds between asking a command to end and ending it.
_GRACE_SECONDS = 5.0


class LocalTransport(Transport):
    """One target: this host. Commands get a process group of their own, so that a time limit stops their children too."""

    def __init__(self) -> None:
        self._name = socket.gethostname()

    def targets(self) -> List[str]:
        return [self._name]

    def run(
        self,
        target: str,
        argv: Sequence[str],
        cwd: str,
        stdin: str = "",
        environment: Optional[Dict[str, str]] = None,
        timeout: Optional[float] = None,
    ) -> Outcome:
        start = time.monotonic()
        try:
            # A time limit must stop the children too, which run_command can't; and there is no AnsibleModule here.
            process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                list(argv),
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(os.environ, **(environment or {})),
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(
                "'%s' can't be started in %s on %s: %s." % (argv[0], cwd, target, error.strerror),
                "Check app_dir and php, and that the user of this task may read the one and run the other.",
            ) from error
        rc: Optional[int]
        try:
            out, err = process.communicate(stdin.encode(), timeout=timeout)
            rc = process.returncode
        except subprocess.TimeoutExpired:
            out, err = _stop(process)
            rc = None
        finally:
            if process.poll() is None:
                _signal_group(process, signal.SIGKILL)
        return Outcome(
            target, rc, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"), time.monotonic() - start
        )

    def read(self, target: str, path: str) -> Optional[str]:
        try:
            with open(path, encoding="utf-8", errors="replace") as handle:
                return handle.read()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(
                "%s on %s can't be read: %s." % (path, target, error.strerror),
                "Run the task as the user the application runs as (become_user).",
            ) from error

    def exists(self, target: str, path: str) -> bool:
        return os.path.exists(path)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _stop(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Ask the group to end, then end it; what it had printed until then is kept."""
    _signal_group(process, signal.SIGTERM)
    try:
        return process.communicate(timeout=_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal_group(process, signal.SIGKILL)
        return process.communicate()
