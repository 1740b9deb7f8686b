# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump streaming through a compressor into a file, both sides counted and watched, in constant memory.

Three parties run at once: the dump, the compressor, and two threads of ours that move the bytes. Whoever fails ends them all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import os
import subprocess
import tempfile
import threading
import time
from typing import IO, Any, Callable, List, Optional

from .dump_text import DumpText

_CHUNK = 1 << 20
_STDERR_BYTES = 4000
#: F_SETPIPE_SZ of Linux; Python names it from 3.10 on.
_SET_PIPE_SIZE = 1031


@dataclasses.dataclass(frozen=True)
class Streamed:
    """What is known when everything has ended. ``compressor_rc`` is 0 without a compressor."""

    dump_rc: int
    dump_stderr: str
    compressor_rc: int
    compressor_stderr: str
    complete: bool
    last_line: str
    write_error: str
    size_bytes: int
    uncompressed_bytes: int
    sha256: str

    def problem(self) -> str:
        """Why this is no backup, the cause before its consequences; empty when it is one."""
        if self.write_error:
            return "the file can't be written: %s" % self.write_error
        if self.compressor_rc:
            return "the compressor ended with %d: %s" % (
                self.compressor_rc,
                self.compressor_stderr or "it said nothing",
            )
        if self.dump_rc:
            return "the dump program ended with %d: %s" % (self.dump_rc, self.dump_stderr or "it said nothing")
        if self.dump_stderr:
            return "the dump program ended well but warned: %s" % self.dump_stderr
        if not self.complete:
            return (
                "the dump program ended well but its output ends with '%s' instead of '-- Dump completed'"
                % self.last_line
            )
        return ""


class Pipeline:
    """Starts at once; ``finish`` waits for the end, ``stop`` ends it early and may be called always."""

    def __init__(self, dump: List[str], compressor: List[str], sink: IO[bytes], pass_fd: int) -> None:
        self.text = DumpText()
        self.snapshot_opened = threading.Event()
        self._sink = sink
        self._hash: Any = hashlib.sha256()
        self._size = 0
        self._write_error = ""
        self._stderr = [tempfile.TemporaryFile() for unused in ("dump", "compressor")]  # noqa: SIM115  closed by stop()
        # MySQL's programs read saved logins whatever the option file says; they must not win over ours.
        environment = dict(os.environ, MYSQL_TEST_LOGIN_FILE=os.devnull, LC_ALL="C")
        # Two programs joined by pipes are beyond run_command.
        self._dump = subprocess.Popen(  # pylint: disable=ansible-bad-function
            dump,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr[0],
            pass_fds=[pass_fd],
            env=environment,
        )
        self._compressor: Optional[subprocess.Popen[bytes]] = None
        try:
            if compressor:
                self._compressor = subprocess.Popen(  # pylint: disable=ansible-bad-function
                    compressor, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr[1]
                )
        except OSError:
            self.stop()
            raise
        moves: List[Callable[[], None]] = [self._move_dump]
        if self._compressor is not None:
            moves.append(self._move_compressed)
        self._threads = [threading.Thread(target=move, daemon=True) for move in moves]
        for thread in self._threads:
            thread.start()

    def finish(self, timeout: Optional[float]) -> Optional[Streamed]:
        """Wait until all is written, or None when ``timeout`` seconds were not enough (then call ``stop``)."""
        until = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))
            if thread.is_alive():
                return None
        try:
            dump_rc, compressor_rc = (
                process.wait(None if until is None else max(0.0, until - time.monotonic())) if process else 0
                for process in (self._dump, self._compressor)
            )
        except subprocess.TimeoutExpired:
            return None
        return Streamed(
            dump_rc=dump_rc,
            dump_stderr=self._said(0),
            compressor_rc=compressor_rc,
            compressor_stderr=self._said(1),
            complete=self.text.complete,
            last_line=self.text.last_line,
            write_error=self._write_error,
            size_bytes=self._size,
            uncompressed_bytes=self.text.size,
            sha256=self._hash.hexdigest(),
        )

    def stop(self) -> None:
        """End both programs if they still run, and wait until they are gone."""
        for process in filter(None, (self._dump, self._compressor)):
            if process.poll() is None:
                process.kill()
            process.wait()
        for thread in getattr(self, "_threads", []):
            thread.join()
        for handle in self._stderr:
            handle.close()

    def _move_dump(self) -> None:
        """From the dump to the compressor, or to the file where there is none."""
        source = self._dump.stdout
        if source is None:
            raise ValueError("the dump was started without a pipe")
        target = self._compressor.stdin if self._compressor else None
        _enlarge(source, target)
        try:
            while True:
                chunk = os.read(source.fileno(), _CHUNK)
                if not chunk:
                    break
                self.text.feed(chunk)
                if not self.snapshot_opened.is_set() and self.text.past_snapshot:
                    self.snapshot_opened.set()
                if target is not None:
                    target.write(chunk)
                else:
                    self._write(chunk)
        except BrokenPipeError:
            self._dump.kill()  # the compressor is gone and its exit code will tell why
        except OSError as error:
            self._give_up(error)
        finally:
            self.snapshot_opened.set()
            source.close()
            if target is not None:
                with contextlib.suppress(BrokenPipeError):
                    target.close()

    def _move_compressed(self) -> None:
        source = self._compressor.stdout if self._compressor else None
        if source is None:
            raise ValueError("the compressor was started without a pipe")
        _enlarge(source, None)
        try:
            while True:
                chunk = os.read(source.fileno(), _CHUNK)
                if not chunk:
                    break
                self._write(chunk)
        except OSError as error:
            self._give_up(error)
        finally:
            source.close()

    def _write(self, chunk: bytes) -> None:
        self._sink.write(chunk)
        self._hash.update(chunk)
        self._size += len(chunk)

    def _give_up(self, error: OSError) -> None:
        self._write_error = self._write_error or (error.strerror or str(error))
        self._dump.kill()

    def _said(self, which: int) -> str:
        self._stderr[which].seek(0)
        text = self._stderr[which].read(_STDERR_BYTES).decode("utf-8", "replace")
        return " ".join(text.split())


def _enlarge(*pipes: Optional[IO[bytes]]) -> None:
    """Fewer switches between the processes; a kernel that refuses leaves the pipe as it was."""
    for pipe in filter(None, pipes):
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe.fileno(), _SET_PIPE_SIZE, _CHUNK)
