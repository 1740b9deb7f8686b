# SPDX-License-Identifier: GPL-3.0-or-later
"""Each step of the role disaster_recovery seen to run and to fail clearly, with a real Laravel bank on a server of its own.

terraform can't be had here: what stands for it is ``terraform.py``. Manifests are in ``test_on_kubernetes.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.backup.handmade import sql
from integration.backup.terraform import Terraform
from integration.bank import Bank, deploy
from integration.mysql.playbooks import Environment
from integration.runner import call_module
from integration.servers import MysqlServer, RedisServer, free_port, start_mariadb

pytestmark = pytest.mark.timeout(600)  # several whole recoveries in a test
SECRET = "c4n4ry-0f-terraform"
STEPS = ["infrastructure", "database", "application", "verification"]
LOOK = "SELECT id, aggregate_uuid, event_properties FROM bank.stored_events ORDER BY id"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    found = start_mariadb(tmp_path_factory.mktemp("recovery"))
    yield found
    found.stop()


@pytest.fixture(scope="module")
def bank(
    tmp_path_factory: pytest.TempPathFactory, server: MysqlServer, redis_server: RedisServer
) -> Iterator[tuple[Bank, str]]:
    """A bank with a migration that is pending, and the URL of its health."""
    bank = deploy(tmp_path_factory.mktemp("recovery") / "bank", redis_server, server, "bank", "bank")
    yield bank, bank.web() + "/health/db"
    bank.stop()


@pytest.fixture
def place(server: MysqlServer, clean_redis: RedisServer, tmp_path: Path, bank: tuple[Bank, str]) -> Environment:
    (tmp_path / "backups").mkdir()
    more = {
        "runbook_database": "bank",
        "runbook_backup_dir": str(tmp_path / "backups"),
        "runbook_app_dir": str(bank[0].home),
        "runbook_health_urls": [bank[1]],
        "disaster_recovery_scratch_dir": str(tmp_path),
        "disaster_recovery_smoke_commands": [{"command": "bank:smoke"}],
    }
    return Environment(tmp_path, server, clean_redis, more)


@pytest.fixture
def terraform(tmp_path: Path) -> Terraform:
    return Terraform(tmp_path / "terraform", SECRET)


def test_a_bank_is_rehearsed_lost_and_recovered(
    place: Environment, bank: tuple[Bank, str], terraform: Terraform, server: MysqlServer
) -> None:
    store = {**server.options, "dest": place.more["runbook_backup_dir"] + "/"}
    made = call_module("backup_create", {**store, "database": "bank", "environment": "test", "min_free_bytes": 0})
    assert not made["failed"], made
    bank[0].artisan("bank:deposit", "--count=3")
    shipped = call_module("binlog_archive", {**store, "max_age_seconds": 1})
    assert not shipped["failed"], shipped
    events = sql(server, LOOK)
    inputs: dict[str, Any] = {
        "disaster_recovery_scenario": "complete_outage",
        "disaster_recovery_terraform": terraform.options,
        "disaster_recovery_infrastructure_hosts": ["db-1", "web-1"],
        "disaster_recovery_commands": [{"argv": ["php", "artisan", "bank:smoke"], "chdir": str(bank[0].home)}],
    }

    drilled, output, code = place.run("disaster_recovery", "-vvv", **inputs, disaster_recovery_drill=True)
    assert code == 0 and drilled["verdict"] == "ok" and drilled["level"] == "L5", output
    assert drilled["steps"] == STEPS and drilled["done"] == ["database", "verification"]
    assert "of infrastructure, application nothing was tried" in drilled["message"]
    plan = ["aws_db_instance.bank will be created", "Plan: 1 to add, 0 to change, 0 to destroy."]
    assert drilled["infrastructure"] == plan
    assert "apply" not in terraform.calls() and SECRET not in output
    assert sql(server, LOOK) == events and "reviewed_at" not in str(sql(server, "SHOW COLUMNS FROM bank.accounts"))
    assert not list(place.directory.glob("finaegis-*"))

    sql(server, "DROP DATABASE bank")
    planned, output, code = place.run("disaster_recovery", "--check", "--diff", **inputs)
    assert code == 0 and planned["done"] == [] and "Plan: 1 to add" in planned["infrastructure"][-1], output
    assert "database, application, verification" in planned["message"] and SECRET not in output
    assert "apply" not in terraform.calls() and sql(server, "SHOW DATABASES LIKE 'bank'") == []

    done, output, code = place.run("disaster_recovery", "-vvv", **inputs)
    assert code == 0 and done["outcome"] == "completed" and done["verdict"] == "ok", output
    assert done["message"] == "Recovered." and done["done"] == STEPS and done["rto"]["objective"] == 14400
    assert done["infrastructure"] == ["Apply complete! Resources: 1 added, 0 changed, 0 destroyed."]
    assert "apply" in terraform.calls() and SECRET not in output and server.password not in output
    assert sql(server, LOOK) == events, "the deposits after the backup are back"
    assert "reviewed_at" in str(sql(server, "SHOW COLUMNS FROM bank.accounts")), "the pending migration has run"


def break_migration(bank: Bank) -> Path:
    path = bank.home / "database/migrations/2026_04_01_000000_broken.php"
    path.write_text(
        "<?php\nreturn new class extends Illuminate\\Database\\Migrations\\Migration {\n"
        "    public function up() { throw new RuntimeException('this release is broken'); }\n};\n"
    )
    return path


def test_what_terraform_can_not_build_ends_the_recovery(place: Environment, terraform: Terraform) -> None:
    terraform.break_at("apply")
    failed, output, code = place.run(
        "disaster_recovery",
        "-v",
        disaster_recovery_scenario="region_failure",
        disaster_recovery_terraform=terraform.options,
    )
    assert code and failed["outcome"] == "failed" and failed["verdict"] == "critical", output
    assert "Build it: " in failed["message"] and "UnauthorizedOperation (apply)" in failed["message"]
    assert (failed["steps"], failed["done"], failed["rto"]["objective"]) == (STEPS, [], 28800)
    assert SECRET not in output and not (terraform.directory / "built").exists()
    assert json.loads(place.redis.client().get("finaegis:runbook:lock:test"))["lease"] is None, "the lock is given back"


def test_what_is_not_there_is_named(place: Environment, bank: tuple[Bank, str]) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/readyz"
    away = {**place.mysql.options, "login_port": free_port()}
    for inputs, said in (
        ({"disaster_recovery_infrastructure_hosts": ["nobody"]}, ["not in the inventory: nobody"]),
        (
            {"disaster_recovery_infrastructure_hosts": ["db-1", "gone.invalid"]},
            ["the host answers: gone.invalid: timed out"],
        ),
        ({"disaster_recovery_infrastructure_urls": [bank[1], nobody]}, ["URLs answer: " + nobody, "refused"]),
        ({"disaster_recovery_mysql": away}, ["database server answers: ", str(away["login_port"])]),
    ):
        failed, output, code = place.run(
            "disaster_recovery",
            "-i",
            "gone.invalid,",
            disaster_recovery_scenario="complete_outage",
            disaster_recovery_lock=False,
            **inputs,
        )
        assert code and failed["outcome"] == "failed" and failed["done"] == [], output
        assert all(words in failed["message"] for words in said), failed["message"]


def test_an_application_that_failed(place: Environment, bank: tuple[Bank, str], server: MysqlServer) -> None:
    steps = ["application", "verification"]
    before = sql(server, LOOK)
    done, output, code = place.run("disaster_recovery", disaster_recovery_scenario="application_failure")
    assert code == 0 and done["message"] == "Recovered." and done["steps"] == done["done"] == steps, output
    assert done["rto"]["objective"] == 1800 and done["rpo"] == {} and sql(server, LOOK) == before
    broken = break_migration(bank[0])
    failed, output, code = place.run("disaster_recovery", disaster_recovery_scenario="application_failure")
    broken.unlink()
    assert code and failed["done"] == [] and "Run the migrations: " in failed["message"], output
    assert "this release is broken" in failed["message"]
    nowhere = bank[1].replace("/health/db", "/nowhere")
    for inputs, said in (
        ({"disaster_recovery_health_urls": [nowhere], "disaster_recovery_health_seconds": 0}, [nowhere, "404"]),
        ({"disaster_recovery_smoke_commands": [{"command": "bank:nowhere"}]}, ["own checks: ", "bank:nowhere"]),
    ):
        failed, output, code = place.run(
            "disaster_recovery", disaster_recovery_scenario="application_failure", **inputs
        )
        assert code and failed["done"] == ["application"], output
        assert all(words in failed["message"] for words in said), failed["message"]


def test_what_would_show_nothing_is_refused(place: Environment) -> None:
    for inputs, said in (
        ({"disaster_recovery_drill": True}, "has none to restore"),
        ({"disaster_recovery_app_dir": "", "disaster_recovery_health_urls": []}, "Nothing says how"),
    ):
        failed, output, code = place.run(
            "disaster_recovery", disaster_recovery_scenario="application_failure", **inputs
        )
        assert code and said in failed["message"] and failed["done"] == [], output
    blind, output, code = place.run(
        "disaster_recovery",
        disaster_recovery_scenario="application_failure",
        disaster_recovery_health_urls=[],
        disaster_recovery_smoke_commands=[],
    )
    assert (
        code == 0
        and blind["verdict"] == "warning"
        and "nothing was given to do or to see for: verification" in blind["message"]
    ), output
