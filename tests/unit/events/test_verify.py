# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a verification that need no server."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.core.verdict import worst
from ansible_collections.finaegis.runbook.plugins.module_utils.events import (
    anomalies,
    checkpoint,
    event_hashes,
    history,
    money,
    stores,
    verify_report,
    verify_task,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.events.aggregate_passes import in_step
from ansible_collections.finaegis.runbook.plugins.module_utils.events.passes import Budget, Outcome, Range, State
from ansible_collections.finaegis.runbook.plugins.module_utils.events.row_pass import in_order
from ansible_collections.finaegis.runbook.plugins.module_utils.events.rules import RULES
from ansible_collections.finaegis.runbook.plugins.module_utils.events.verify import Seen
from hypothesis import given
from hypothesis import strategies as st

FOUND = st.dictionaries(st.sampled_from(["a", "b"]), st.lists(st.integers(), min_size=1, max_size=4), max_size=2)


def of(found: dict[str, list[int]]) -> anomalies.Anomalies:
    return {rule: anomalies.found(len(ids), [{"id": number} for number in ids]) for rule, ids in found.items()}


@given(st.lists(FOUND, max_size=6), st.integers(1, 5))
def test_what_ranges_found_adds_up_and_the_first_samples_stay(parts: list[dict[str, list[int]]], limit: int) -> None:
    total: anomalies.Anomalies = {}
    for part in parts:
        anomalies.merge(total, of(part), limit)
    for rule in {rule for part in parts for rule in part}:
        ids = [number for part in parts for number in part.get(rule, [])]
        assert total[rule]["count"] == len(ids)
        assert [sample["id"] for sample in total[rule]["samples"]] == ids[:limit]


IDS = st.lists(st.integers(0, 10**12), unique=True, max_size=6)


@given(IDS, st.randoms())
def test_events_are_put_in_order_whatever_order_they_came_in(ids: list[int], random: Any) -> None:
    def series(some: list[int]) -> tuple[list[int | None], str]:
        return [number % 7 or None for number in some], "".join("%064x" % number for number in some)

    mixed = random.sample(ids, len(ids))
    assert in_order(mixed, *series(mixed)) == series(sorted(ids))
    assert in_order(mixed, [], series(mixed)[1]) == ([], series(sorted(ids))[1])


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_only_versions_that_grow_by_one_with_the_ids_are_in_step(sizes: list[int], data: st.DataObject) -> None:
    well = [[number for v in range(1, size + 1) for number in (v, 10 * v)] for size in sizes]
    text = "],[".join(",".join(map(str, numbers)) for numbers in well)
    assert in_step(sum(sizes), text)
    which = data.draw(st.integers(0, len(well) - 1))
    place = data.draw(st.integers(0, len(well[which]) - 1))
    change = data.draw(st.sampled_from([-20, -10, -1, 1, 15, 40]))
    well[which][place] += change
    pairs = list(zip(well[which][::2], well[which][1::2], strict=True))
    right = all(v == at for at, (v, _id) in enumerate(pairs, 1)) and all(
        a[1] < b[1] for a, b in itertools.pairwise(pairs)
    )
    assert in_step(sum(sizes), "],[".join(",".join(map(str, numbers)) for numbers in well)) == right


@pytest.mark.parametrize("cut", [None, "", "1,10,2", "1,10,2,2", "1,10,2,20],[1", "1,10,2,20],[1,", "1,10,2,20],[1,1"])
def test_what_did_not_come_whole_is_not_in_step(cut: str | None) -> None:
    assert in_step(3, "1,10,2,20],[1,15")
    assert not in_step(4, cut)
    assert not in_step(2 if cut is None else 5, cut)


DIGESTS = st.integers(0, 9).map(lambda number: hashlib.sha256(str(number).encode()).hexdigest())
SEGMENTS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), DIGESTS).map(list), max_size=5)


@given(SEGMENTS, SEGMENTS)
def test_the_head_of_the_chain_stands_for_all_of_it(one: list[Any], other: list[Any]) -> None:
    assert (history.head(one) == history.head(other)) == (one == other)


def test_a_chain_without_hashes_has_no_head() -> None:
    assert history.head([]) is None
    assert history.head([[10, 10, None]]) is None


AMOUNTS = st.lists(st.integers(1, 10**9), min_size=1, max_size=8)


def chained(amounts: list[int], algorithm: str = "sha3_512") -> list[dict[str, Any]]:
    events, before = [], ""
    for version, amount in enumerate(amounts, 1):
        before = hashlib.new(algorithm, f"{before}{amount}".encode()).hexdigest()
        events.append(
            {"uuid": "u", "v": version, "id": version, "amount": str(amount), "hash": before, "starts_late": 0}
        )
    return events


