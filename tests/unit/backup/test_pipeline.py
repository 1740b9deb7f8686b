# SPDX-License-Identifier: GPL-3.0-or-later
"""Real small processes, no server: whoever fails is named, and nothing is taken for complete that is not."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.engines.base import Job
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.engines.dump import Dump
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.pipeline import Pipeline, Streamed
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.programs import Program
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.dialect import parse_version
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.login import Login
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import Stored, Upload
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.files import FileStorage

GOOD = "printf 'x\n-- Dump completed\n'"


class FullDisk(Upload):
    """An upload whose disk is full from the first byte on, or whose S3 went away."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def write(self, chunk: bytes) -> None:
        raise self.error

    def prepare(self) -> None:
        raise AssertionError

    def commit(self) -> Stored:
        raise AssertionError

    def abort(self) -> None:
        pass


def stream(
    directory: Path, dump: str, filters: list[list[str]], timeout: float | None = None, upload: Upload | None = None
) -> tuple[Streamed | None, bytes]:
    """What a dump program made of a line of shell gives."""
    program = directory / "program"
    program.write_text(f"#!/bin/sh\n{dump}\n")
    program.chmod(0o755)
    server = parse_version("10.11.19-MariaDB")
    with open(os.devnull) as nothing, upload or FileStorage(str(directory)).create("b") as sink:
        job = Job("bank", Login("h", 1, "u"), server, Program(str(program), "MariaDB"), False, nothing.fileno(), 1)
        pipeline = Pipeline(Dump().start(job), filters, sink)
        try:
            streamed = pipeline.finish(timeout)
        finally:
            pipeline.stop()
        if streamed is None or streamed.problem:
            return streamed, b""
        sink.commit()
    return streamed, (directory / "b").read_bytes()


def test_a_whole_dump_through_two_filters(tmp_path: Path) -> None:
    streamed, data = stream(tmp_path, GOOD, [["gzip", "-c"], ["cat"]])
    assert streamed is not None and streamed.problem == ""
    assert gzip.decompress(data) == b"x\n-- Dump completed\n"
    assert (streamed.size_bytes, streamed.uncompressed_bytes) == (len(data), 20)
    assert streamed.sha256 == hashlib.sha256(data).hexdigest()


def test_without_a_filter_the_text_itself_is_written(tmp_path: Path) -> None:
    streamed, data = stream(tmp_path, "seq 300000; " + GOOD, [])
    assert streamed is not None and streamed.problem == ""
    assert streamed.size_bytes == streamed.uncompressed_bytes == len(data)


@pytest.mark.parametrize(
    ("dump", "filters", "problem"),
    [
        (GOOD + "; echo no such table >&2; exit 2", [["cat"]], "the dump program ended with 2: no such table"),
        (GOOD + "; echo skipped a view >&2", [["cat"]], "ended well but warned: skipped a view"),
        ("printf 'INSERT INTO a'", [["cat"]], "output ends with 'INSERT INTO a' instead of '-- Dump completed'"),
        ("true", [["cat"]], "ends with ''"),
        ("kill -9 $$", [["cat"]], "the dump program ended with -9: it said nothing"),
        ("exec yes", [["sh", "-c", "echo broken >&2; exit 3"]], "sh ended with 3: broken"),
        ("exec yes", [["cat"], ["sh", "-c", "echo no key >&2; exit 2"]], "no key"),
        (GOOD, [["sh", "-c", "cat; exit 1"]], "sh ended with 1"),
        (GOOD, [["cat"], ["sh", "-c", "cat; exit 1"]], "sh ended with 1"),
    ],
)
def test_whoever_fails_is_named(tmp_path: Path, dump: str, filters: list[list[str]], problem: str) -> None:
    streamed, unused = stream(tmp_path, dump, filters)
    assert streamed is not None and problem in streamed.problem
    assert [one.name for one in tmp_path.iterdir()] == ["program"]


@pytest.mark.parametrize("filters", [[], [["cat"]], [["cat"], ["cat"]]])
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "the backup can't be written: No space left on device"),
        (Unavailable("S3 went away."), "the backup can't be written: S3 went away."),
    ],
)
def test_a_storage_that_fails_ends_it_and_is_the_cause_that_is_told(
    tmp_path: Path, filters: list[list[str]], error: Exception, told: str
) -> None:
    streamed, unused = stream(tmp_path, "exec yes", filters, upload=FullDisk(error))
    assert streamed is not None and streamed.problem == told


@pytest.mark.parametrize("dump", ["exec sleep 60", "exec >&-; exec sleep 60", "exec yes"])
def test_a_time_limit_ends_it(tmp_path: Path, dump: str) -> None:
    assert stream(tmp_path, dump, [["cat"]], timeout=0.3) == (None, b"")
