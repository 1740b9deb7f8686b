# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison's arithmetic, and its ranges against what a server means by comparing tuples."""

from __future__ import annotations

import sqlite3
from collections import Counter

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import TimedOut
from ansible_collections.finaegis.runbook.plugins.module_utils.events import replay_compare
from ansible_collections.finaegis.runbook.plugins.module_utils.events.replay_compare import Drift, Shape
from ansible_collections.finaegis.runbook.plugins.module_utils.events.replay_schema import Names, _pattern
from ansible_collections.finaegis.runbook.plugins.module_utils.events.replay_writers import Blocked, renames
from hypothesis import given
from hypothesis import strategies as st

SMALL = st.integers(0, 3)
KEYS = st.integers(1, 3).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[SMALL] * n), max_size=20), st.tuples(*[SMALL] * n))
)


@given(KEYS, st.sampled_from([(">", False), ("<", True)]))
def test_a_range_holds_the_rows_that_tuples_compare_to(drawn: tuple, sign: tuple[str, bool]) -> None:
    """Held against SQLite, which compares row values as the standard says."""
    width, rows, key = drawn
    columns = "abc"[:width]
    text, args = replay_compare._beyond(columns, key, *sign)
    assert text.count("%s") == len(args)
    with sqlite3.connect(":memory:") as db:
        db.execute(f"CREATE TABLE t ({', '.join(columns)})")
        db.executemany(f"INSERT INTO t VALUES ({', '.join('?' * width)})", rows)
        found = db.execute(f"SELECT * FROM t WHERE {text.replace('%s', '?')}", args).fetchall()
        op = ">" if sign[0] == ">" else "<="
        names, marks = ", ".join(columns), ", ".join("?" * width)
        wanted = db.execute(f"SELECT * FROM t WHERE ({names}) {op} ({marks})", key).fetchall()
    db.close()
    assert found == wanted


ROWS = st.lists(st.integers(0, 3), max_size=6).map(Counter)


@given(ROWS, ROWS)
def test_missing_extra_and_different_add_up(live: Counter, rebuilt: Counter) -> None:
    drift = Drift("t", differing={(1,): (live, rebuilt)})
    numbers = drift.numbers()
    assert numbers["missing"] - numbers["extra"] == rebuilt.total() - live.total()
    assert (drift.total == 0) == (live == rebuilt)
    assert numbers["different"] <= min(live.total(), rebuilt.total())


def test_a_sample_shows_only_what_differs_of_a_row_on_both_sides() -> None:
    shape = Shape("accounts", ("uuid", "balance", "owner"), ("uuid",))
    one, other = Counter({("u", 5, "x"): 1}), Counter({("u", 7, "x"): 1})
    told = Drift("accounts", differing={("u",): (one, other), ("v",): (Counter(), other)}).as_dict(shape, 2)["samples"]
    assert told[0] == {"key": {"uuid": "u"}, "live": [{"balance": 5}], "rebuilt": [{"balance": 7}]}
    assert told[1] == {"key": {"uuid": "v"}, "live": [], "rebuilt": [{"uuid": "u", "balance": 7, "owner": "x"}]}


def test_a_grant_is_of_one_schema_and_not_of_all_that_look_like_it() -> None:
    assert _pattern("bank_replay%") == "`bank\\_replay\\%`"


def test_lock_names_fit_the_servers_limit() -> None:
    assert Names("a", "b", "c").lock("task") == "runbook_replay_task_b"
    long = [Names("a", "x" * 60 + end, "c").lock("part0") for end in "12"]
    assert all(len(name) <= 64 for name in long)
    assert long[0] != long[1]


def test_writers_are_not_held_off_past_the_limit() -> None:
    now = [0.0]
    blocked = Blocked(10, clock=lambda: now[0])
    now[0] = 4.0
    blocked.check("doing this")
    blocked.mark("locked")
    assert (blocked.left, blocked.marks) == (6.0, {"locked": 4.0})
    now[0] = 11.0
    with pytest.raises(TimedOut, match="while doing this") as error:
        blocked.check("doing this")
    assert error.value.data == {"blocked_seconds": 11.0}


def test_renames_quote() -> None:
    assert renames([("li`ve", "t", "old")]) == ["`li``ve`.`t` TO `old`.`t`"]
