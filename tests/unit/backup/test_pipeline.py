# SPDX-License-Identifier: GPL-3.0-or-later
"""Real small processes, no server: whoever fails is named, and nothing is taken for complete that is not."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.pipeline import Pipeline, Streamed

GOOD = "printf 'x\n-- Dump completed\n'"
WHOLE = Streamed(0, "", 0, "", True, "", "", 1, 1, "ab")


def stream(sink: io.BytesIO, dump: str, compressor: list[str], timeout: float | None = None) -> Streamed | None:
    with open("/dev/null") as nothing:
        pipeline = Pipeline(["sh", "-c", dump], compressor, sink, nothing.fileno())
        try:
            return pipeline.finish(timeout)
        finally:
            pipeline.stop()


def test_a_whole_dump(tmp_path: Path) -> None:
    sink = io.BytesIO()
    streamed = stream(sink, GOOD, ["gzip", "-c"])
    assert streamed is not None and streamed.problem() == ""
    assert gzip.decompress(sink.getvalue()) == b"x\n-- Dump completed\n"
    assert (streamed.size_bytes, streamed.uncompressed_bytes) == (len(sink.getvalue()), 20)
    assert streamed.sha256 == hashlib.sha256(sink.getvalue()).hexdigest()


def test_without_a_compressor_the_text_itself_is_written() -> None:
    sink = io.BytesIO()
    streamed = stream(sink, "seq 300000; " + GOOD, [])
    assert streamed is not None and streamed.problem() == ""
    assert streamed.size_bytes == streamed.uncompressed_bytes == len(sink.getvalue())


@pytest.mark.parametrize(
    ("dump", "compressor", "problem"),
    [
        (GOOD + "; echo no such table >&2; exit 2", ["cat"], "the dump program ended with 2: no such table"),
        (GOOD + "; echo skipped a view >&2", ["cat"], "ended well but warned: skipped a view"),
        ("printf 'INSERT INTO a'", ["cat"], "output ends with 'INSERT INTO a' instead of '-- Dump completed'"),
        ("true", ["cat"], "ends with ''"),
        ("kill -9 $$", ["cat"], "the dump program ended with -9: it said nothing"),
        ("yes", ["sh", "-c", "echo broken >&2; exit 3"], "the compressor ended with 3: broken"),
        (GOOD, ["sh", "-c", "cat; exit 1"], "the compressor ended with 1"),
    ],
)
def test_whoever_fails_is_named(dump: str, compressor: list[str], problem: str) -> None:
    streamed = stream(io.BytesIO(), dump, compressor)
    assert streamed is not None and problem in streamed.problem()


@pytest.mark.parametrize("compressor", [[], ["cat"]])
def test_a_full_disk_ends_it_and_is_the_cause_that_is_told(compressor: list[str]) -> None:
    with open("/dev/full", "wb", buffering=0) as sink:
        streamed = stream(sink, "yes", compressor)
    assert streamed is not None and streamed.problem() == "the file can't be written: No space left on device"


@pytest.mark.parametrize("dump", ["exec sleep 60", "exec >&-; exec sleep 60", "yes"])
def test_a_time_limit_ends_it(dump: str) -> None:
    assert stream(io.BytesIO(), dump, ["cat"], timeout=0.3) is None


def test_causes_come_before_their_consequences() -> None:
    broken = dataclasses.replace(WHOLE, complete=False, dump_rc=-13, dump_stderr="Broken pipe", compressor_rc=1)
    assert broken.problem().startswith("the compressor")
    assert dataclasses.replace(broken, write_error="full").problem().startswith("the file")
