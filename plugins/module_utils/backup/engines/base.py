# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ways to take a backup have in common."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import fcntl
import subprocess
import threading
from typing import IO, Callable, Iterator, List, Optional, Tuple

from ...mysql.connection import Connection
from ...mysql.dialect import Server
from ...mysql.login import Login
from ...storage.base import CHUNK
from ..programs import Program, environment

#: F_SETPIPE_SZ of Linux; Python names it from 3.10 on.
_SET_PIPE_SIZE = 1031
#: Lines of a program's messages that are kept, and their length; what it says last tells why it failed.
_LINES, _LINE = 40, 400


@dataclasses.dataclass(frozen=True)
class Job:
    """What an engine is to back up. ``options_fd`` is an option file in memory with the login, ``spool`` a directory for an engine
    that can't stream, ``threads`` how many things to do at once where the engine can. ``ask_position`` is whether the program may be asked
    to tell its place in the binary log, ``plain_text`` whether all text is UTF-8 and nothing binary (``source.plain_text``).
    """

    database: str
    login: Login
    server: Server
    program: Program
    binary_log: bool
    options_fd: int
    threads: int
    data_directory: str = ""
    spool: str = ""
    ask_position: bool = False
    plain_text: bool = False


class Running(abc.ABC):
    """A backup being taken. ``moment`` is set when the state that is in it was seen to be fixed (``fixed``), or it ended before."""

    def __init__(self) -> None:
        self.moment = threading.Event()
        self.fixed = False

    @abc.abstractmethod
    def chunks(self) -> Iterator[bytes]:
        """The bytes of the backup, uncompressed; called once, in a thread of its own. Sets ``moment`` at its end at the latest."""

    @abc.abstractmethod
    def finish(self, timeout: Optional[float]) -> Optional[str]:
        """When ``chunks`` has ended: why this is no backup, empty when it is one, None when ``timeout`` seconds were not enough."""

    @abc.abstractmethod
    def kill(self) -> None:
        """End it, at once and from any thread."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End it if it still runs, and wait until it is gone with all that it left."""

    @property
    @abc.abstractmethod
    def position(self) -> Optional[Tuple[str, int]]:
        """File and position in the binary log that belong to the state, as the program itself says; None where it does not."""

    def mark(self) -> None:
        """The state is fixed from now on."""
        self.fixed = True
        self.moment.set()


class Engine(abc.ABC):
    """``fixes_first`` is whether the state in the backup is that of its start (a snapshot) rather than of its end; ``takes_bytes`` whether
    it needs to know that all text is UTF-8 to write it as it is.
    """

    name: str
    suffix: str
    package: str
    fixes_first = True
    needs_spool = False
    needs_files = False
    takes_bytes = False

    @abc.abstractmethod
    def program(self, server: Server, wanted: str) -> Program:
        """The program to use; ``wanted`` is a name, a path or ``auto``.

        :raises Unavailable: when it is missing. :raises Refused: when it can't be used with this server.
        """

    @abc.abstractmethod
    def start(self, job: Job) -> Running:
        """Begin at once."""

    def look(self, connection: Connection) -> str:
        """The data directory where the engine copies files, else empty.

        :raises Refused: when it can't be read here.
        """
        return ""

    def dialect(self, program: Program, server: Server) -> bool:
        """Whether the program belongs to the server."""
        return program.is_native_to(server)


class Child:
    """A program with its messages read line by line; ``heard`` gets each of them."""

    def __init__(
        self, argv: List[str], pass_fd: int, heard: Callable[[str], None] = lambda line: None, messages: str = "stderr"
    ) -> None:
        self.lines: List[str] = []
        self._heard = heard
        both = messages == "both"
        # Programs that stream are beyond run_command.
        self.process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if both else subprocess.PIPE,
            pass_fds=[pass_fd],
            env=environment(),
        )
        self._said = self.process.stdout if both else self.process.stderr
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for raw in self._said or ():
            line = raw.decode("utf-8", "replace").strip()[:_LINE]
            if line:
                self.lines.append(line)
                del self.lines[:-_LINES]
                self._heard(line)

    @property
    def said(self) -> str:
        return " ".join(self.lines)

    def chunks(self) -> Iterator[bytes]:
        pipe: Optional[IO[bytes]] = self.process.stdout
        if pipe is None:
            raise ValueError("the program was started without a pipe")
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, CHUNK)
        while True:
            chunk = pipe.read1(CHUNK)  # type: ignore[attr-defined]  # IO[bytes] does not tell it, a pipe has it
            if not chunk:
                return
            yield chunk

    def wait(self, timeout: Optional[float]) -> Optional[int]:
        """The exit code with all messages read, or None."""
        try:
            rc = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._listener.join()
        return rc

    def kill(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()

    def stop(self) -> None:
        self.kill()
        self.process.wait()
        self._listener.join()
        for pipe in filter(None, (self.process.stdout, self.process.stderr)):
            with contextlib.suppress(OSError):
                pipe.close()
