# SPDX-License-Identifier: GPL-3.0-or-later
"""What projectors' jobs look like, read from recorded payloads of the real package."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.events import info, lag

RECORDING = Path(__file__).parents[2] / "fixtures/redis/20-after-seeding-events-processed.json"
SPATIE = "Spatie\\EventSourcing\\StoredEvents\\HandleStoredEventJob"


def recorded() -> list[bytes]:
    found = []
    for keys in json.loads(RECORDING.read_text()).values():
        for entry in keys.values():
            if entry["type"] == "hash" and "payload" in entry["value"]:
                found.append(entry["value"]["payload"].encode())
    return found


def test_projector_jobs_are_told_from_others_by_event_class() -> None:
    payloads = recorded()
    ours = [json.loads(text) for text in payloads if json.loads(text)["displayName"] == SPATIE]
    assert 0 < len(ours) < len(payloads)
    expected: dict[str, int] = {}
    for job in ours:
        expected[job["tags"][0]] = expected.get(job["tags"][0], 0) + 1
    now = max(float(job["pushedAt"]) for job in ours) + 10
    counted = lag.count_jobs(payloads, ["HandleStoredEventJob"], now)
    assert counted["classes"] == dict(sorted(expected.items()))
    assert counted["events"] == len(ours)
    assert counted["oldest_seconds"] == pytest.approx(now - min(float(job["pushedAt"]) for job in ours), abs=0.1)


@pytest.mark.parametrize(
    ("name", "classes", "is_one"),
    [
        (SPATIE, ["HandleStoredEventJob"], True),
        (SPATIE, [SPATIE], True),
        ("App\\EventSourcing\\HandleStoredEventJob", ["HandleStoredEventJob"], True),
        ("App\\EventSourcing\\HandleStoredEventJob", [SPATIE], False),
        ("App\\Jobs\\NotHandleStoredEventJob", ["HandleStoredEventJob"], False),
        (None, ["HandleStoredEventJob"], False),
    ],
)
def test_names_of_projector_jobs(name: str | None, classes: list[str], is_one: bool) -> None:
    assert lag.is_projector_job(name, classes) is is_one


@pytest.mark.parametrize("payload", [b"", b"not json", b"[]", b"5", b'{"displayName": null}', b"\xff\xfe"])
def test_what_is_no_job_is_not_counted(payload: bytes) -> None:
    assert lag.count_jobs([payload], ["HandleStoredEventJob"], 0)["events"] == 0


@pytest.mark.parametrize(
    ("extra", "name", "oldest"),
    [
        ({}, lag.UNTAGGED, None),
        ({"tags": []}, lag.UNTAGGED, None),
        ({"tags": {}}, lag.UNTAGGED, None),
        ({"tags": ["money_added", "more"], "createdAt": 90}, "money_added", 10.0),
        ({"tags": ["money_added"], "pushedAt": "nonsense", "createdAt": 90}, "money_added", 10.0),
        ({"tags": ["money_added"], "pushedAt": "200"}, "money_added", 0.0),
    ],
)
def test_jobs_without_horizon(extra: dict[str, Any], name: str, oldest: float | None) -> None:
    job = json.dumps({"displayName": SPATIE, **extra}).encode()
    counted = lag.count_jobs([job], ["HandleStoredEventJob"], 100.0)
    assert (counted["classes"], counted["oldest_seconds"]) == ({name: 1}, oldest)


def test_growth_leaves_out_the_day_that_was_cut() -> None:
    days = [
        (date(2026, 1, 1), 40, datetime(2026, 1, 1, 12), datetime(2026, 1, 1, 23)),
        (date(2026, 1, 2), 61, datetime(2026, 1, 2, 0), datetime(2026, 1, 2, 12)),
    ]
    whole = info.growth(days, 1000)
    assert whole == {"events": 101, "per_day": 100.0, "days": {"2026-01-01": 40, "2026-01-02": 61}}
    assert info.growth(days, 101)["days"] == {"2026-01-02": 61}
    assert info.growth([], 10) == {"events": 0, "per_day": None, "days": {}}
    moment = datetime(2026, 1, 1)
    assert info.growth([(date(2026, 1, 1), 3, moment, moment)], 10)["per_day"] is None
