# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import read
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.connection import SqlError
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.dialect import parse_version
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.processlist import (
    NO_RIGHT,
    STALE,
    Process,
    Snapshot,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.read import UNSEEN_LOCKS, Reader, source_of


@pytest.mark.parametrize(
    ("version", "performance_schema", "schema"),
    [
        ("10.11.19-MariaDB", False, "information_schema"),
        ("11.8.2-MariaDB", True, "information_schema"),
        ("5.7.44", True, "information_schema"),
        ("8.0.21", True, "information_schema"),
        ("8.0.22", True, "performance_schema"),
        ("8.0.22", False, "information_schema"),
        ("8.4.3", True, "performance_schema"),
        ("9.7.4-2", True, "performance_schema"),
    ],
)
def test_the_right_source_for_each_server(version: str, performance_schema: bool, schema: str) -> None:
    assert source_of(parse_version(version), performance_schema) == f"{schema}.processlist"


class FakeConnection:
    """Answers a statement by the first of ``answers`` whose text is in it: rows, an error, or a list of such for one time each."""

    id = 1

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def value(self, sql: str) -> int:
        return int("performance_schema" in self.answers)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        self.asked.append(sql)
        for text, answer in self.answers.items():
            if text in sql:
                if isinstance(answer, Iterator):
                    answer = next(answer)
                if isinstance(answer, Exception):
                    raise answer
                return list(answer)
        return []

    def tuples(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.rows(sql)]


RESTING = Process(7, "app", "10.0.0.1:5", "bank", "Sleep", 400.0, query_id=99)


@pytest.mark.parametrize(
    ("changed", "ids"),
    [
        ({}, {7}),
        ({"query_id": 98}, set()),
        ({"user": "root"}, set()),
        ({"host": "10.0.0.1:6"}, set()),
        ({"command": "Query"}, set()),
    ],
)
def test_a_connection_is_at_rest_when_nothing_of_it_changed(changed: dict[str, Any], ids: set[int]) -> None:
    reader = Reader(
        FakeConnection(CONCAT_WS=[{"mark": "7 99 Sleep app 10.0.0.1:5"}]), parse_version("10.11.19-MariaDB")
    )
    assert reader.at_rest([dataclasses.replace(RESTING, **changed)]) == ids


def test_a_server_without_numbered_statements_knows_none_at_rest() -> None:
    connection = FakeConnection(CONCAT_WS=[{"mark": "7 99 Sleep app 10.0.0.1:5"}])
    assert Reader(connection, parse_version("9.7.4-2")).at_rest([RESTING]) == set() and connection.asked == []


def transaction(number: int) -> dict[str, Any]:
    return {"id": number, "seconds": 5, "changed": 2, "locked": 0}


THREADS = [{"Variable_name": "Threads_connected", "Value": "2"}, {"Variable_name": "Threads_running", "Value": "1"}]


def seen(*lists: Any) -> tuple[Snapshot, list[float], list[str]]:
    """A snapshot of a server that shows these lists of transactions one after the other; the last again and again."""
    naps: list[float] = []
    connection = FakeConnection(innodb_trx=chain(lists, repeat(lists[-1])), STATUS=THREADS)
    connection.value = lambda sql: 100 if "max_connections" in sql else 0
    reader = Reader(connection, parse_version("10.11.19-MariaDB"), lambda: 0.0, naps.append)
    return reader.snapshot(), naps, connection.asked


OURS = FakeConnection.id


def test_a_list_of_transactions_is_new_when_our_own_is_in_it() -> None:
    found, naps, asked = seen([transaction(7)], [transaction(7)], [transaction(OURS), transaction(8), transaction(0)])
    assert (found.unknown, len(naps)) == ("", 2) and found.complete
    assert [one.rows_changed for one in found.ownerless] == [2]
    assert asked[0].startswith("START TRANSACTION") and asked[4] == "ROLLBACK"


def test_a_list_of_transactions_that_stays_old_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "_LIST_PATIENCE", 0.0)
    found, naps, asked = seen([transaction(7)])
    assert found.unknown == STALE and found.complete and asked[2] == "ROLLBACK"


def test_without_the_right_nothing_of_others_is_known() -> None:
    found, naps, _ = seen(SqlError("denied", 1227))
    assert found.unknown == NO_RIGHT and not found.complete and naps == []
    with pytest.raises(SqlError):
        seen(SqlError("lost", 2013))


PLUGIN = {"id": 7, "kind": "User lock", "mode": "MDL_SHARED_NO_WRITE", "db": "nightly", "name": ""}
METADATA = {"id": 7, "kind": "TABLE", "mode": "SHARED_READ_ONLY", "db": "bank", "name": "t"}
ABSENT = SqlError("Unknown table 'metadata_lock_info' in information_schema", 1109)


@pytest.mark.parametrize(
    ("server", "answers", "locks", "blind"),
    [
        ("10.11.19-MariaDB", {"metadata_lock_info": [PLUGIN]}, "User lock MDL_SHARED_NO_WRITE nightly", ""),
        ("10.11.19-MariaDB", {"metadata_lock_info": ABSENT}, "", "the plugin metadata_lock_info is not loaded"),
        (
            "10.11.19-MariaDB",
            {"setup_instruments": [{"enabled": "NO"}], "metadata_lock_info": [PLUGIN], "performance_schema": []},
            "User lock MDL_SHARED_NO_WRITE nightly",
            "",
        ),
        (
            "9.7.4-2",
            {"setup_instruments": [{"enabled": "YES"}], "metadata_locks": [METADATA], "performance_schema": []},
            "TABLE SHARED_READ_ONLY bank.t",
            "",
        ),
        (
            "9.7.4-2",
            {"setup_instruments": [{"enabled": "NO"}], "performance_schema": []},
            "",
            "its instrument wait/lock/metadata/sql/mdl is off",
        ),
        (
            "9.7.4-2",
            {"performance_schema": SqlError("denied", 1142)},
            "",
            "performance_schema may not be read",
        ),
    ],
)
def test_locks_are_read_where_the_server_shows_them(
    server: str, answers: dict[str, Any], locks: str, blind: str
) -> None:
    found, unseen = Reader(FakeConnection(**answers), parse_version(server))._locks()
    assert found == ({7: [locks]} if locks else {})
    assert unseen == ([UNSEEN_LOCKS % blind] if blind else [])
