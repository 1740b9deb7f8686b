# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock in a directory: of many writers one wins, and one that slept too long never does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.environment.lock_file import KEPT, FileStore


def test_what_was_swapped_in_is_read(tmp_path: Path) -> None:
    store = FileStore(str(tmp_path), "prod")
    assert store.read()[0] is None
    assert store.swap(None, "one")
    assert FileStore(str(tmp_path), "prod").read()[0] == "one"
    assert FileStore(str(tmp_path), "prod.eu").read()[0] is None
    assert [path.name for path in tmp_path.iterdir()] == ["prod.0000000001.json"]


def test_whoever_read_an_older_document_loses(tmp_path: Path) -> None:
    late, early = FileStore(str(tmp_path), "prod"), FileStore(str(tmp_path), "prod")
    late.read()
    early.read()
    assert early.swap(None, "early")
    assert not late.swap(None, "late")
    assert late.read()[0] == "early"
    assert late.swap("early", "late")
    assert early.read()[0] == "late"


@pytest.mark.parametrize("others", [1, KEPT - 1, KEPT, KEPT + 1, 3 * KEPT])
def test_a_writer_that_slept_loses_however_much_was_pruned_meanwhile(tmp_path: Path, others: int) -> None:
    sleeper, other = FileStore(str(tmp_path), "prod"), FileStore(str(tmp_path), "prod")
    sleeper.read()
    for number in range(others):
        other.read()
        assert other.swap(None, str(number))
    assert not sleeper.swap(None, "sleeper")
    assert sleeper.read()[0] == str(others - 1)
    assert len(list(tmp_path.iterdir())) <= KEPT + 1


def test_of_many_at_once_one_wins_each_round(tmp_path: Path) -> None:
    rounds, wins = 30, []
    barrier = threading.Barrier(4)

    def compete(name: int) -> None:
        store = FileStore(str(tmp_path), "prod")
        for number in range(rounds):
            barrier.wait()
            text = store.read()[0]
            barrier.wait()
            if store.swap(text, f"{number} {name}"):
                wins.append(number)

    threads = [threading.Thread(target=compete, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == list(range(rounds))


def test_a_directory_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="must exist"):
        FileStore(str(tmp_path / "share"), "prod").read()
    assert not (tmp_path / "share").exists()


def test_no_temporary_file_stays_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*names: str) -> None:
        raise OSError(95, "Operation not supported")

    store = FileStore(str(tmp_path), "prod")
    store.read()
    monkeypatch.setattr("os.link", no_links)
    with pytest.raises(Unavailable, match="hard links"):
        store.swap(None, "x")
    assert not list(tmp_path.iterdir())