@given(AMOUNTS, st.sampled_from(["sha3_512", "sha256"]))
def test_an_unbroken_chain(amounts: list[int], algorithm: str) -> None:
    events = chained(amounts, algorithm)
    assert event_hashes.broken_links(events, algorithm) == []
    two = events + [{**event, "uuid": "w"} for event in events]
    assert event_hashes.broken_links(two, algorithm) == []


@given(AMOUNTS, st.data())
def test_any_change_of_an_amount_or_a_hash_is_seen_where_it_is(amounts: list[int], data: st.DataObject) -> None:
    events = chained(amounts)
    place = data.draw(st.integers(0, len(events) - 1))
    amount = [*events[:place], {**events[place], "amount": "0"}, *events[place + 1 :]]
    assert event_hashes.broken_links(amount, "sha3_512") == [amount[place]]
    hashed = [*events[:place], {**events[place], "hash": None}, *events[place + 1 :]]
    assert event_hashes.broken_links(hashed, "sha3_512") == hashed[place : place + 2]
    gone = events[:place] + events[place + 1 :]
    assert event_hashes.broken_links(gone, "sha3_512") == events[place + 1 : place + 2]


def test_an_archived_beginning_is_taken_as_it_is() -> None:
    events = [{**event, "starts_late": 1} for event in chained([1, 2, 3])[1:]]
    assert event_hashes.broken_links(events, "sha3_512") == []


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def lags(*values: tuple[bool, float | None]) -> Iterator[tuple[bool, float | None]]:
    yield from values
    while True:
        yield values[-1]


@pytest.mark.parametrize(
    ("seen", "paused", "reason"),
    [
        (lags((False, None)), 0, ""),
        (lags((True, 5.0)), 0, ""),
        (lags((True, 6.0), (True, 6.0), (True, 4.0)), 2, ""),
        (lags((True, None), (True, 0.0)), 1, ""),
        (lags((True, None)), 10, "the replica stayed stopped for 10 seconds"),
        (lags((True, 77.0)), 10, "the replica stayed 77 seconds behind for 10 seconds"),
    ],
)
def test_pausing_for_a_replica(seen: Iterator[tuple[bool, float | None]], paused: float, reason: str) -> None:
    clock = Clock()
    budget = Budget(None, 5, 10, clock, clock.sleep)
    budget.wait_for_replica(lambda: next(seen))
    assert (budget.paused_seconds, budget.reason, budget.stop()) == (paused, reason, bool(reason))


def test_a_pause_counts_towards_the_end_and_replication_is_asked_once_a_second() -> None:
    clock, asked = Clock(), []

    def ask() -> tuple[bool, float | None]:
        asked.append(clock.now)
        return True, 99.0 if len(asked) < 9 else 0.0

    budget = Budget(3, 5, 600, clock, clock.sleep)
    budget.wait_for_replica(ask)
    assert (budget.reason, budget.spent) == ("max_seconds is over", 3)
    fresh = Budget(None, 5, 600, clock, clock.sleep)
    asked[:] = [0.0] * 9
    for _ in range(4):
        fresh.wait_for_replica(ask)
        clock.sleep(0.5)
    assert len(asked) == 9 + 2


def test_a_checkpoint_survives_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "c.json")
    first = checkpoint.load(path, keep=True)
    assert first.save() is False
    entry = first.entry("bank.stored_events")
    entry.events.take(Range(None, 500, True), Outcome(500, of({"event_version": [7]})), 5)
    entry.segments.append([500, 500, "ab"])
    entry.tail = {"segment": [600, 100, "cd"], "anomalies": {}}
    entry.passes["versions"] = State("uuid", 3)
    assert first.save() is True
    assert first.save() is False
    again = checkpoint.load(path, keep=True)
    assert again.entries == first.entries
    assert again.entry("bank.stored_events").upto == 600
    assert [path.name for path in tmp_path.iterdir()] == ["c.json"]


def test_two_runs_do_not_overwrite_each_other(tmp_path: Path) -> None:
    path = str(tmp_path / "c.json")
    one, other = checkpoint.load(path, keep=True), checkpoint.load(path, keep=True)
    one.entry("a.t").segments.append([1, 1, None])
    other.entry("a.t").segments.append([2, 2, None])
    assert one.save()
    with pytest.raises(Refused, match="was written by another run"):
        other.save()
    assert checkpoint.load(path, keep=True).entry("a.t").upto == 1


