# SPDX-License-Identifier: GPL-3.0-or-later
"""Who waits for whom, as a tree."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.processlist import Process, Transaction
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.waits import UNKNOWN, Lock, Wait, of_metadata, tree
from hypothesis import given
from hypothesis import strategies as st

Shape = list[Any]


def shape(nodes: list[dict[str, Any]]) -> Shape:
    """Ids alone, those below in a list after each."""
    found: Shape = []
    for node in nodes:
        found += [node["id"], shape(node["blocks"])] if node["blocks"] else [node["id"]]
    return found


def waits(*pairs: tuple[int, int]) -> list[Wait]:
    return [Wait(waiter, blocker, "row of bank.accounts") for waiter, blocker in pairs]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], []),
        ([(2, 1)], [1, [2]]),
        ([(2, 1), (3, 1)], [1, [2, 3]]),
        # As both servers tell a queue of two behind one: the last waits for both.
        ([(2, 1), (3, 1), (3, 2)], [1, [2, [3]]]),
        ([(3, 1), (3, 2)], [1, [3], 2, [3]]),
        ([(2, 1), (4, 3)], [1, [2], 3, [4]]),
        ([(2, UNKNOWN)], [None, [2]]),
        ([(2, 0)], [0, [2]]),
        ([(1, 2), (2, 1)], [1, [2]]),
        ([(1, 2), (2, 1), (3, 1)], [1, [2, 3]]),
    ],
)
def test_the_tree(pairs: list[tuple[int, int]], expected: Shape) -> None:
    assert shape(tree(waits(*pairs), {})) == expected


def ids(nodes: list[dict[str, Any]], above: tuple[int | None, ...] = ()) -> set[int | None]:
    found: set[int | None] = set()
    for node in nodes:
        assert node["id"] not in above
        found |= {node["id"]} | ids(node["blocks"], (*above, node["id"]))
    return found


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8)), max_size=20))
def test_nobody_is_lost_and_nobody_stands_below_himself(pairs: list[tuple[int, int]]) -> None:
    pairs = [(waiter, blocker) for waiter, blocker in pairs if waiter != blocker]
    assert ids(tree(waits(*pairs), {})) == {each for pair in pairs for each in pair}


def test_a_node_says_who_it_is() -> None:
    process = Process(1, "app", "web:5", "bank", "Sleep", 9.5, statement="", transaction=Transaction(12, 1, 1))
    (root,) = tree(waits((2, 1)), {1: process})
    assert root == {
        "id": 1,
        "user": "app",
        "host": "web:5",
        "database": "bank",
        "command": "Sleep",
        "seconds": 9.5,
        "statement": "",
        "transaction_seconds": 12,
        "waits_for": "",
        "blocks": root["blocks"],
    }
    assert root["blocks"][0]["waits_for"] == "row of bank.accounts"


def lock(identity: int, mode: str, granted: bool = True, on: str = "table bank.t") -> Lock:
    return Lock(identity, on, mode, granted)


@pytest.mark.parametrize(
    ("locks", "pairs"),
    [
        # An ALTER behind a reader and a writer, and a SELECT behind the ALTER, as MySQL 9.7 showed them.
        (
            [
                lock(12, "SHARED_WRITE"),
                lock(13, "SHARED_READ"),
                lock(15, "SHARED_UPGRADABLE"),
                lock(15, "EXCLUSIVE", on="table bank.#sql-50c3_f"),
                lock(15, "EXCLUSIVE", granted=False),
                lock(16, "SHARED_READ", granted=False),
            ],
            [(15, 12), (15, 13), (16, 15)],
        ),
        ([lock(1, "SHARED_NO_READ_WRITE"), lock(2, "SHARED_READ", granted=False)], [(2, 1)]),
        ([lock(1, "SHARED_READ_ONLY"), lock(2, "SHARED_WRITE", granted=False)], [(2, 1)]),
        ([lock(1, "EXCLUSIVE", on="user level lock x"), lock(2, "EXCLUSIVE", False, "user level lock x")], [(2, 1)]),
        ([lock(1, "SHARED", on="global"), lock(2, "INTENTION_EXCLUSIVE", False, "global")], [(2, 1)]),
        ([lock(1, "SHARED_READ"), lock(2, "SHARED_WRITE")], []),
        ([lock(1, "EXCLUSIVE", on="table bank.u"), lock(2, "SHARED_READ", granted=False)], [(2, UNKNOWN)]),
    ],
)
def test_waits_behind_metadata_locks(locks: list[Lock], pairs: list[tuple[int, int]]) -> None:
    assert [(wait.waiter, wait.blocker) for wait in of_metadata(locks)] == pairs
