# SPDX-License-Identifier: GPL-3.0-or-later
"""event_store_verify through Ansible: check mode, a second run, history that was tampered with, interruptions, refusals."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from integration.events.stores import Captured
from integration.runner import CHECKOUT, Result, call_modules, run_module, run_tasks
from integration.servers import MysqlServer, start_mariadb

#: 3398 events: six full ranges and a rest.
CHUNK = 500


@pytest.fixture
def store(captured: Captured) -> str:
    return captured.copy(captured.server, "runs_store")


def task(server: MysqlServer, database: str, **more: Any) -> dict[str, Any]:
    asked = {"login_db": database, "chunk_rows": CHUNK, **server.options, **more}
    return {"finaegis.runbook.event_store_verify": asked}


def finding(result: Result, check: str) -> dict[str, Any]:
    return next(dict(one) for one in result["findings"] if one["check"] == check)


def events(result: Result) -> dict[str, Any]:
    return next(dict(one) for one in result["tables"] if one["kind"] == "events")


def test_check_mode_then_a_run_then_another(captured: Captured, store: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.json"
    one = task(captured.server, store, checkpoint=str(checkpoint), hash_chain=True)
    (planned,) = run_tasks([one], check=True, diff=True)
    assert not checkpoint.exists()
    (first,) = run_tasks([one], diff=True)
    assert stat.S_IMODE(checkpoint.stat().st_mode) == 0o600
    written = checkpoint.read_text()
    second, third = run_tasks([one, task(captured.server, store, checkpoint=str(checkpoint))])
    for result in (planned, first):
        assert result["verdict"] == "ok", result
        assert result["changed"] is True
        assert events(result)["verified"] == 3398
        assert result["diff"] == {
            "before": {},
            "after": {f"{store}.stored_events": {"verified_to": 3398, "events": 3398}},
        }
    assert planned.keys() == first.keys()
    assert second["changed"] is False
    assert checkpoint.read_text() == written
    # The last range was not full, so it is read again: it may have grown.
    assert events(second) == {**events(first), "verified": 3398 % CHUNK, "rechecked": 3000, "resumed": True}
    assert events(third)["chain_head"] == events(first)["chain_head"], "the chain goes on without being asked for"
    assert list(tmp_path.iterdir()) == [checkpoint]
    assert captured.server.password not in first.output + written


def test_only_new_events_are_verified_again(captured: Captured, store: str, tmp_path: Path) -> None:
    one = task(captured.server, store, checkpoint=str(tmp_path / "c.json"), recheck=False)
    captured.run(captured.server, store, "DELETE FROM stored_events WHERE id > 3000", "DELETE FROM snapshots")
    (first,) = call_modules([one])
    captured.run(
        captured.server,
        store,
        f"INSERT INTO stored_events SELECT * FROM {captured.name}.stored_events WHERE id > 3000",
        "UPDATE stored_events SET event_version = 0 WHERE id = 3333",
    )
    second, third = call_modules([one, one])
    # The range that ended with the last event is read again: it has grown.
    assert (events(first)["verified"], events(second)["verified"]) == (3000, 500 + 398)
    assert events(second)["verified_total"] == 3398
    assert finding(second, "event_version")["observed"] == 1
    # What was found is not forgotten because it was verified.
    assert finding(third, "event_version")["observed"] == 1
    assert third["failed"] is True
    captured.run(captured.server, store, "UPDATE stored_events SET event_version = 1 WHERE id = 3333")
    (again,) = call_modules([task(captured.server, store, checkpoint=str(tmp_path / "c.json"), restart=True)])
    assert again["verdict"] == "ok"


TAMPERED = {
    "amount_in_a_full_range": "UPDATE stored_events SET event_properties = JSON_SET(event_properties, '$.amount', 1) WHERE id = 700",
    "time_in_the_rest": "UPDATE stored_events SET created_at = created_at + INTERVAL 1 SECOND WHERE id = 3200",
    "class": "UPDATE stored_events SET event_class = 'App\\\\Events\\\\MoneyWithdrawn' WHERE id = 2999",
    "first_event": 'UPDATE stored_events SET event_properties = \'{"owner":"Mallory"}\' WHERE id = 1',
    "last_event": "UPDATE stored_events SET event_properties = '{\"amount\":1}' WHERE id = 3398",
    "two_exchanged": "UPDATE stored_events a JOIN stored_events b ON a.id = 21 AND b.id = 22 "
    "SET a.event_properties = b.event_properties, b.event_properties = a.event_properties",
    "one_gone": "DELETE FROM stored_events WHERE id = 800",
    "one_late": "UPDATE stored_events SET id = 800000 WHERE id = 900",
}


@pytest.mark.timeout(240)
def test_history_that_was_tampered_with(captured: Captured, tmp_path: Path) -> None:
    """All the faults are such that no other rule can see them, or these are not asked."""
    only = {"checks": ["history", "invalid_json"], "hash_chain": True}
    names = ["untouched", *TAMPERED]
    tasks = []
    for name in names:
        database = captured.copy(captured.server, f"tampered_{name}")
        tasks.append(task(captured.server, database, checkpoint=str(tmp_path / "all.json"), **only))
    assert {result["verdict"] for result in call_modules(tasks)} == {"ok"}
    for name, change in TAMPERED.items():
        captured.run(captured.server, f"tampered_{name}", change)
    results = dict(zip(names, call_modules(tasks), strict=True))
    assert results.pop("untouched")["verdict"] == "ok"
    for name, result in results.items():
        assert result["failed"] is True, name
        assert [one["check"] for one in result["anomalies"]] == ["history"], name
    (seen,) = results["amount_in_a_full_range"]["anomalies"][0]["samples"]
    assert seen["seen"] == "behind id 500 up to 1000: 500 events, not the same content"
    (seen,) = results["one_gone"]["anomalies"][0]["samples"]
    assert seen["seen"] == "behind id 500 up to 1000: 499 events, 500 were verified"
    assert results["time_in_the_rest"]["complete"] is False, "nothing is built upon history that is no longer the same"


def test_without_hashes_old_events_are_counted(captured: Captured, store: str, tmp_path: Path) -> None:
    one = task(captured.server, store, checkpoint=str(tmp_path / "c.json"), checks=["history", "invalid_json"])
    call_modules([one])
    captured.run(captured.server, store, TAMPERED["one_gone"], TAMPERED["amount_in_a_full_range"])
    (result,) = call_modules([one])
    assert finding(result, "history")["observed"] == 1


KILLED = textwrap.dedent(
    """
    import json, os, signal, sys
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
    from ansible_collections.finaegis.runbook.plugins.module_utils.events import checkpoint, verify, verify_task
    from ansible_collections.finaegis.runbook.plugins.modules import event_store_verify

    left, verify.SAVE_SECONDS = int(sys.argv[1]), 0
    save = checkpoint.Checkpoint.save

    def save_and_die(self):
        global left
        saved, left = save(self), left - 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return saved

    checkpoint.Checkpoint.save = save_and_die
    options = ArgumentSpecValidator(event_store_verify.argument_spec()).validate(json.load(sys.stdin)).validated_parameters
    verify_task.run(options, check_mode=False)
    """
)


@pytest.mark.timeout(240)
def test_killed_at_many_moments_then_gone_on_with(captured: Captured, tmp_path: Path) -> None:
    """kill -9 right after the nth saving; the next run ends with what an undisturbed one says, to the hash and the sample."""
    faults = [
        "UPDATE stored_events SET event_version = 0 WHERE id IN (17, 1700, 3390)",
        "UPDATE snapshots SET aggregate_version = 99 WHERE id IN (1, 50)",
        "DELETE FROM stored_events WHERE id IN (40, 2400)",
    ]
    store = captured.copy(captured.server, "killed_store", *faults)
    asked = {"login_db": store, "chunk_rows": CHUNK, "hash_chain": True, **captured.server.options}
    whole = run_module("event_store_verify", {**asked, "checkpoint": str(tmp_path / "whole.json")})
    moments = (1, 3, 6, 7, 9, 13, 15)
    tasks = []
    for moment in moments:
        path = tmp_path / f"killed-{moment}.json"
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(moment)],
            input=json.dumps({**asked, "checkpoint": str(path)}),
            text=True,
            env={"PYTHONPATH": str(CHECKOUT / ".collections"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert path.exists()
        tasks.append(task(captured.server, store, hash_chain=True, checkpoint=str(path)))
    for moment, result in zip(moments, run_tasks(tasks), strict=True):
        assert result["anomalies"] == whole["anomalies"], moment
        assert [f for f in result["findings"] if f["check"] != "coverage"] == [
            f for f in whole["findings"] if f["check"] != "coverage"
        ]
        assert events(result)["chain_head"] == events(whole)["chain_head"]
        assert events(result)["verified_total"] == 3396
        assert (
            json.loads((tmp_path / f"killed-{moment}.json").read_text())["tables"]
            == (json.loads((tmp_path / "whole.json").read_text())["tables"])
        )


def test_a_run_that_has_no_time_says_that_it_saw_nothing(captured: Captured, store: str, tmp_path: Path) -> None:
    asked = {"checkpoint": str(tmp_path / "c.json")}
    none, rest = call_modules(
        [task(captured.server, store, max_seconds=0, **asked), task(captured.server, store, **asked)]
    )
    assert none["failed"] is True
    assert none["complete"] is False
    assert {one["verdict"] for one in none["findings"] if one["check"] != "unique_index"} == {"unknown", "ok"}
    assert finding(none, "version_gap")["verdict"] == "unknown"
    assert finding(none, "coverage")["observed"] == 0
    assert rest["verdict"] == "ok"


def test_young_events_wait_for_the_next_run(captured: Captured, store: str, tmp_path: Path) -> None:
    young = "UPDATE stored_events SET created_at = NOW(), meta_data = JSON_REMOVE(meta_data, '$.\"stored-event-id\"') WHERE id > 3390"
    captured.run(captured.server, store, young)
    asked = {"checkpoint": str(tmp_path / "c.json"), "hash_chain": True}
    (first,) = call_modules([task(captured.server, store, settle_seconds=3000, **asked)])
    assert (events(first)["verified_to"], events(first)["too_young"], first["verdict"]) == (3390, 8, "ok")
    captured.run(
        captured.server,
        store,
        "UPDATE stored_events SET meta_data = JSON_SET(meta_data, '$.\"stored-event-id\"', id) WHERE id > 3390",
    )
    (second,) = call_modules([task(captured.server, store, settle_seconds=0, **asked)])
    assert (events(second)["verified_to"], events(second)["too_young"], second["verdict"]) == (3398, 0, "ok")


@pytest.mark.timeout(240)
def test_what_is_refused(captured: Captured, store: str, tmp_path: Path) -> None:
    server = captured.server
    other = captured.copy(
        server,
        "other_store",
        "UPDATE stored_events SET created_at = created_at - INTERVAL 1 DAY",
        "DROP TABLE snapshots",
    )
    Captured.run(
        server,
        "",
        "CREATE OR REPLACE USER blind@'127.0.0.1' IDENTIFIED BY 'canary-blind'",
        "CREATE OR REPLACE USER half@'127.0.0.1' IDENTIFIED BY 'canary-half'",
        f"GRANT SELECT (id, aggregate_uuid) ON {store}.stored_events TO half@'127.0.0.1'",
        "CREATE OR REPLACE USER reader@'127.0.0.1' IDENTIFIED BY 'canary-reader'",
        f"GRANT SELECT ON {store}.* TO reader@'127.0.0.1'",
    )
    checkpoint, broken = str(tmp_path / "c.json"), tmp_path / "broken.json"
    broken.write_text('{"format": "something else"}')
    call_modules([task(server, store, checkpoint=checkpoint, known_classes=["A", "B"], fail_on=[])])
    renamed = tmp_path / "renamed.json"
    renamed.write_text(Path(checkpoint).read_text().replace(f'"{store}.', f'"{other}.'))
    money = {
        "name": "m",
        "event_table": "stored_events",
        "adds": [{"event_class": "A", "amount": "$.amount"}],
        "projection_table": "accounts",
        "key_column": "uuid",
        "value_column": "balanse",
    }
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"login_user": "blind", "login_password": "canary-blind"}, "Grant this user the database"),
        (
            {"login_user": "blind", "login_password": "canary-blind", "login_db": None, "schemas": [store]},
            "There is no database 'runs_store' here, or this user has no right",
        ),
        ({"login_user": "half", "login_password": "canary-half"}, "No event table was found in runs_store"),
        ({"login_password": "canary-wrong"}, "Check login_user and login_password"),
        ({"login_port": 1}, "can't be used"),
        ({"login_db": "no_such"}, "Check the name of the database"),
        ({"schemas": [store, "nobody*"]}, "There is no database 'nobody*' here"),
        ({"login_db": None}, "No database is named"),
        ({"tables": ["accounts"]}, "runs_store.accounts is no event table: it has no column aggregate_uuid"),
        (
            {"tables": ["snapshots"]},
            "runs_store.snapshots is no event table: it has no column event_class, event_properties",
        ),
        ({"tables": ["nothing"]}, "There is no table nothing in runs_store"),
        ({"snapshots": {"snapshots": "nothing"}}, "The option snapshots names nothing"),
        ({"checkpoint": str(renamed), "login_db": other}, "The checkpoint is not of this store"),
        ({"checkpoint": str(broken)}, "is no checkpoint of event_store_verify"),
        ({"checkpoint": str(tmp_path / "no" / "c.json")}, "is no directory this user can write to"),
        (
            {"checkpoint": checkpoint, "hash_chain": True, "known_classes": ["A", "B"]},
            "it was made without hash_chain",
        ),
        ({"checkpoint": checkpoint, "known_classes": ["A"]}, "it was made with the known class B"),
        ({"checkpoint": checkpoint, "known_classes": ["A", "B"], "tolerance_seconds": 1}, "tolerance_seconds=60"),
        ({"money": [money]}, "needs the column runs_store.accounts.balanse"),
        ({"money": [{**money, "event_table": "x"}]}, "is about x, which is none of the event tables found"),
        ({"money": [{**money, "adds": []}]}, "must name event classes that add or subtract"),
        ({"money": [{**money, "adds": [{"event_class": "A", "amount": "amount"}]}]}, "is no JSON path"),
        ({"chunk_rows": 10}, "chunk_rows must be from 100 to 100000"),
        ({"checks": ["money"]}, "The check money needs the option money"),
        ({"time_zone": "Europe/Berlin"}, "is no offset"),
        (
            {"login_user": "reader", "login_password": "canary-reader", "max_lag_seconds": 5},
            "Whether this server lags behind another can't be seen",
        ),
    ]
    results = call_modules([task(server, store, **options) for options, _ in wrong])
    for result, (options, words) in zip(results, wrong, strict=True):
        assert result.get("failed") is True, options
        assert words in result["msg"], (options, result["msg"])
    assert "canary-" not in "".join(json.dumps(result) for result in results)
    # SELECT alone is enough, and no lag is known to be none on a server that is no replica.
    (enough,) = call_modules([task(server, store, login_user="reader", login_password="canary-reader")])
    assert enough["verdict"] == "ok"
    (primary,) = call_modules([task(server, store, max_lag_seconds=0)])
    assert primary["verdict"] == "ok"


def test_a_check_that_was_left_out_can_not_be_taken_for_granted(captured: Captured, store: str, tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "c.json")
    less, more = call_modules(
        [
            task(captured.server, store, checkpoint=checkpoint, checks=["event_version"]),
            task(captured.server, store, checkpoint=checkpoint),
        ]
    )
    assert [one["check"] for one in less["findings"]] == ["coverage", "event_version"]
    assert "it was not made with the rule created_at_future" in more["msg"]


@pytest.mark.timeout(240)
def test_it_waits_for_a_replica_and_gives_up_when_replication_stands_still(
    captured: Captured, store: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    primary = captured.server
    replica = start_mariadb(tmp_path_factory.mktemp("replica"), "--server-id=2", "--skip-slave-start")
    try:
        Captured.run(
            primary,
            "",
            f"CREATE OR REPLACE USER repl@'127.0.0.1' IDENTIFIED BY '{primary.password}'",
            "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
        )
        Captured.run(
            replica,
            "",
            f"CREATE DATABASE {store}",
            f"CREATE TABLE {store}.stored_events (id bigint PRIMARY KEY, aggregate_uuid uuid, aggregate_version bigint, "
            "event_class varchar(255), event_properties longtext, created_at timestamp, UNIQUE (aggregate_uuid, aggregate_version))",
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='repl', "
            f"MASTER_PASSWORD='{primary.password}'",
        )
        (result,) = call_modules([task(replica, store, max_lag_seconds=5, lag_timeout_seconds=2)])
    finally:
        replica.stop()
    assert result["complete"] is False
    assert "the replica stayed stopped for" in finding(result, "coverage")["message"]
    assert result["paused_seconds"] >= 2
