# SPDX-License-Identifier: GPL-3.0-or-later
"""event_store_info on the captured store, on tenants, and on a real application whose projectors wait and fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.bank import Bank, deploy
from integration.events.stores import Captured
from integration.runner import Result, call_module, call_modules, run_tasks
from integration.servers import MysqlServer, RedisServer

FIRST = "(SELECT * FROM (SELECT aggregate_uuid FROM stored_events WHERE id = 1) x)"


def task(server: MysqlServer, **more: Any) -> dict[str, Any]:
    return {"finaegis.runbook.event_store_info": {**server.options, **more}}


def table(result: Result, name: str, schema: str | None = None) -> dict[str, Any]:
    return next(dict(t) for t in result["tables"] if t["table"] == name and schema in (None, t["schema"]))


def finding(result: Result, check: str) -> dict[str, Any]:
    return next(dict(one) for one in result["findings"] if one["check"] == check)


def test_what_the_captured_store_holds(either_server: MysqlServer, captured: Captured) -> None:
    store = captured.copy(either_server, "info_store")
    counted, guessed, checked = run_tasks(
        [task(either_server, login_db=store), task(either_server, login_db=store, exact=False)]
    ) + run_tasks([task(either_server, login_db=store)], check=True)
    events = table(counted, "stored_events")
    rows = captured.run(either_server, store, "SELECT event_class, COUNT(*) FROM stored_events GROUP BY 1")
    assert events["classes"] == dict(rows)
    assert (events["rows"], events["first_id"], events["last_id"], events["aggregates"]) == (3398, 1, 3398, 200)
    assert events["heavy_aggregates"] == 0
    assert events["growth"]["events"] == 3398
    assert sum(events["growth"]["days"].values()) == 3398
    assert events["snapshot_tables"] == ["snapshots"]
    assert table(counted, "snapshots")["rows"] == 57
    last = captured.run(
        either_server, store, "SELECT DATE_FORMAT(MAX(created_at), '%Y-%m-%dT%H:%i:%sZ') FROM stored_events"
    )
    assert events["last_at"] == last[0][0]
    assert counted["verdict"] == "ok"
    assert checked["tables"] == counted["tables"]
    assert counted["changed"] is False
    assert table(guessed, "stored_events")["classes"] is None
    assert table(guessed, "stored_events")["estimated"] is True
    assert table(guessed, "stored_events")["last_id"] == 3398


def test_heavy_aggregates_and_the_snapshot_that_is_used(captured: Captured) -> None:
    """The newest snapshot counts, as for the package, not the one of the highest version."""
    heavy = "SELECT aggregate_uuid, COUNT(*) AS n FROM stored_events GROUP BY 1 HAVING n > 12"
    store = captured.copy(captured.server, "heavy_store", "DELETE FROM snapshots")
    many = {str(uuid): n for uuid, n in captured.run(captured.server, store, heavy)}
    uuid, events = max(many.items(), key=lambda one: (one[1], one[0]))
    captured.run(
        captured.server,
        store,
        f"INSERT INTO snapshots (aggregate_uuid, aggregate_version, state) VALUES ('{uuid}', {events}, '{{}}')",
    )
    asked = {"login_db": store, "min_events": 12, "heavy_warning": 0, "fail_on": ["warning"]}
    (fresh,) = call_modules([task(captured.server, **asked, samples=1000)])
    captured.run(
        captured.server,
        store,
        f"INSERT INTO snapshots (aggregate_uuid, aggregate_version, state) VALUES ('{uuid}', 1, '{{}}')",
    )
    (stale,) = call_modules([task(captured.server, **asked)])
    assert table(fresh, "stored_events")["heavy_aggregates"] == len(many) - 1
    assert uuid not in [one["aggregate_uuid"] for one in table(fresh, "stored_events")["heaviest"]]
    assert table(stale, "stored_events")["heavy_aggregates"] == len(many)
    assert fresh["failed"] is True
    assert finding(fresh, "heavy_aggregates")["observed"] == len(many) - 1


def test_tenants_are_found_by_columns_never_by_name(captured: Captured) -> None:
    server = captured.server
    for tenant in ("tenant_a", "tenant_b"):
        captured.copy(server, tenant, "RENAME TABLE stored_events TO ledger_of_things, snapshots TO pictures")
    captured.run(
        server,
        "tenant_b",
        "CREATE TABLE stored_events (id int PRIMARY KEY, amount int)",
        "CREATE VIEW a_view AS SELECT * FROM ledger_of_things",
        "CREATE TABLE archived_events (id int, aggregate_uuid uuid, aggregate_version int, event_class text, event_properties text, "
        "original_created_at datetime)",
        "CREATE TABLE second_store LIKE ledger_of_things",
    )
    result = call_module(
        "event_store_info", {**server.options, "schemas": ["tenant_*"], "snapshots": {"pictures": "ledger_of_things"}}
    )
    found = {(t["schema"], t["table"], t["kind"], t["rows"]) for t in result["tables"]}
    assert found == {
        ("tenant_a", "ledger_of_things", "events", 3398),
        ("tenant_a", "pictures", "snapshots", 57),
        ("tenant_b", "ledger_of_things", "events", 3398),
        ("tenant_b", "second_store", "events", 0),
        ("tenant_b", "pictures", "snapshots", 57),
    }
    assert table(result, "pictures", "tenant_b")["event_tables"] == ["ledger_of_things"]
    assert table(result, "second_store")["first_id"] is None
    assert table(result, "second_store")["growth"] == {"events": 0, "per_day": None, "days": {}}


def test_projections_with_a_mark_of_their_own(either_server: MysqlServer, captured: Captured) -> None:
    store = captured.copy(
        either_server, "marks_store", "UPDATE accounts SET last_event_id = LEAST(last_event_id, 3390)"
    )
    mark = {"name": "accounts", "event_table": "stored_events", "query": "SELECT MAX(last_event_id) FROM accounts"}
    moved = "App\\Events\\MoneyDeposited"
    behind, classes, none, past, writing, wrong = call_modules(
        [
            task(either_server, login_db=store, projections=[mark]),
            task(either_server, login_db=store, projections=[{**mark, "event_classes": [moved]}]),
            task(either_server, schemas=[store], projections=[{**mark, "query": "SELECT NULL"}], lag_events_warning=10),
            task(either_server, login_db=store, projections=[{**mark, "query": "SELECT 100000"}]),
            task(either_server, login_db=store, projections=[{**mark, "query": "DELETE FROM accounts"}]),
            task(either_server, login_db=store, projections=[{**mark, "event_table": "elsewhere"}]),
        ]
    )
    sql = f"SELECT COUNT(*) FROM stored_events WHERE id > 3390 AND event_class = '{moved}'".replace("\\", "\\\\")
    assert behind["projections"][0]["events"] == 8
    assert behind["projections"][0]["watermark"] == 3390
    assert 3600 <= behind["projections"][0]["seconds"] < 36000
    assert finding(behind, "projection_seconds:accounts")["verdict"] == "critical"
    assert finding(behind, "projection_events:accounts")["verdict"] == "ok", "no limit was given"
    assert classes["projections"][0]["events"] == captured.run(either_server, store, sql)[0][0]
    assert none["projections"][0]["events"] == 3398
    assert finding(none, "projection_events:accounts")["verdict"] == "warning"
    assert finding(past, "projection:accounts")["verdict"] == "critical"
    assert "1792" in writing["msg"] or "READ ONLY" in writing["msg"].upper()
    assert captured.run(either_server, store, "SELECT COUNT(*) FROM accounts")[0][0] == 200
    assert "elsewhere, which is none of the event tables found" in wrong["msg"]


@pytest.fixture
def bank(tmp_path: Path, clean_redis: RedisServer, mysql_server: MysqlServer) -> Iterator[Bank]:
    with mysql_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS lag_bank")
    bank = deploy(tmp_path / "bank", clean_redis, mysql_server, "lag-bank")
    yield bank
    bank.stop()


@pytest.mark.timeout(240)
def test_a_real_application_whose_projectors_wait_and_then_fail(
    bank: Bank, clean_redis: RedisServer, mysql_server: MysqlServer
) -> None:
    deposited = "App\\Events\\MoneyDeposited"
    asked = {
        "login_db": "lag_bank",
        **clean_redis.options,
        "queues": ["events", "empty"],
        "queue_prefix": bank.queue_prefix,
        "waiting_warning": 3,
        "fail_on": ["critical"],
    }
    verify = {
        "finaegis.runbook.event_store_verify": {**mysql_server.options, "login_db": "lag_bank", "settle_seconds": 0}
    }
    bank.artisan("bank:deposit", "--count=5")
    waiting, few, seeded = call_modules(
        [task(mysql_server, **asked), task(mysql_server, **asked, queue_jobs_limit=2), verify]
    )
    events, empty = waiting["queues"]
    assert {**events, "oldest_seconds": None} == {
        "queue": "events",
        "ready": 5,
        "delayed": 0,
        "reserved": 0,
        "examined": 5,
        "events": 5,
        "classes": {deposited: 5},
        "oldest_seconds": None,
    }
    assert 0 <= events["oldest_seconds"] < 120
    assert (empty["events"], empty["oldest_seconds"]) == (0, None)
    assert finding(waiting, "waiting:events")["verdict"] == "warning"
    assert finding(waiting, "failed_events")["observed"] == 0
    assert (few["queues"][0]["examined"], finding(few, "waiting:events")["observed"]) == (2, 5)
    assert (seeded["verdict"], seeded["anomalies"]) == ("ok", []), "a real application's store is clean"

    with mysql_server.connect(database="lag_bank") as connection, connection.cursor() as cursor:
        cursor.execute("RENAME TABLE daily_totals TO daily_totals_gone")
    bank.artisan("queue:work", "redis", "--queue=events", "--stop-when-empty", "--tries=1", "--sleep=0")
    failed, critical, untagged, no_redis = call_modules(
        [
            task(mysql_server, **asked),
            task(mysql_server, **asked, failed_critical=4),
            task(mysql_server, **asked, job_classes=["Other\\HandleStoredEventJob"]),
            task(mysql_server, **{**asked, "redis_port": 1}),
        ]
    )
    assert failed["queues"][0]["events"] == 0
    (one,) = failed["failed_events"]
    assert not failed.get("failed")
    assert (one["queue"], one["event_class"], one["events"]) == ("events", deposited, 5)
    assert one["last_at"].endswith("Z")
    assert finding(failed, "failed_events")["verdict"] == "warning"
    assert critical["failed"] is True
    assert "5 events failed in projectors: 5 App\\Events\\MoneyDeposited" in critical["msg"]
    assert untagged["failed_events"] == []
    assert "Redis at 127.0.0.1:1 db 0 can't be used" in no_redis["msg"]
    assert clean_redis.password not in failed.output


def test_what_is_refused(captured: Captured) -> None:
    store = captured.copy(captured.server, "refused_store")
    captured.run(captured.server, "", "DROP DATABASE IF EXISTS no_store", "CREATE DATABASE no_store")
    prefixless, empty, limits = call_modules(
        [
            task(captured.server, login_db=store, queues=["events"]),
            task(captured.server, login_db="no_store", fail_on=["unknown"]),
            task(captured.server, login_db=store, min_events=0),
        ]
    )
    assert "queues needs queue_prefix" in prefixless["msg"]
    assert empty["failed"] is True
    assert finding(empty, "stores")["verdict"] == "unknown"
    assert "min_events must be 1 or more" in limits["msg"]
