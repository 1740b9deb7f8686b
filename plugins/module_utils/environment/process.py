# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which run of Ansible a task belongs to, and whether such a run is still there. Reads /proc, so it works on Linux only."""

from __future__ import annotations

import getpass
import os
import socket
from typing import List, Optional, Tuple

from .lock import Process

#: Programs that run plays. A module's nearest such ancestor, and that one's parents of the same kind (it forks), are the run.
PROGRAMS = {"ansible", "ansible-playbook", "ansible-console", "ansible-pull"}


def login() -> str:
    """``user@host`` of the person: behind sudo the one who called it."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        user = "uid%d" % os.getuid()
    return "%s@%s" % (user, socket.gethostname())


def current() -> Optional[Process]:
    """The run this process belongs to, or None: not on the controller, started in the background (async), or no /proc."""
    machine, pid, found = _machine(), os.getpid(), 0
    while machine and pid > 0:
        if _plays(pid):
            found = pid
        elif found:
            break
        stat = _stat(pid)
        if stat is None:
            break
        pid = stat[1]
    stat = _stat(found) if found else None
    return Process(socket.gethostname(), machine, found, stat[2]) if stat else None


def gone(process: Process) -> bool:
    """Whether ``process`` has ended for certain. One of another machine, boot or container can't be seen, so: no."""
    if not process.machine or process.machine != _machine():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # it exists and belongs to somebody else
    stat = _stat(process.pid)
    # Unreadable (hidepid) though it exists: not known. A zombie has ended; another start time is another process.
    return stat is not None and (stat[0] in "ZX" or stat[2] != process.started)


def _machine() -> str:
    """One boot of a kernel and one PID namespace in it; '' where that can't be told."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            return "%s/%s" % (handle.read().strip(), os.readlink("/proc/self/ns/pid"))
    except OSError:
        return ""


def _stat(pid: int) -> Optional[Tuple[str, int, int]]:
    """State letter, parent and start time in ticks after the boot: fields 3, 4 and 22 of proc(5)'s stat."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as handle:
            text = handle.read()
    except OSError:
        return None
    # The name before it is in parentheses and may hold spaces and parentheses itself.
    fields = text[text.rindex(")") + 2 :].split()
    return fields[0], int(fields[1]), int(fields[19])


def _words(pid: int) -> List[str]:
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as handle:
            return handle.read(4096).decode("utf-8", "replace").split("\0")
    except OSError:
        return []


def _plays(pid: int) -> bool:
    """Whether it runs plays: itself, or as what an interpreter runs (python ansible-playbook, python -m ansible playbook)."""
    return any(os.path.basename(word) in PROGRAMS for word in _words(pid)[:3])
