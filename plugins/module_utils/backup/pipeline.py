# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup streaming from its engine through compression and encryption into the storage, all sides watched, in constant memory.

All run at once: the engine, the filters, and two threads of ours that move the bytes. Whoever fails ends them all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import subprocess
import tempfile
import threading
import time
from typing import IO, Any, List, Optional

from ..core.errors import RunbookError
from ..storage.base import CHUNK, Upload
from .engines.base import Running
from .programs import environment

_SAID_BYTES = 4000
#: F_SETPIPE_SZ of Linux; Python names it from 3.10 on.
_SET_PIPE_SIZE = 1031


@dataclasses.dataclass(frozen=True)
class Streamed:
    """What is known when everything has ended. ``problem`` is why this is no backup, the cause before its consequences; empty when it
    is one.
    """

    problem: str
    size_bytes: int
    uncompressed_bytes: int
    sha256: str


class Pipeline:
    """Starts at once; ``finish`` waits for the end, ``stop`` ends it early and may be called always."""

    def __init__(self, running: Running, filters: List[List[str]], upload: Upload) -> None:
        self._running, self._upload = running, upload
        self._hash: Any = hashlib.sha256()
        self._size = self._uncompressed = 0
        self._write_error = ""
        self._stderr = [tempfile.TemporaryFile() for unused in filters]  # noqa: SIM115  closed by stop()
        self._filters: List[subprocess.Popen[bytes]] = []
        self._threads: List[threading.Thread] = []
        try:
            for argv, said in zip(filters, self._stderr):
                source = self._filters[-1].stdout if self._filters else subprocess.PIPE
                # Programs joined by pipes are beyond run_command.
                child = subprocess.Popen(  # pylint: disable=ansible-bad-function
                    argv, stdin=source, stdout=subprocess.PIPE, stderr=said, env=environment()
                )
                if self._filters and self._filters[-1].stdout:
                    self._filters[-1].stdout.close()  # else the one before would not notice when this one ends
                self._filters.append(child)
        except OSError:
            self.stop()
            raise
        self._threads = [threading.Thread(target=self._feed, daemon=True)]
        if self._filters:
            self._threads.append(threading.Thread(target=self._drain, daemon=True))
        for thread in self._threads:
            thread.start()

    @property
    def ended(self) -> bool:
        """Whether the engine gives nothing more."""
        return not self._threads[0].is_alive()

    def finish(self, timeout: Optional[float]) -> Optional[Streamed]:
        """Wait until all is written, or None when ``timeout`` seconds were not enough (then call ``stop``)."""
        until = None if timeout is None else time.monotonic() + timeout

        def left() -> Optional[float]:
            return None if until is None else max(0.0, until - time.monotonic())

        for thread in self._threads:
            thread.join(left())
            if thread.is_alive():
                return None
        try:
            ends = [child.wait(left()) for child in self._filters]
        except subprocess.TimeoutExpired:
            return None
        problem = self._running.finish(left())
        if problem is None:
            return None
        # Of several the last one in the chain is the cause: those before it only found nobody to write to.
        for rc, child, said in zip(ends, self._filters, self._stderr):
            if rc:
                problem = "%s ended with %d: %s" % (_name(child.args), rc, _said(said) or "it said nothing")
        return Streamed(self._write_error or problem, self._size, self._uncompressed, self._hash.hexdigest())

    def stop(self) -> None:
        """End all programs if they still run, and wait until they are gone."""
        self._running.kill()
        for child in self._filters:
            if child.poll() is None:
                child.kill()
            child.wait()
        for thread in self._threads:
            thread.join()
        self._running.stop()
        for child in self._filters:
            for pipe in filter(None, (child.stdin, child.stdout)):
                with contextlib.suppress(OSError):
                    pipe.close()
        for handle in self._stderr:
            handle.close()

    def _feed(self) -> None:
        """From the engine to the first filter, or to the storage where there is none."""
        target = self._filters[0].stdin if self._filters else None
        _enlarge(target)
        try:
            for chunk in self._running.chunks():
                self._uncompressed += len(chunk)
                if target is not None:
                    target.write(chunk)
                else:
                    self._write(chunk)
        except BrokenPipeError:
            self._running.kill()  # the filter is gone and its exit code will tell why
        except (OSError, RunbookError) as error:
            self._give_up(error)
        finally:
            if target is not None:
                with contextlib.suppress(OSError):
                    target.close()

    def _drain(self) -> None:
        source = self._filters[-1].stdout
        if source is None:
            raise ValueError("the filter was started without a pipe")
        _enlarge(source)
        try:
            while True:
                chunk = source.read1(CHUNK)  # type: ignore[attr-defined]  # IO[bytes] does not tell it, a pipe has it
                if not chunk:
                    break
                self._write(chunk)
        except (OSError, RunbookError) as error:
            self._give_up(error)
            self._filters[0].kill()
        finally:
            source.close()

    def _write(self, chunk: bytes) -> None:
        self._upload.write(chunk)
        self._hash.update(chunk)
        self._size += len(chunk)

    def _give_up(self, error: Exception) -> None:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        self._write_error = self._write_error or "the backup can't be written: %s" % said
        self._running.kill()


def _name(argv: Any) -> str:
    return str(argv[0]).rpartition("/")[2]


def _said(handle: IO[bytes]) -> str:
    handle.seek(0)
    return " ".join(handle.read(_SAID_BYTES).decode("utf-8", "replace").split())


def _enlarge(pipe: Optional[IO[bytes]]) -> None:
    """Fewer switches between the processes; a kernel that refuses leaves the pipe as it was."""
    if pipe is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, CHUNK)
