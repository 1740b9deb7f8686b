# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, RunbookError
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import (
    CHUNK,
    SMALL,
    Storage,
    open_storage,
    split,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.files import FileStorage
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.s3 import S3Storage


def names(directory: Path) -> list[str]:
    return sorted(str(one.relative_to(directory)) for one in directory.rglob("*") if one.is_file())


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(str(tmp_path))


@pytest.mark.parametrize(
    ("dest", "place", "name"),
    [
        ("s3://bank", "s3://bank/", None),
        ("s3://bank/", "s3://bank/", None),
        ("s3://bank/a/b/", "s3://bank/a/b/", None),
        ("s3://bank/a/b.sql.zst", "s3://bank/a/", "b.sql.zst"),
        ("s3://bank/b", "s3://bank/", "b"),
        ("/nowhere/b.sql", "/nowhere", "b.sql"),
        ("/nowhere/b/", "/nowhere/b", None),
        ("/", "/", None),
    ],
)
def test_a_dest_is_a_place_and_perhaps_a_name(dest: str, place: str, name: str | None) -> None:
    assert split(dest) == (place, name)


@pytest.mark.parametrize("dest", ["s3:bank", "s3://", "s3://B_A", "s3:///key"])
def test_an_address_that_is_none(dest: str) -> None:
    with pytest.raises(BadInput, match="is no S3 address"):
        split(dest)
    with pytest.raises(BadInput, match="is no S3 address"):
        open_storage(dest, {})


def test_halves_of_a_login_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(BadInput, match="belong together"):
        S3Storage("bank", "", {"access_key": "a"})
    with pytest.raises(BadInput, match="exclude each other"):
        S3Storage("bank", "", {"access_key": "a", "secret_key": "b", "profile": "c"})


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1])
def test_what_is_written_is_read_back_and_private(storage: Storage, tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    stored = storage.put("binlog/b", data)
    assert (stored.name, stored.size_bytes, stored.checksum) == ("binlog/b", size, "")
    assert storage.list() == storage.list("binlog/") == [stored] and storage.list("c") == []
    assert storage.stat("binlog/b") == stored and storage.stat("binlog/b/c") is None and storage.stat("c") is None
    assert b"".join(storage.read("binlog/b")) == data == storage.read_small("binlog/b")
    assert b"".join(storage.read("binlog/b", max(size - 1, 0))) == data[-1:]
    assert (tmp_path / "binlog/b").stat().st_mode & 0o777 == 0o600
    storage.delete("binlog/b")
    storage.delete("binlog/b")
    assert storage.list() == []


def test_until_the_end_nothing_has_its_name_and_abandoned_nothing_stays(storage: Storage, tmp_path: Path) -> None:
    storage.put("b", b"the one before")
    with storage.create("b") as upload:
        upload.write(b"half")
        upload.prepare()
        assert [one.name for one in storage.list()] == ["b"] and storage.read_small("b") == b"the one before"
    assert names(tmp_path) == ["b"] and storage.read_small("b") == b"the one before"


def test_what_is_not_there_or_too_large_is_said(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There is no .*/b"):
        storage.read_small("b")
    with (tmp_path / "b").open("wb") as handle:
        handle.truncate(SMALL + 1)
    with pytest.raises(BadInput, match="no record of ours is"):
        storage.read_small("b")
    with pytest.raises(BadInput, match="does not exist"):
        FileStorage(str(tmp_path / "no")).check()
    with pytest.raises(RunbookError, match="can't be created"):
        FileStorage("/proc").create("b")


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "binlog").mkdir()
    dead, living, other = (
        tmp_path / name for name in ("binlog/.a.finaegis-partial-1", ".b.finaegis-partial-2", ".c.partial-3")
    )
    for one in (dead, living, other):
        one.touch()
    with living.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert storage.leftovers() == [str(dead)] == storage.clean()
    assert names(tmp_path) == [living.name, other.name] and storage.list() == []
