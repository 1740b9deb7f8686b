# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import catalogue
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.catalogue import Binlog, Catalogue, Proof, gaps
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.manifest import Manifest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.retention import (
    expired,
    remove,
    remove_binlog,
    unneeded_binlogs,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import Stored
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.files import FileStorage
from hypothesis import given
from hypothesis import strategies as st

from .test_proof import CONTENT, MANIFEST, PART

DAY = 86400.0
START = catalogue.seconds_of("2026-01-31T02:00:00Z")


def manifest(name: str, day: int = 31, **more: Any) -> Manifest:
    part = dataclasses.replace(PART, file=name)
    return dataclasses.replace(MANIFEST, file=name, parts=[part], taken="2026-01-%02dT02:00:00Z" % day, **more)


def proof(of: Manifest, level: str = "L3", verdict: str = "ok", at: str = "2026-02-01T03:00:00Z") -> Proof:
    return Proof(of.file, of.digest(), level, verdict, at, 1.5)


def binlog(number: int, **more: Any) -> Binlog:
    name = "binlog.%06d" % number
    whole = Binlog(name, f"binlog/{name}", "1", 9, "ab", start_position=4, end_position=1000, closed=True)
    return dataclasses.replace(whole, **more)


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(str(tmp_path))


def put(storage: FileStorage, *manifests: Manifest) -> None:
    for one in manifests:
        storage.put(one.file, CONTENT)
        storage.put(one.name, one.render().encode())


def test_backups_come_by_the_time_of_their_state_with_their_proofs(storage: FileStorage) -> None:
    new, old = manifest("a.sql", 31), manifest("b.sql", 30)
    put(storage, new, old)
    name = catalogue.write_proof(storage, proof(old, "L4"))
    assert name == "b.sql.proof-20260201T030000Z.json"
    found = catalogue.read(storage)
    assert [(one.manifest.file, one.level, one.proven) for one in found.backups] == [
        ("b.sql", "L4", True),
        ("a.sql", "none", False),
    ]
    newest, proven = found.newest(), found.newest(proven=True)
    assert newest and proven and (newest.manifest, proven.manifest) == (new, old)
    assert (found.unreadable, found.strays, found.binlogs) == ({}, [], [])


@pytest.mark.parametrize(
    ("proofs", "level"),
    [
        ([("L2", "ok")], "L2"),
        ([("L4", "ok"), ("L1", "ok")], "L4"),
        ([("L4", "warning")], "L4"),
        ([("L4", "ok"), ("L1", "critical")], "none"),
        ([("L4", "critical"), ("L3", "ok")], "L3"),
        ([("L3", "unknown")], "none"),
    ],
)
def test_a_failed_proof_takes_away_what_earlier_ones_gave(
    storage: FileStorage, proofs: list[tuple[str, str]], level: str
) -> None:
    put(storage, manifest("a.sql"))
    for number, (reached, verdict) in enumerate(proofs):
        catalogue.write_proof(
            storage, proof(manifest("a.sql"), reached, verdict, "2026-02-%02dT03:00:00Z" % (number + 1))
        )
    (backup,) = catalogue.read(storage).backups
    assert (backup.level, backup.proven) == (level, level in ("L3", "L4", "L5"))


def test_what_is_no_record_or_proves_another_backup_is_named_and_counts_for_nothing(storage: FileStorage) -> None:
    good = manifest("a.sql")
    put(storage, good)
    catalogue.write_proof(storage, proof(manifest("a.sql", 3)))
    storage.put("a.sql.proof-x.json", b"{}")
    storage.put("b.sql.manifest.json", b"\xff")
    storage.put("c.sql.manifest.json", good.render().encode())
    storage.put("lone.sql", b"x")
    storage.put("binlog/binlog.000001.record.json", b"[]")
    catalogue.write_binlog(storage, binlog(2))
    found = catalogue.read(storage)
    assert [one.proofs for one in found.backups] == [[]] and found.binlogs == []
    assert sorted(found.unreadable) == [
        "a.sql.proof-20260201T030000Z.json",
        "a.sql.proof-x.json",
        "b.sql.manifest.json",
        "binlog/binlog.000001.record.json",
        "binlog/binlog.000002.record.json",
        "c.sql.manifest.json",
    ]
    assert [one.name for one in found.strays] == ["lone.sql"]


@pytest.mark.parametrize("harm", ["gone", "short"])
def test_a_backup_whose_data_are_not_there_is_no_whole_one(storage: FileStorage, harm: str) -> None:
    put(storage, manifest("a.sql"), manifest("b.sql", 30))
    catalogue.write_proof(storage, proof(manifest("a.sql")))
    storage.delete("a.sql")
    if harm == "short":
        storage.put("a.sql", CONTENT[:-1])
    found = catalogue.read(storage)
    assert [(one.manifest.file, one.missing, one.proven) for one in found.backups][1] == ("a.sql", ["a.sql"], False)
    newest = found.newest()
    assert newest and newest.manifest.file == "b.sql" and found.newest(proven=True) is None


def test_environments_and_databases_are_told_apart(storage: FileStorage) -> None:
    put(storage, manifest("a.sql", environment="production"), manifest("b.sql"), manifest("c.sql", database="other"))
    assert [one.manifest.file for one in catalogue.read(storage, environment="production").backups] == ["a.sql"]
    assert [one.manifest.file for one in catalogue.read(storage, "other").backups] == ["c.sql"]
    assert [one.manifest.file for one in catalogue.read(storage).only("bänk", None).backups] == ["b.sql"]


@pytest.mark.parametrize(
    ("logs", "position", "found"),
    [
        ([binlog(1), binlog(2), binlog(3, closed=False)], None, []),
        ([binlog(3), binlog(1), binlog(2)], {"file": "binlog.000002", "position": 900}, []),
        ([binlog(1), binlog(4)], None, ["between binlog.000001 and binlog.000004 2 are missing"]),
        ([binlog(1), binlog(4)], {"file": "binlog.000004", "position": 4}, []),
        (
            [binlog(1, closed=False), binlog(2)],
            None,
            ["binlog.000001 is archived up to 1000 only, and binlog.000002 follows"],
        ),
        (
            [binlog(3)],
            {"file": "binlog.000002", "position": 4},
            ["binlog.000002, in which the backup's position lies, is not archived"],
        ),
        (
            [],
            {"file": "binlog.000002", "position": 4},
            ["binlog.000002, in which the backup's position lies, is not archived"],
        ),
        (
            [binlog(2)],
            {"file": "binlog.000002", "position": 1001},
            ["binlog.000002 is archived up to 1000, the backup's position is 1001"],
        ),
        ([binlog(1), binlog(2, server="2")], None, ["binlog.000001 is of server 1, binlog.000002 of server 2"]),
        ([binlog(1, start_position=500)], None, ["binlog.000001 is archived from position 500 on"]),
    ],
)
def test_gaps_in_the_chain_of_logs(logs: list[Binlog], position: dict[str, Any] | None, found: list[str]) -> None:
    assert gaps(logs, position) == found


def shelf(*days: tuple[int, str], **more: Any) -> Catalogue:
    backups = [
        catalogue.Backup(
            manifest(f"{day}.sql", day, position={"file": "binlog.%06d" % day, "position": 4}, **more),
            Stored("x", 1, 0),
            [proof(manifest(f"{day}.sql", day), "L3")] if state == "proven" else [],
            ["x"] if state == "broken" else [],
        )
        for day, state in days
    ]
    return Catalogue(backups, [binlog(number) for number in range(1, 31)], {}, [])


WEEK = [(1, "proven"), (2, ""), (3, "proven"), (4, ""), (5, "broken"), (6, ""), (7, "")]


@pytest.mark.parametrize(
    ("days", "keep_last", "keep_days", "coming", "gone"),
    [
        (WEEK, None, None, False, []),
        (WEEK, 3, None, False, [1, 2, 5]),
        (WEEK, 3, None, True, [1, 2, 4, 5]),
        (WEEK, 0, None, False, [1, 2, 4, 5, 6]),
        (WEEK, 0, None, True, [1, 2, 4, 5, 6, 7]),
        (WEEK, None, 2.5, False, [1, 2, 4, 5]),
        (WEEK, None, 2.6, False, [1, 2, 4]),
        (WEEK, None, 0, False, [1, 2, 4, 5, 6]),
        (WEEK, 5, 2.6, False, [1]),
        (WEEK, 99, None, False, [5]),
        ([(1, "proven")], 0, 0, False, []),
        ([(1, "broken")], 0, 0, False, [1]),
        ([], 1, 1, True, []),
    ],
)
def test_retention(
    days: list[tuple[int, str]], keep_last: int | None, keep_days: float | None, coming: bool, gone: list[int]
) -> None:
    now = catalogue.seconds_of("2026-01-07T14:00:00Z")
    found = expired(shelf(*days), now, keep_last, keep_days, coming)
    assert [one.manifest.file for one in found] == [f"{day}.sql" for day in gone]


@given(
    states=st.lists(st.sampled_from(["", "proven", "broken"]), max_size=20),
    keep_last=st.none() | st.integers(0, 25),
    keep_days=st.none() | st.floats(0, 40),
    coming=st.booleans(),
)
def test_the_newest_proven_one_is_never_removed(
    states: list[str], keep_last: int | None, keep_days: float | None, coming: bool
) -> None:
    found = shelf(*[(number + 1, state) for number, state in enumerate(states)])
    gone = expired(found, START, keep_last, keep_days, coming)
    newest = found.newest(proven=True)
    assert newest is None or newest not in gone
    assert len([one for one in found.backups if not one.missing and one not in gone]) >= min(
        (keep_last or 0) - coming, len([one for one in found.backups if not one.missing])
    )


def test_logs_go_when_no_backup_that_stays_needs_them() -> None:
    found = shelf(*WEEK)
    assert unneeded_binlogs(found, []) == []
    assert unneeded_binlogs(found, found.backups) == []
    assert unneeded_binlogs(found, found.backups[:2]) == ["binlog/binlog.000001", "binlog/binlog.000002"]
    silent = dataclasses.replace(
        found.backups[6], manifest=dataclasses.replace(found.backups[6].manifest, position=None)
    )
    assert unneeded_binlogs(dataclasses.replace(found, backups=[*found.backups[:6], silent]), found.backups[:2]) == []


def test_a_removed_backup_leaves_nothing(storage: FileStorage) -> None:
    put(storage, manifest("a.sql"), manifest("a.sql.gz", 30))
    catalogue.write_proof(storage, proof(manifest("a.sql")))
    storage.put("binlog/binlog.000001", b"x")
    catalogue.write_binlog(storage, binlog(1))
    found = catalogue.read(storage)
    remove(storage, found.backups[1])
    remove_binlog(storage, found.binlogs[0].file)
    assert [one.name for one in storage.list()] == ["a.sql.gz", "a.sql.gz.manifest.json"]
