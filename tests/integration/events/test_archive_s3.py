# SPDX-License-Identifier: GPL-3.0-or-later
"""event_archive with S3 as the place: there and back, killed, and an S3 that is away, refuses, or has other bytes than were sent."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import open_storage
from integration.events.stores import Captured
from integration.events.test_archive import checksum, covered, killed, move, rows
from integration.runner import call_modules, run_tasks
from integration.s3_server import Unwell, answer


@pytest.fixture
def store(captured: Captured) -> str:
    return captured.copy(captured.server, "archive_s3")


@pytest.fixture
def place(bucket: dict[str, Any], request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix of the test's own."""
    name = f"s3://bank/{request.node.name}"
    yield name
    storage = open_storage(name, bucket)
    for one in storage.list():
        storage.delete(one.name)


def in_s3(place: str, bucket: dict[str, Any]) -> dict[str, bytes]:
    storage = open_storage(place, bucket)
    return {one.name: b"".join(storage.read(one.name)) for one in storage.list()}


def catalogued(place: str, bucket: dict[str, Any]) -> list[int]:
    """The ids that the files of the catalogue have."""
    files = in_s3(place, bucket)
    found: list[int] = []
    for name, text in files.items():
        if name.endswith("catalogue.json"):
            for segment in json.loads(text)["segments"]:
                lines = gzip.decompress(files[name.replace("catalogue.json", segment["file"])]).splitlines()
                found += [int(json.loads(line)[0]) for line in lines]
    return found


def test_to_s3_and_back_through_ansible(captured: Captured, store: str, place: str, bucket: dict[str, Any]) -> None:
    before, sum_before, may_go = rows(captured, store), checksum(captured, store), covered(captured, store)
    reach = {key: value for key, value in bucket.items() if value}
    args = {**captured.server.options, **reach, "login_db": store, "tables": ["stored_events"], "dest": place}
    away = {"finaegis.runbook.event_archive": {**args, "keep_latest": 1}}
    back = {"finaegis.runbook.event_archive": {**args, "state": "restored"}}
    planned, done, again, will, restored = run_tasks(
        [{**away, "check_mode": True}, away, away, {**back, "check_mode": True}, back], diff=True, verbose=True
    )
    assert planned.keys() == done.keys() and planned["diff"] == done["diff"]
    assert (planned["changed"], done["changed"], again["changed"]) == (True, True, False)
    assert (planned["moved"], done["moved"], again["moved"]) == (0, len(may_go), 0)
    assert done["tables"][0]["archive"] == f"{place}/{store}.stored_events/"
    assert sorted(catalogued(place, bucket)) == sorted(may_go)
    assert (will["changed"], will["tables"][0]["events"]) == (True, len(may_go)), "every object was read and proven"
    assert (restored["changed"], restored["moved"]) == (True, len(may_go))
    assert (rows(captured, store), checksum(captured, store)) == (before, sum_before)
    for secret in (captured.server.password, bucket["secret_key"]):
        assert secret not in done.output + repr(in_s3(place, bucket))


def test_an_s3_that_can_not_be_used_is_said_and_nothing_is_deleted(
    captured: Captured, store: str, place: str, bucket: dict[str, Any]
) -> None:
    before = checksum(captured, store)
    reach = {key: value for key, value in bucket.items() if value}
    args = {**captured.server.options, **reach, "login_db": store, "tables": ["stored_events"], "keep_latest": 1}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"dest": place, "endpoint_url": "http://127.0.0.1:1"}, "Could not connect to the endpoint URL"),
        ({"dest": "s3://nowhere/x"}, "There is no bucket 'nowhere'"),
    ]
    for result, (_more, words) in zip(
        call_modules([{"finaegis.runbook.event_archive": {**args, **more}} for more, _words in wrong]),
        wrong,
        strict=True,
    ):
        assert result["failed"] and words in result["msg"]
        assert bucket["secret_key"] not in result.output
    assert checksum(captured, store) == before
    assert in_s3(place, bucket) == {}


def test_an_s3_that_refuses_in_the_middle_costs_no_event_and_the_next_run_goes_on(
    captured: Captured, store: str, place: str, bucket: dict[str, Any], unwell: tuple[type[Unwell], dict[str, Any]]
) -> None:
    before, may_go = rows(captured, store), covered(captured, store)
    handler, through = unwell
    handler.fault = staticmethod(
        lambda request: request.command == "PUT" and "events-000002" in request.path and answer(request, 403)
    )
    with pytest.raises(Failed, match=r"events-000002.jsonl.gz can't be written: .*No event was deleted that is not"):
        move(captured, store, place, segment_rows=300, **through)
    left = {row[0] for row in rows(captured, store)}
    assert {row[0] for row in before} - left == set(catalogued(place, bucket)), "what was noted left, and nothing else"
    assert len(before) - len(left) == 300
    handler.fault = staticmethod(lambda request: False)
    assert move(captured, store, place, segment_rows=300, **through)["moved"] == len(may_go) - 300
    assert sorted(catalogued(place, bucket)) == sorted(may_go)


def test_what_s3_has_is_read_back_and_other_bytes_delete_nothing(
    captured: Captured,
    store: str,
    place: str,
    unwell: tuple[type[Unwell], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = checksum(captured, store)
    handler, through = unwell

    def other(self: Unwell, sent: bytes) -> bytes:
        if self.command != "GET" or "events-000001" not in self.path:
            return sent
        return sent[:200] + bytes([sent[200] ^ 1]) + sent[201:]

    monkeypatch.setattr(handler, "cut", other)
    with pytest.raises(Failed, match="is not the file that was archived"):
        move(captured, store, place, **through)
    assert checksum(captured, store) == before


@pytest.mark.timeout(240)
def test_killed_on_the_way_to_s3_and_back(captured: Captured, store: str, place: str, bucket: dict[str, Any]) -> None:
    before, may_go = rows(captured, store), covered(captured, store)
    asked = {
        **{key: value for key, value in bucket.items() if value},
        "login_db": store,
        "tables": ["stored_events"],
        "dest": place,
        "keep_latest": 1,
        "segment_rows": 300,
        "chunk_rows": 40,
    }
    assert killed(captured.server, 1700, asked)
    left, there = {row[0] for row in rows(captured, store)}, set(catalogued(place, bucket))
    assert left | there == {row[0] for row in before}, "nothing is lost"
    move(captured, store, place, segment_rows=300, **bucket)
    assert sorted(catalogued(place, bucket)) == sorted(may_go), "each is in one file"
    assert killed(captured.server, 1700, {**asked, "state": "restored"})
    move(captured, store, place, state="restored", **bucket)
    assert rows(captured, store) == before
