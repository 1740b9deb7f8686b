# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events may leave an aggregate, how they are put into files, and what a file must be to be believed."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Failed, Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.events import (
    archive_plan,
    archive_rows,
    archive_store,
    stores,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.events.archive_plan import Aggregate, Slice
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import Stored, Upload
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.files import FileStorage
from hypothesis import given
from hypothesis import strategies as st

WHOLE = Aggregate("u", first=1, last=30, events=30, young=None, snapshot_version=20, state="full")


@pytest.mark.parametrize(
    ("change", "keep_latest", "upto"),
    [
        ({}, 1, 20),
        ({}, 15, 15),
        ({}, 0, 20),
        ({"snapshot_version": 30}, 1, 29),  # the last event stays: saving asks for the highest version
        ({"snapshot_version": 30}, 0, 29),
        ({"young": 8}, 1, 7),
        ({"first": 11, "events": 20}, 1, 20),
    ],
)
def test_what_may_go(change: dict[str, int], keep_latest: int, upto: int) -> None:
    one = dataclasses.replace(WHOLE, **change)
    assert archive_plan.decide(one, keep_latest) == (Slice("u", one.first, upto), "")


@pytest.mark.parametrize(
    ("change", "keep_latest", "reason"),
    [
        ({"state": "empty"}, 1, "empty_snapshot"),
        ({"state": "broken"}, 1, "broken_snapshot"),
        ({"snapshot_version": 31}, 1, "snapshot_ahead"),
        ({"events": 29}, 1, "version_gap"),
        ({"events": 0, "first": 0, "last": 0}, 1, "no_events"),
        ({"young": 1}, 1, "nothing_old_enough"),
        ({}, 30, "nothing_old_enough"),
        ({"first": 21, "events": 10}, 1, "nothing_old_enough"),
        ({"first": 30, "events": 1, "snapshot_version": 30}, 1, "nothing_old_enough"),
    ],
)
def test_what_must_stay(change: dict[str, int | str], keep_latest: int, reason: str) -> None:
    assert archive_plan.decide(dataclasses.replace(WHOLE, **change), keep_latest) == (None, reason)
    assert reason in archive_plan.KEPT


@given(
    st.integers(1, 50),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 60),
    st.one_of(st.none(), st.integers(1, 60)),
    st.sampled_from(["full", "empty", "broken"]),
)
def test_whatever_is_decided_the_aggregate_can_be_loaded_and_saved(
    first: int, more: int, snapshot: int, keep: int, young: int | None, state: str
) -> None:
    last = first + more
    part, reason = archive_plan.decide(Aggregate("u", first, last, last - first + 1, young, snapshot, state), keep)
    assert (part is None) is bool(reason)
    if part is not None:
        assert part.first == first
        assert part.last <= snapshot <= last, "what is loaded after the snapshot is all there"
        assert part.last < last, "the highest version is there"
        assert last - part.last >= keep
        assert young is None or part.last < young
        assert state == "full"


COLUMNS = [archive_rows.Column("id", "bigint"), archive_rows.Column("event_class", "varchar")]
LINES = [b'["1", "A\\n"]', b'["2", null]', b'["3", "B"]']


def archive(directory: Path, text: bytes, events: int = 3, change: bytes | None = None) -> archive_store.Archive:
    packed = gzip.compress(text)
    storage = FileStorage(str(directory / "x"))
    storage.put("events-000001.jsonl.gz", packed if change is None else change)
    columns = [[column.name, column.type] for column in COLUMNS]
    one = archive_store.Segment(
        "events-000001.jsonl.gz", "written", events, len(packed), hashlib.sha256(packed).hexdigest(), 1, 3, "", columns
    )
    return archive_store.Archive(storage, "bank", "stored_events", [one])


def test_a_file_is_read_back_in_chunks(tmp_path: Path) -> None:
    one = archive(tmp_path, b"\n".join(LINES) + b"\n")
    proofs = one.prove(one.segments[0], "id", 2)
    assert [proof.ids for proof in proofs] == [["1", "2"], ["3"]]
    rows = [("1", "A\n"), ("2", None)]
    assert archive_rows.parse(LINES[:2], COLUMNS) == rows
    assert proofs[0].digest == archive_rows.digest(rows)
    texts = [b"1\x1fA\n", b"2\x1f\0"]
    assert (
        proofs[0].digest == hashlib.sha256("".join(hashlib.sha256(t).hexdigest() for t in texts).encode()).hexdigest()
    )


@pytest.mark.parametrize(
    ("text", "events", "change", "words"),
    [
        (b"\n".join(LINES) + b"\n", 4, None, "it holds 3 events, not 4"),
        (b"\n".join(LINES), 3, None, "it ends in the middle"),
        (LINES[0] + b"\n{}\n", 2, None, "a line can't be read back"),
        (LINES[0] + b"\n{\n", 2, None, "a line can't be read back"),
        (LINES[0] + b'\n["2"]\n', 2, None, "a line can't be read back"),
        (LINES[0] + b"\n2, 3\n", 2, None, "a line can't be read back"),
        (LINES[0] + b"\n", 1, gzip.compress(LINES[2] + b"\n"), "its SHA-256 is another one"),
        (LINES[0] + b"\n", 1, gzip.compress(LINES[0] + b"\n")[:-4], "it ends in the middle"),
        (LINES[0] + b"\n", 1, b"no gzip at all", "a line can't be read back"),
        (LINES[0] + b"\n", 1, b"", "it ends in the middle"),
    ],
)
def test_a_file_that_is_not_believed(
    tmp_path: Path, text: bytes, events: int, change: bytes | None, words: str
) -> None:
    one = archive(tmp_path, text, events, change)
    with pytest.raises(Failed, match=words):
        one.prove(one.segments[0], "id", 2)


