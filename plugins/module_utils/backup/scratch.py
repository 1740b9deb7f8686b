# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded scratch server: started for one restore, reached through a socket in a private directory, gone afterwards.

Its directory holds a lock as long as its task lives. The server dies with the task (the kernel sees to that where setpriv is
installed); what a killed task leaves is known by nobody holding the lock, and the next one removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from typing import IO, List, Optional, TypeVar

from ..core.ending import in_one_piece
from ..core.errors import BadInput, Failed, RunbookError
from ..mysql import connection as mysql
from ..mysql.login import Login
from .scratch_programs import ServerProgram

_PREFIX = "finaegis-scratch-"
_LOCK = "owner.lock"
#: The longest path a unix socket may have (sun_path of Linux, without its end).
_LONGEST_SOCKET = 107
Self = TypeVar("Self", bound="PrivateDir")
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0


class PrivateDir:
    """A context manager: a directory of one's own, locked for as long as it is used, gone afterwards."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._lock: Optional[IO[str]] = None
        self.home = ""

    def make(self) -> None:
        self.home = _make_home(self._base)
        try:
            self._lock = open(os.path.join(self.home, _LOCK), "w", encoding="ascii")  # noqa: SIM115  held for life
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        except BaseException:
            self.remove()
            raise

    def __enter__(self: Self) -> Self:
        self.make()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        if self.home:
            shutil.rmtree(self.home, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class Scratch(PrivateDir):
    """Inside of it ``install``, or put files into ``data``, then ``start``; afterwards neither a process nor a directory is left."""

    def __init__(self, base: str, program: ServerProgram, memory_bytes: int, user: str = "root") -> None:
        super().__init__(base)
        self.program = program
        self.settings: List[str] = []
        self._user = user
        self._memory = memory_bytes
        self._process: Optional[subprocess.Popen[bytes]] = None

    def make(self) -> None:
        super().make()
        for name in ("tmp", "relay"):
            os.mkdir(os.path.join(self.home, name), 0o700)

    @property
    def data(self) -> str:
        return os.path.join(self.home, "data")

    @property
    def relay(self) -> str:
        return os.path.join(self.home, "relay")

    @property
    def login(self) -> Login:
        """The administrator; without a password, because nobody else can reach the socket."""
        return Login(host="localhost", port=0, user=self._user, unix_socket=os.path.join(self.home, "sock"))

    def install(self) -> None:
        """Make an empty data directory.

        :raises Failed: with the program's own words.
        """
        argv = self.program.install_argv(self.data, os.path.join(self.home, "tmp"))
        # A long-lived neighbour of the server, started by this room and not by the module.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        if done.returncode:
            said = " ".join(done.stdout.decode("utf-8", "replace").split())[-600:]
            raise Failed("No scratch server could be made: %s ended with %d: %s" % (argv[0], done.returncode, said))

    def start(self) -> None:
        """Start the server and wait until it answers.

        :raises Failed: with the end of its log.
        """
        argv = [*self.program.server_argv(self.home, self._memory), *self.settings]
        setpriv = shutil.which("setpriv")
        if setpriv:
            argv = [setpriv, "--pdeathsig", "KILL", *argv]
        with in_one_piece():
            # A server that runs beside us is beyond run_command.
            self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        until = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(RunbookError):
                if os.path.exists(str(self.login.unix_socket)):
                    mysql.login(self.login).close()
                    return
            if self._process.poll() is not None or time.monotonic() > until:
                raise Failed(
                    "The scratch server did not come up: %s" % (self.death() or "it answered nothing."),
                    self.last_words(),
                )
            time.sleep(0.05)

    def death(self) -> str:
        """How the server ended, empty while it runs."""
        if self._process is None or self._process.poll() is None:
            return ""
        code = int(self._process.returncode)
        return (
            "the scratch server was ended by signal %d" % -code
            if code < 0
            else "the scratch server ended with %d" % code
        )

    def last_words(self) -> str:
        """The newest errors of its log, for a message."""
        try:
            with open(os.path.join(self.home, "server.log"), "rb") as handle:
                handle.seek(max(0, os.path.getsize(handle.name) - 20000))
                lines = handle.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        errors = [line for line in lines if "[ERROR]" in line]
        return " ".join(" ".join(errors[-3:]).split())[-600:]

    def stop(self) -> None:
        """End the server if it runs; asked first, because files are used after it in some restores."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()

    def kill(self) -> None:
        """End it at once; nothing of it is needed any more."""
        process, self._process = self._process, None
        if process is not None:
            if process.poll() is None:
                process.kill()
            process.wait()

    def remove(self) -> None:
        self.kill()
        super().remove()


def _make_home(base: str) -> str:
    if not os.path.isdir(base):
        raise BadInput("scratch_dir %s is no directory." % base, "Create it or choose another.")
    try:
        home = tempfile.mkdtemp(prefix=_PREFIX, dir=base)
    except OSError as error:
        raise BadInput("No directory can be made in scratch_dir %s: %s." % (base, error.strerror)) from error
    if len(os.path.join(home, "sock").encode()) > _LONGEST_SOCKET:
        os.rmdir(home)
        raise BadInput("scratch_dir %s is too long for a socket in it." % base, "Choose a shorter path.")
    return home


def leftovers(base: str) -> List[str]:
    """Directories of killed tasks of this user: theirs is the name, and nobody holds the lock."""
    found = []
    for name in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        path = os.path.join(base, name)
        with contextlib.suppress(OSError):
            entry = os.lstat(path)
            if not name.startswith(_PREFIX) or not stat.S_ISDIR(entry.st_mode) or entry.st_uid != os.getuid():
                continue
            if time.time() - entry.st_mtime < 5 and not os.path.exists(os.path.join(path, _LOCK)):
                continue  # another task is just making it
            with open(os.path.join(path, _LOCK), "a", encoding="ascii") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.append(path)
    return found


def sweep(base: str) -> List[str]:
    """End and remove what killed tasks left; returns the directories."""
    found = leftovers(base)
    for path in found:
        pid = _server_pid(path)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + _STOP_SECONDS
            while _server_pid(path) is not None and time.monotonic() < until:
                time.sleep(0.05)
        shutil.rmtree(path, ignore_errors=True)
    return found


def _server_pid(home: str) -> Optional[int]:
    """The process that runs on this directory, known by its own command line and not by a number in a file alone."""
    marker = ("--datadir=%s/data" % home).encode()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open("/proc/%s/cmdline" % name, "rb") as handle:
            words = handle.read().split(b"\0")
            if marker in words and re.search(rb"(mariadbd|mysqld)$", words[0]):
                return int(name)
    return None
