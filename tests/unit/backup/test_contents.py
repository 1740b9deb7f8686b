# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.contents import Contents, differences, uncompared
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.sums import (
    BLOCK,
    Column,
    Table,
    blocks,
    chain,
    pieces,
    row_sql,
    store_key,
)
from hypothesis import given
from hypothesis import strategies as st

from .test_manifest import WHOLE


def column(name: str, kind: str = "bigint", **more: bool) -> Column:
    return dataclasses.replace(Column(name, kind, nullable=False, generated=False, primary=False), **more)


def test_a_row_is_one_text_with_its_nulls() -> None:
    columns = [
        column("id", primary=True),
        column("a`b", "varchar", nullable=True),
        column("twice", generated=True),
        column("flag", "bit"),
        column("at", "point"),
        column("data", "longtext"),
    ]
    assert row_sql(columns, False) == (
        "CONCAT_WS(X'1F', `id`, `a``b`, CAST(`flag` AS UNSIGNED), HEX(ST_AsBinary(`at`)), `data`, ISNULL(`a``b`))"
    )
    assert "SHA2(`data`, 256)" in row_sql(columns, True) and "SHA2(`a``b`" not in row_sql(columns, True)
    assert row_sql([], False) == "CONCAT_WS(X'1F', '')"


EVENTS = [
    column("id", primary=True),
    *(column(name, "char") for name in ("aggregate_uuid", "aggregate_version", "event_class", "event_properties")),
]


@pytest.mark.parametrize(
    ("columns", "key"),
    [
        (EVENTS, "id"),
        (EVENTS[:-1], None),
        ([column("id", "uuid", primary=True), *EVENTS[1:]], None),
        ([*EVENTS, column("tenant", primary=True)], None),
        ([column("ID", primary=True), *(dataclasses.replace(one, name=one.name.upper()) for one in EVENTS[1:])], "ID"),
    ],
)
def test_event_stores_are_told_by_their_columns_and_go_by_their_number(columns: list[Column], key: str | None) -> None:
    assert store_key(columns) == key


class Ends:
    """A connection that knows the first and the last id only."""

    def __init__(self, low: int | None, high: int | None) -> None:
        self.ends = {"low": low, "high": high}

    def rows(self, _sql: str) -> list[dict[str, int | None]]:
        return [self.ends]


LARGE = 1 << 30


@pytest.mark.parametrize(
    ("columns", "size", "ends", "count", "groups"),
    [
        (EVENTS, LARGE, (1, 3 * BLOCK), 4, False),
        (EVENTS, 1000, (1, 3 * BLOCK), 1, True),
        (EVENTS, LARGE, (None, None), 1, True),
        (EVENTS, LARGE, (1, 1 << 62), 1, True),
        (EVENTS[:-1], LARGE, (1, 3 * BLOCK), 1, False),
    ],
)
def test_large_event_stores_are_read_in_blocks(
    columns: list[Column], size: int, ends: tuple[int | None, int | None], count: int, groups: bool
) -> None:
    connection: Any = Ends(*ends)
    found = pieces(connection, "d", Table("t", columns, size), False)
    assert len(found) == count and {one.table for one in found} == {"t"}
    assert all(("GROUP BY b" in one.sql) == groups for one in found)


@given(st.integers(-5 * BLOCK, 5 * BLOCK), st.integers(0, 5 * BLOCK), st.integers(0, 5 * BLOCK))
def test_blocks_are_those_of_division(low: int, span: int, place: int) -> None:
    found = blocks(low, low + span)
    one = low + min(place, span)
    holding = [n for n, first, last in found if first <= one <= last]
    assert holding == [int(one / BLOCK)], "each id is in one block, and in its own"


def test_the_chain_depends_on_every_block_and_on_their_order() -> None:
    blocks = [{"b": 0, "n": 3, "s": 77, "top": 99}, {"b": 1, "n": 2, "s": 5, "top": 101}]
    seen = {chain(blocks), chain(blocks[:1]), chain(blocks[::-1])}
    for fact in ("b", "n", "s", "top"):
        other = copy.deepcopy(blocks)
        other[0][fact] += 1
        seen.add(chain(other))
    assert len(seen) == 7


MANIFEST = dataclasses.replace(
    WHOLE,
    tables={
        "a": {"rows": 3, "checksum": "7", "engine": "InnoDB", "consistent": True},
        "b": {"rows": 0, "checksum": "0"},
    },
    event_stores={"a": {"highest_id": 9, "rows": 3, "chain": "c", "block": 100}},
    objects={"table:a": "1", "table:b": "2", "view:v": "3"},
)


def held(**more: Any) -> Contents:
    tables = {name: {key: facts[key] for key in ("rows", "checksum")} for name, facts in MANIFEST.tables.items()}
    same = Contents(tables, copy.deepcopy(MANIFEST.event_stores), dict(MANIFEST.objects))
    return dataclasses.replace(same, **more)


@pytest.mark.parametrize(
    ("contents", "what"),
    [
        (held(), []),
        (held(tables={**held().tables, "a": {"rows": 2, "checksum": "6"}}), ["table a rows", "table a checksum"]),
        (held(tables={**held().tables, "a": {"rows": 3, "checksum": None}}), ["table a checksum"]),
        (held(tables={"a": held().tables["a"]}), ["table b"]),
        (held(tables={**held().tables, "c": {"rows": 0, "checksum": "0"}}), ["table c"]),
        (
            held(event_stores={"a": {"highest_id": 8, "chain": "x"}}),
            ["event store a highest_id", "event store a chain"],
        ),
        (held(event_stores={}), ["event store a highest_id", "event store a chain"]),
        (held(objects={"table:a": "1", "table:b": "2"}), ["view:v"]),
        (held(objects={**MANIFEST.objects, "table:a": "9"}), ["table:a"]),
        (held(objects={**MANIFEST.objects, "trigger:t": "9"}), ["trigger:t"]),
    ],
)
def test_every_difference_is_named_once(contents: Contents, what: list[str]) -> None:
    assert [one["what"] for one in differences(MANIFEST, contents)] == what


def test_what_the_manifest_does_not_know_is_told_as_such() -> None:
    tables = {**MANIFEST.tables, "a": {"rows": None, "checksum": None}}
    blind = dataclasses.replace(MANIFEST, tables=tables, objects={**MANIFEST.objects, "view:v": "unseen"})
    assert differences(blind, held()) == []
    assert uncompared(blind) == ["table a", "view:v"] and uncompared(MANIFEST) == []
