# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook database_maintenance on a private server."""

from __future__ import annotations

import datetime
import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from integration.mysql.bank import ask, fragment, fresh, running, session, wait_for
from integration.mysql.playbooks import Environment
from integration.runner import Result, run_module
from integration.servers import MysqlServer, RedisServer

LIMITS = {"database_maintenance_database": "care", "database_maintenance_min_free_bytes": 2**20}


@pytest.fixture
def place(mysql_server: MysqlServer, clean_redis: RedisServer, tmp_path: Path) -> Environment:
    return Environment(tmp_path, mysql_server, clean_redis)


def outcomes(result: dict) -> dict[tuple[str, str], str]:
    return {(row["operation"], row["table"]): row["outcome"] for row in result["tables"]}


def lock(place: Environment, state: str = "queried", **more: str) -> Result:
    return run_module("environment_lock", {**place.redis.options, "environment": "test", "state": state, **more})


def test_tables_are_cared_for_once(place: Environment) -> None:
    fresh(place.mysql, "care")
    fragment(place.mysql, "care.orders")
    file = place.mysql.directory / "data/care/orders.ibd"
    before = file.stat().st_size

    planned, output, code = place.run("database_maintenance", "--check", **LIMITS)
    assert code == 0, output
    assert (planned["outcome"], planned["verdict"], planned["changed"]) == ("completed", "ok", False)
    assert outcomes(planned) == {("optimize", "care.orders"): "planned", ("analyze", "care.orders"): "skipped"}
    assert file.stat().st_size == before
    assert not place.records.exists()

    done, output, code = place.run("database_maintenance", "-vvv", **LIMITS)
    assert code == 0, output
    assert (done["outcome"], done["verdict"], done["changed"]) == ("completed", "ok", True)
    assert outcomes(done) == {("optimize", "care.orders"): "ok", ("analyze", "care.orders"): "skipped"}
    assert done["freed_bytes"] == before - file.stat().st_size > 0
    assert json.loads(Path(done["record"]).read_text()) == done
    assert place.mysql.password not in output
    assert place.mysql.password not in Path(done["record"]).read_text()
    assert not lock(place)["held"]

    again, output, code = place.run("database_maintenance", database_maintenance_operations=["optimize"], **LIMITS)
    assert code == 0, output
    assert not again["changed"]
    assert '"changed": 0,' in output
    assert outcomes(again) == {("optimize", "care.orders"): "skipped"}


def test_it_refuses_when_the_server_is_busy(place: Environment) -> None:
    fresh(place.mysql, "care")
    with ExitStack() as stack:
        for _ in range(2):
            running(stack, place.mysql, "SELECT SLEEP(600)")
        refused, output, code = place.run("database_maintenance", **LIMITS, database_maintenance_max_running=1)
        planned, _, planned_code = place.run(
            "database_maintenance", "--check", **LIMITS, database_maintenance_max_running=1
        )
        quiet, _, _ = place.run("database_maintenance", **LIMITS, database_maintenance_max_running=2)
    assert code != 0
    assert (refused["outcome"], refused["verdict"]) == ("refused", "warning")
    assert "2 statements run at once" in refused["message"]
    assert planned_code == 0
    assert planned["outcome"] == "refused"
    assert quiet["outcome"] == "completed"


def test_it_refuses_outside_of_its_window_and_beside_an_old_transaction(place: Environment) -> None:
    fresh(place.mysql, "care")
    ask(place.mysql, "CREATE TABLE care.t (id INT PRIMARY KEY)")
    now = datetime.datetime.now(datetime.UTC)

    def window(first: int, last: int) -> str:
        return "-".join((now + datetime.timedelta(minutes=minutes)).strftime("%H:%M") for minutes in (first, last))

    limits = {**LIMITS, "database_maintenance_min_free_bytes": 0, "database_maintenance_min_free_ratio": 0}
    later, _, code = place.run("database_maintenance", **limits, database_maintenance_window=window(60, 120))
    assert code != 0
    assert later["outcome"] == "refused"
    assert window(60, 120) in later["message"]

    old = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_started < NOW() - INTERVAL 1 SECOND"
    with session(place.mysql, "BEGIN", "SELECT * FROM care.t") as blocker:
        wait_for(lambda: ask(place.mysql, old))
        refused, _, code = place.run("database_maintenance", **limits, database_maintenance_max_transaction_seconds=0)
    assert code != 0
    assert (refused["outcome"], refused["verdict"]) == ("refused", "warning")
    assert [each["id"] for each in refused["blockers"]] == [blocker.thread_id()]
    assert outcomes(refused)[("optimize", "care.t")] == "planned"
    assert not lock(place)["held"]

    inside, output, code = place.run("database_maintenance", **limits, database_maintenance_window=window(-60, 60))
    assert code == 0, output
    assert outcomes(inside)[("optimize", "care.t")] == "ok"


def test_a_failure_is_told_and_what_is_left_is_a_warning(place: Environment) -> None:
    fresh(place.mysql, "care")
    ask(place.mysql, "CREATE TABLE care.t (id INT PRIMARY KEY)")
    limits = {**LIMITS, "database_maintenance_min_free_bytes": 0, "database_maintenance_min_free_ratio": 0}
    with session(place.mysql, "BEGIN", "SELECT * FROM care.t"):
        failed, _, code = place.run("database_maintenance", **limits, database_maintenance_lock_wait_timeout=1)
    assert code != 0
    assert (failed["outcome"], failed["verdict"]) == ("failed", "critical")
    assert "Lock wait timeout" in failed["message"]
    assert json.loads(Path(failed["record"]).read_text())["outcome"] == "failed"

    late, output, code = place.run("database_maintenance", **limits, database_maintenance_stop_after_seconds=0)
    assert code == 0, output
    assert (late["outcome"], late["verdict"]) == ("completed", "warning")
    assert "stop_after_seconds was over" in late["message"]


def test_what_is_wrong_afterwards_fails_it(place: Environment) -> None:
    """Here too many connections, on a server whose limit is lowered for that."""
    fresh(place.mysql, "care")
    ask(place.mysql, "CREATE TABLE care.t (id INT PRIMARY KEY)")
    limit = ask(place.mysql, "SELECT @@max_connections")[0][0]
    ask(place.mysql, "SET GLOBAL max_connections = 10")
    try:
        with ExitStack() as stack:
            for _ in range(9):
                stack.enter_context(session(place.mysql))
            told, output, code = place.run(
                "database_maintenance", **LIMITS, database_maintenance_operations=["analyze"]
            )
    finally:
        ask(place.mysql, f"SET GLOBAL max_connections = {limit}")
    assert code != 0, output
    assert (told["outcome"], told["verdict"]) == ("completed", "critical")
    assert "10 of 10 connections are in use" in told["message"]


def test_bad_input_and_somebody_elses_lock_change_nothing(place: Environment) -> None:
    for more in ([], ["--check"]):
        wrong, output, code = place.run("database_maintenance", *more, database_maintenance_database="")
        assert code != 0
        assert wrong["outcome"] == "refused"
        assert "database_maintenance_database must be given" in output
    lock(place, state="acquired", owner="bob@elsewhere", reason="release 2.4")
    held, _, code = place.run("database_maintenance", **LIMITS)
    assert code != 0
    assert (held["outcome"], held["tables"]) == ("refused", [])
    assert "bob@elsewhere" in held["message"]