def test_a_file_just_written_must_give_back_the_very_lines(tmp_path: Path) -> None:
    text = b"\n".join(LINES) + b"\n"
    one = archive(tmp_path, text)
    one.read_back(one.segments[0], hashlib.sha256(text).hexdigest())
    with pytest.raises(Failed, match="its lines are other ones"):
        one.read_back(one.segments[0], hashlib.sha256(text.replace(b"B", b"b")).hexdigest())
    one.storage.put("events-000001.jsonl.gz", gzip.compress(text + b"\n"))
    with pytest.raises(Failed, match="its SHA-256 is another one"):
        one.read_back(one.segments[0], hashlib.sha256(text).hexdigest())


def test_the_catalogue_comes_back_and_knows_its_own_leftovers(tmp_path: Path) -> None:
    one = archive(tmp_path, b"\n".join(LINES) + b"\n")
    one.save()
    partial = ".events-000003.jsonl.gz.finaegis-partial-1"
    for name in ("events-000002.jsonl.gz", partial, "events-notes.txt"):
        (tmp_path / "x" / name).write_text("")
    again = archive_store.load(one.storage, "bank", "stored_events")
    assert again.segments == one.segments
    again.clean()
    left = sorted(path.name for path in (tmp_path / "x").iterdir())
    assert left == ["catalogue.json", "events-000001.jsonl.gz", "events-notes.txt"]
    assert archive_store.Archive.name(2) == "events-000002.jsonl.gz"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no catalogue of an archive"),
        (json.dumps({"format": "other"}), "its format is 'other'"),
        (
            json.dumps({"format": archive_store.FORMAT, "schema": "b", "table": "t", "segments": []}),
            "is the archive of b.t",
        ),
    ],
)
def test_what_is_no_archive_of_this_table(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / archive_store.CATALOGUE).write_text(text)
    with pytest.raises(BadInput, match=words):
        archive_store.load(FileStorage(str(tmp_path)), "bank", "stored_events")


class Full(Upload):
    """Writes nothing any more."""

    def write(self, chunk: bytes) -> None:
        raise OSError(28, "No space left on device")

    def prepare(self) -> None:
        pass

    def commit(self) -> Stored:
        raise AssertionError("was given its name")

    def abort(self) -> None:
        pass


def test_a_disk_that_is_full_is_told_and_what_the_server_says_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileStorage(str(tmp_path))
    empty = archive_store.Archive(storage, "bank", "stored_events", [])

    def parts() -> Iterator[bytes]:
        yield b"half"
        raise Unavailable("The server went away.")

    with pytest.raises(Unavailable, match="went away"):
        empty.write("events-000001.jsonl.gz", parts())
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(storage, "create", lambda name: Full())
    with pytest.raises(
        Failed, match=r"000001.jsonl.gz can't be written: No space left on device\. No event was deleted"
    ):
        empty.write("events-000001.jsonl.gz", [b"half"])


@pytest.mark.parametrize(
    ("ids", "where", "args"),
    [
        ([5], "(e.`id` IN (%s))", [5]),
        ([1, 2, 3], "(e.`id` BETWEEN %s AND %s)", [1, 3]),
        ([1, 2, 4, 7, 8], "(e.`id` BETWEEN %s AND %s OR e.`id` BETWEEN %s AND %s OR e.`id` IN (%s))", [1, 2, 7, 8, 4]),
        (["a", "b"], "(e.`id` IN (%s, %s))", ["a", "b"]),
    ],
)
def test_ids_that_follow_each_other_are_ranges(ids: list[int | str], where: str, args: list[int | str]) -> None:
    table = stores.describe("bank", "stored_events", {}, None, {"PRIMARY": (True, ["id"])}, 0)
    assert archive_rows.among(table, ids) == (where, args)


@given(
    st.lists(st.lists(st.none() | st.text(max_size=6), min_size=2, max_size=2), min_size=1, max_size=4),
    st.sampled_from(["", "\x1d", "\x1e", "\x1f", "\0", "\n", "\\u001f", '","', "\x7f\x80"]),
)
def test_lines_made_here_are_those_of_the_server_or_none_are_made(rows: list[list[str | None]], odd: str) -> None:
    rows = [["a" + odd, "b"], *rows]
    nulls = sum(text is None for row in rows for text in row)
    sent = "".join("\x1f".join("\x1d" if text is None else text for text in row) + "\x1e" for row in rows)
    made = archive_rows.as_lines(sent.encode(), len(rows), 2, nulls)
    if made is not None:
        text, digest = made
        assert [json.loads(line) for line in text.splitlines()] == rows
        assert digest == archive_rows.digest([tuple(row) for row in rows])
    ambiguous = any(character < " " for row in rows for text in row for character in text or "")
    assert (made is None) == ambiguous
    for cut in range(0 if ambiguous else len(sent)):
        assert archive_rows.as_lines(sent[:cut].encode(), len(rows), 2, nulls) is None
