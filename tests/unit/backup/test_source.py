# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.source import GlobalReadLock, missing_rights
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.connection import SqlError

ALL = {"SELECT", "SHOW VIEW", "TRIGGER", "EVENT"}


@pytest.mark.parametrize(
    ("everywhere", "here", "system", "missing"),
    [
        (ALL, set(), set(), []),
        ({"USAGE"}, ALL, {"SELECT"}, []),
        ({"SHOW_ROUTINE"}, ALL, set(), []),
        (set(), ALL | {"SHOW CREATE ROUTINE"}, set(), []),
        ({"USAGE"}, ALL, set(), ["SHOW_ROUTINE (MySQL), SHOW CREATE ROUTINE or SELECT on mysql.proc (MariaDB)"]),
        ({"SELECT"}, {"TRIGGER"}, set(), ["SHOW VIEW", "EVENT"]),
    ],
)
def test_rights_without_which_a_dump_leaves_things_out(
    everywhere: set[str], here: set[str], system: set[str], missing: list[str]
) -> None:
    assert missing_rights(everywhere, here, system) == missing


class FakeConnection:
    def __init__(self, code: int = 0) -> None:
        self.asked: list[str] = []
        self.code = code

    def rows(self, sql: str) -> list[Any]:
        self.asked.append(sql)
        if self.code and sql.startswith("FLUSH"):
            raise SqlError("refused", self.code)
        return []


def ticking(*times: float) -> Any:
    ticks: Iterator[float] = iter(times)
    return lambda: next(ticks)


def test_one_limit_spans_waiting_and_holding() -> None:
    connection = FakeConnection()
    lock = GlobalReadLock(connection, 2.5, ticking(100.0, 101.0, 103.0, 103.5))
    assert lock.take()
    assert lock.remaining() == 1.5
    assert lock.remaining() == 0.0
    lock.release()
    lock.release()
    assert lock.seconds == 3.5
    assert connection.asked == ["SET SESSION lock_wait_timeout = 3", "FLUSH TABLES WITH READ LOCK", "UNLOCK TABLES"]


@pytest.mark.parametrize("code", [1205, 1227, 1045])
def test_without_the_lock_it_says_why_and_goes_on(code: int) -> None:
    lock = GlobalReadLock(FakeConnection(code), 5, ticking(0.0, 5.0))
    assert not lock.take()
    assert (lock.held, lock.reason, lock.seconds) == (False, "refused", 5.0)


def test_a_lost_connection_is_not_taken_for_a_missing_right() -> None:
    with pytest.raises(SqlError):
        GlobalReadLock(FakeConnection(2013), 5, ticking(0.0)).take()


def test_zero_never_asks() -> None:
    connection = FakeConnection()
    lock = GlobalReadLock(connection, 0)
    assert not lock.take()
    lock.release()
    assert connection.asked == []
    assert lock.remaining() == 0.0
