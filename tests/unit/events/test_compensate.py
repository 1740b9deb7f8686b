# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events undo which: a table, and the laws that hold for every aggregate."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.events import compensate, compensate_record
from ansible_collections.finaegis.runbook.plugins.module_utils.events.compensate import MARK, Compensation, Event
from hypothesis import given
from hypothesis import strategies as st

RULES = [
    {
        "event_class": "added",
        "inverse_class": "taken",
        "properties": {"amount": "$.amount", "why": "undone"},
        "event_version": 1,
    },
    {"event_class": "taken", "inverse_class": "added", "properties": {"amount": "$.amount"}, "event_version": 2},
    {
        "event_class": "moved",
        "inverse_class": "moved",
        "properties": {"by": {"negate": "$.money.by"}},
        "event_version": 1,
    },
]
KNOWN = compensate.inverses(RULES)


def event(number: int, event_class: str = "added", properties: Any = None, **meta: Any) -> Event:
    return Event(str(number), number - 10, event_class, {"amount": number} if properties is None else properties, meta)


def test_the_newest_is_undone_first_with_the_values_of_each() -> None:
    events = [
        event(11),
        event(12, "taken", tenant_id="t"),
        event(13, "moved", {"money": {"by": -3}}),
        event(14, "seen"),
    ]
    planned = compensate.plan(events, KNOWN, ["seen"])
    assert [(one.undoes, one.version, one.event_class, one.event_version, one.properties) for one in planned] == [
        ("13", 5, "moved", 1, {"by": 3}),
        ("12", 6, "added", 2, {"amount": 12}),
        ("11", 7, "taken", 1, {"amount": 11, "why": "undone"}),
    ]
    assert planned[1].meta == {"tenant_id": "t", MARK: 12}, "what the application adds to its metadata goes along"


@given(st.lists(st.sampled_from(["added", "taken", "seen"]), max_size=12), st.integers(0, 12))
def test_a_second_run_does_nothing_and_an_interrupted_one_is_gone_on_with(classes: list[str], cut: int) -> None:
    events = [event(11 + place, name) for place, name in enumerate(classes)]
    planned = compensate.plan(events, KNOWN, ["seen"])
    assert sorted(one.undoes for one in planned) == sorted(one.id for one in events if one.event_class != "seen")

    def stored(one: Compensation) -> Event:
        return Event(str(one.version + 10), one.version, one.event_class, one.properties, dict(one.meta))

    assert compensate.plan(events + [stored(one) for one in planned], KNOWN, ["seen"]) == []
    part = [stored(one) for one in planned[:cut]]
    rest = compensate.plan(events + part, KNOWN, ["seen"])
    assert [(one.undoes, one.version) for one in rest] == [(one.undoes, one.version) for one in planned[cut:]]


@pytest.mark.parametrize(
    ("events", "words"),
    [
        ([event(11, "renamed")], "does not say what undoes renamed"),
        ([event(11, properties={})], r"Event 11 \(added\) has nothing at \$.amount"),
        ([event(11, properties=[])], "has nothing at"),
        ([event(11, "moved", {"money": {"by": "3"}})], "is '3', which has no negative"),
        ([event(11, "moved", {"money": 3})], "has nothing at"),
    ],
)
def test_what_can_not_be_undone_by_rule_is_refused(events: list[Event], words: str) -> None:
    with pytest.raises(Refused, match=words):
        compensate.plan(events, KNOWN, [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"properties": {"amount": "$amount"}}, "which is no path"),
        ({"properties": {"amount": {"negate": "amount"}}}, "which is no path"),
        ({"properties": {"amount": {"negate": 3}}}, "which is no path"),
        ({"event_version": 0}, "must be 1 or more"),
        ({"event_class": "taken"}, "names taken twice"),
    ],
)
def test_rules_that_can_not_be_meant(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        compensate.inverses([{**RULES[0], **change}, RULES[1]])


def test_literals_are_taken_as_they_are() -> None:
    (rule,) = compensate.inverses([{**RULES[0], "properties": {"a": {"b": "$.x"}, "n": 5, "t": "x"}}]).values()
    (one,) = compensate.plan([event(11)], {"added": rule}, [])
    assert one.properties == {"a": {"b": "$.x"}, "n": 5, "t": "x"}


@pytest.mark.parametrize(
    ("properties", "where"),
    [
        ({"amount": 3, "reference": "D-1"}, []),
        ({"hash": {"hash": "a" * 128}}, ["$.hash.hash"]),
        ({"list": [1, "F" * 64]}, ["$.list.1"]),
        ({"sha1": "a" * 40, "words": "z" * 64}, []),
        (None, []),
    ],
)
def test_hashes_are_seen(properties: Any, where: list[str]) -> None:
    assert list(compensate.hashes(properties)) == where


def test_placeholders_are_replaced_once() -> None:
    one = Compensation("7", "added", 3, "{undoes}", 1, {"a": "{undoes}"}, {})
    asked = ["{aggregate_uuid}", "--class={event_class}", "--json={properties}", "{undoes}", "plain"]
    assert compensate_record.filled(asked, "u", one) == [
        "u",
        "--class={undoes}",
        '--json={"a":"{undoes}"}',
        "7",
        "plain",
    ]
