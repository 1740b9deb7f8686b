# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import fcntl
import hashlib
from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import file_destination as files
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.manifest import Part
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Refused

from .test_manifest import WHOLE

CONTENT = b"a dump"
PART = Part("b.sql", "whole", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), len(CONTENT))
MANIFEST = dataclasses.replace(WHOLE, file="b.sql", parts=[PART], size_bytes=len(CONTENT))


def write(path: Path) -> None:
    destination = files.FileDestination(str(path))
    destination.sink.write(CONTENT)
    destination.commit(MANIFEST)


def names(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


@pytest.mark.parametrize(
    ("dest", "database", "compression", "name"),
    [
        ("", "bank", "zstd", "bank-20260131T020000Z.sql.zst"),
        ("", "../we ird", "none", ".._we_ird-20260131T020000Z.sql"),
        ("x.sql", "bank", "gzip", "x.sql"),
    ],
)
def test_the_target(tmp_path: Path, dest: str, database: str, compression: str, name: str) -> None:
    assert files.target(str(tmp_path / dest), database, compression, "20260131T020000Z") == str(tmp_path / name)


@pytest.mark.parametrize("dest", ["no/x.sql", "x.sql.gz"])
def test_a_target_that_can_not_be(tmp_path: Path, dest: str) -> None:
    with pytest.raises(BadInput):
        files.target(str(tmp_path / dest), "bank", "zstd", "now")


def test_a_committed_backup_is_proven_and_private(tmp_path: Path) -> None:
    path = tmp_path / "b.sql"
    write(path)
    assert files.verify(str(path)) == MANIFEST
    assert names(tmp_path) == ["b.sql", "b.sql.manifest.json"]
    assert {one.stat().st_mode & 0o777 for one in tmp_path.iterdir()} == {0o600}


def test_until_then_nothing_has_its_name_and_abandoned_nothing_stays(tmp_path: Path) -> None:
    destination = files.FileDestination(str(tmp_path / "b.sql"))
    destination.sink.write(CONTENT)
    assert not (tmp_path / "b.sql").exists()
    destination.abandon()
    destination.abandon()
    assert names(tmp_path) == []


@pytest.mark.parametrize("harm", ["truncate", "flip", "no manifest", "empty manifest", "no dump"])
def test_what_was_changed_is_not_proven(tmp_path: Path, harm: str) -> None:
    path, beside = tmp_path / "b.sql", tmp_path / "b.sql.manifest.json"
    write(path)
    {
        "truncate": lambda: path.write_bytes(CONTENT[:-1]),
        "flip": lambda: path.write_bytes(b"A dump"),
        "no manifest": beside.unlink,
        "empty manifest": lambda: beside.write_text(""),
        "no dump": path.unlink,
    }[harm]()
    with pytest.raises(BadInput):
        files.verify(str(path))


def test_leftovers_of_the_dead_go_and_those_of_the_living_stay(tmp_path: Path) -> None:
    dead, living, other = (
        tmp_path / name for name in (".a.finaegis-partial-1", ".b.finaegis-partial-2", ".c.partial-3")
    )
    for one in (dead, living, other):
        one.touch()
    with living.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert files.leftovers(str(tmp_path)) == [str(dead)]
        assert files.clean(str(tmp_path)) == ([str(dead)], [])
    assert names(tmp_path) == [living.name, other.name]


def test_a_run_killed_between_the_two_names_is_completed(tmp_path: Path) -> None:
    path, beside = tmp_path / "b.sql", tmp_path / "b.sql.manifest.json"
    write(path)
    beside.rename(tmp_path / ".b.sql.manifest.json.finaegis-partial-7")
    assert files.clean(str(tmp_path)) == ([], [str(path)])
    assert files.verify(str(path)) == MANIFEST


def test_a_leftover_manifest_does_not_make_another_file_a_backup(tmp_path: Path) -> None:
    path, beside = tmp_path / "b.sql", tmp_path / "b.sql.manifest.json"
    write(path)
    partial = tmp_path / ".b.sql.manifest.json.finaegis-partial-7"
    beside.rename(partial)
    path.write_bytes(b"something else")
    assert files.clean(str(tmp_path)) == ([str(partial)], [])
    assert names(tmp_path) == ["b.sql"]


def test_too_little_space_is_refused_with_the_numbers(tmp_path: Path) -> None:
    free = files.check_space(str(tmp_path / "b"), 0, 0)
    with pytest.raises(Refused, match="min_free_bytes wants %d left" % (free * 2)) as error:
        files.check_space(str(tmp_path / "b"), 5, free * 2)
    assert error.value.data["estimated_bytes"] == 5