def test_what_is_not_kept_is_still_told(tmp_path: Path) -> None:
    looked = checkpoint.load(str(tmp_path / "c.json"), keep=False)
    looked.entry("a.t").segments.append([1, 1, None])
    assert looked.save() is True
    assert list(tmp_path.iterdir()) == []
    nowhere = checkpoint.load(None, keep=True)
    nowhere.entry("a.t").segments.append([1, 1, None])
    assert nowhere.save() is False


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", '{"format": 1}', json.dumps({"format": checkpoint.FORMAT, "tables": {"a": {}}})]
)
def test_files_that_are_no_checkpoint(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(BadInput, match="is no checkpoint of event_store_verify"):
        checkpoint.load(str(path), keep=True)
    assert path.read_text() == text


RULE = {
    "name": "balances",
    "event_table": "transactions",
    "adds": [{"event_class": "added", "amount": "$.amount", "group": "$.asset"}],
    "subtracts": [{"event_class": "taken", "amount": "$.amount", "group": "EUR"}],
    "projection_table": "account_balances",
    "key_column": "account_uuid",
    "value_column": "balance",
    "group_column": "asset_code",
    "watermark_column": None,
    "scale": 0,
}


def test_a_money_rule() -> None:
    rule = money.from_options(RULE)
    assert [(m.event_class, m.sign, m.group) for m in rule.movements] == [("added", 1, "$.asset"), ("taken", -1, "EUR")]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"adds": [], "subtracts": []}, "must name event classes"),
        ({"subtracts": RULE["adds"]}, "each once"),
        ({"group_column": None}, "group and group_column together"),
        ({"adds": [{"event_class": "added", "amount": "amount", "group": "x"}]}, "is no JSON path"),
    ],
)
def test_money_rules_that_can_not_be(change: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        money.from_options({**RULE, **change})


def params(**given: Any) -> dict[str, Any]:
    checked = ArgumentSpecValidator(verify_task.verify_spec()).validate(given)
    assert checked.error_messages == []
    return dict(checked.validated_parameters)


def test_checks_that_need_an_option_are_left_out_without_it() -> None:
    assert verify_task.settings_from(params()).checks == set(RULES) - {"unknown_class", "event_hash", "money"}
    everything = params(known_classes=["A"], event_hashes={"event_classes": ["A"]}, money=[RULE])
    assert verify_task.settings_from(everything).checks == set(RULES)
    assert verify_task.settings_from(params(checks=["history"], money=[RULE])).money == []


@pytest.mark.parametrize(
    "given",
    [
        {"chunk_rows": 99},
        {"workers": 0},
        {"workers": 17},
        {"samples": 0},
        {"max_seconds": -1},
        {"settle_seconds": -1},
        {"checks": ["unknown_class"]},
        {"checks": ["event_hash"]},
        {"money": [RULE, RULE]},
    ],
)
def test_options_out_of_their_limits(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        verify_task.settings_from(params(**given))


TABLE = stores.describe("bank", "stored_events", {"event_class": "varchar"}, None, {}, 0)


def verdicts(seen: Seen, stopped: str = "") -> dict[str, str]:
    return {f.check: f.verdict for f in verify_report.findings([seen], {"version_gap", "money"}, stopped)}


def test_nothing_verified_is_never_ok() -> None:
    assert verdicts(Seen(TABLE, events=5, upto=5)) == {"coverage": "ok", "version_gap": "ok", "money": "ok"}
    assert verdicts(Seen(TABLE)) == {"coverage": "unknown", "version_gap": "ok", "money": "ok"}
    assert verdicts(Seen(TABLE, events=5, upto=5, unfinished={"money"}), "max_seconds is over") == {
        "coverage": "unknown",
        "version_gap": "ok",
        "money": "unknown",
    }
    assert verdicts(Seen(TABLE, events=5, upto=5, unjudged={"version_gap": "no index"}))["version_gap"] == "unknown"


def test_what_was_found_outweighs_what_was_not_looked_at() -> None:
    found = of({"version_gap": [7, 9]})
    seen = Seen(
        TABLE, anomalies=found, events=5, upto=5, unfinished={"version_gap"}, unjudged={"version_gap": "no index"}
    )
    findings = {f.check: f for f in verify_report.findings([seen], {"version_gap"}, "max_seconds is over")}
    assert findings["version_gap"].verdict == "critical"
    assert findings["version_gap"].observed == 2
    assert "bank.stored_events: id 7, id 9" in findings["version_gap"].message
    assert worst(f.verdict for f in findings.values()) == "critical"
    assert verify_report.places([seen])[0]["check"] == "version_gap"
