# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import proof
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.manifest import Part
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.files import FileStorage

from .test_manifest import WHOLE

CONTENT = b"a dump"
PART = Part("b.sql", "whole", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), len(CONTENT))
MANIFEST = dataclasses.replace(WHOLE, file="b.sql", parts=[PART], size_bytes=len(CONTENT))


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    storage = FileStorage(str(tmp_path))
    storage.put("b.sql", CONTENT)
    storage.put("b.sql.manifest.json", MANIFEST.render().encode())
    return storage


def names(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir())


@pytest.mark.parametrize(
    "harm", ["truncate", "flip", "no manifest", "empty manifest", "no dump", "another's", "no text"]
)
def test_what_was_changed_is_not_proven(storage: FileStorage, tmp_path: Path, harm: str) -> None:
    path, beside = tmp_path / "b.sql", tmp_path / "b.sql.manifest.json"
    assert proof.verify(storage, "b.sql") == MANIFEST
    other = dataclasses.replace(MANIFEST, file="c.sql", parts=[dataclasses.replace(PART, file="c.sql")])
    {
        "truncate": lambda: path.write_bytes(CONTENT[:-1]),
        "flip": lambda: path.write_bytes(b"A dump"),
        "no manifest": beside.unlink,
        "empty manifest": lambda: beside.write_text(""),
        "no dump": path.unlink,
        "another's": lambda: beside.write_text(other.render()),
        "no text": lambda: beside.write_bytes(b"\xff"),
    }[harm]()
    with pytest.raises(BadInput):
        proof.verify(storage, "b.sql")


def test_a_run_killed_between_the_two_names_is_completed(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "b.sql.manifest.json").rename(tmp_path / ".b.sql.manifest.json.finaegis-partial-7")
    assert proof.clean(storage) == ([], [str(tmp_path / "b.sql")])
    assert proof.verify(storage, "b.sql") == MANIFEST


def test_a_replacement_killed_between_the_two_names_is_completed(storage: FileStorage, tmp_path: Path) -> None:
    (tmp_path / "b.sql.manifest.json").rename(tmp_path / ".b.sql.manifest.json.finaegis-partial-7")
    storage.put("b.sql.manifest.json", dataclasses.replace(MANIFEST, started="2026-01-30T02:00:00Z").render().encode())
    assert proof.clean(storage) == ([], [str(tmp_path / "b.sql")])
    assert proof.verify(storage, "b.sql") == MANIFEST


def test_a_leftover_manifest_does_not_make_another_file_a_backup(storage: FileStorage, tmp_path: Path) -> None:
    partial = tmp_path / ".b.sql.manifest.json.finaegis-partial-7"
    (tmp_path / "b.sql.manifest.json").rename(partial)
    (tmp_path / "b.sql").write_bytes(b"something else")
    assert proof.clean(storage) == ([str(partial)], [])
    assert names(tmp_path) == ["b.sql"]
