# SPDX-License-Identifier: GPL-3.0-or-later
"""laravel_info and queue_probe on the real bank, through Ansible."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.bank import Bank, deploy
from integration.runner import call_module, run_module
from integration.servers import MysqlServer, RedisServer

PENDING = "2026_03_01_000000_add_reviewed_at_to_accounts_table"


@pytest.fixture(scope="module")
def bank(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, mysql_server: MysqlServer
) -> Iterator[Bank]:
    bank = deploy(tmp_path_factory.mktemp("info") / "bank", redis_server, mysql_server, "info-bank")
    yield bank
    bank.stop()


def wait_for_workers(bank: Bank, there: bool) -> list[dict[str, object]]:
    for _ in range(100):
        found = call_module("laravel_info", {**bank.options, "gather": ["workers"]})["workers"]
        if any(process["command"] == "horizon:work" for process in found) == there:
            return list(found)
        time.sleep(0.2)
    raise AssertionError(f"workers never became {'present' if there else 'absent'}")


def test_the_application_says_what_it_is_and_no_secret(bank: Bank, redis_server: RedisServer) -> None:
    password = str(redis_server.options["redis_password"])
    result = run_module("laravel_info", bank.options, verbose=True)
    application = result["application"]
    assert application["name"] == "info-bank"
    assert application["environment"] == "production"
    assert application["maintenance"] == {"driver": "file", "store": "redis", "down": False}
    assert application["queue"]["redis"]["db"] == 0
    assert application["cache"]["redis"]["db"] == 1
    assert application["cache_clear"] == {"safe": True, "destroys": []}
    assert application["horizon"]["prefix"] == bank.horizon_prefix
    assert result["migrations"]["pending"] == [PENDING]
    assert "2026_01_01_000001_create_stored_events_table" in result["migrations"]["ran"]
    assert result["workers"] == []
    assert password not in result.output
    assert result["changed"] is False


def test_workers_are_found_and_a_job_is_seen_to_run(bank: Bank) -> None:
    horizon = bank.horizon()
    commands = {process["command"] for process in wait_for_workers(bank, True)}
    assert commands == {"horizon", "horizon:supervisor", "horizon:work"}
    probed = call_module(
        "queue_probe", {**bank.options, "queues": ["default", "events", "payments"], "wait_timeout": 30}
    )
    assert probed["seen"] == ["default", "events", "payments"]
    assert probed["unseen"] == []
    horizon.terminate()
    horizon.wait(30)
    wait_for_workers(bank, False)


def test_a_queue_nobody_serves_is_named_and_check_mode_sends_nothing(bank: Bank, redis_server: RedisServer) -> None:
    arguments = {**bank.options, "queues": ["default", "nobody"], "wait_timeout": 1}
    planned = call_module("queue_probe", arguments, check=True)
    client = redis_server.client()
    assert planned["unseen"] == ["default", "nobody"]
    assert client.llen(bank.queue_prefix + "queues:nobody") == 0
    failed = call_module("queue_probe", arguments)
    assert failed["failed"]
    assert "No worker ran the probe job within 1 seconds on: default, nobody." in failed["msg"]
    assert client.llen(bank.queue_prefix + "queues:nobody") == 1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"app_dir": "/nonexistent"}, "can't be started in /nonexistent"),
        ({"php": "no-such-php"}, "'no-such-php' can't be started"),
        ({"app_dir": "/tmp"}, "does not boot"),
    ],
)
def test_bad_input_is_a_clear_error(bank: Bank, change: dict[str, str], expected: str) -> None:
    result = call_module("laravel_info", {**bank.options, **change})
    assert result["failed"]
    assert expected in result["msg"]


def test_a_broken_application_still_shows_its_workers(bank: Bank, tmp_path: Path) -> None:
    broken = deploy_broken(tmp_path)
    assert call_module("laravel_info", {"app_dir": str(broken), "gather": ["workers"]})["workers"] == []
    failed = call_module("laravel_info", {"app_dir": str(broken)})
    assert "does not boot" in failed["msg"]
    assert "syntax error" in failed["msg"]


def deploy_broken(directory: Path) -> Path:
    home = directory / "broken"
    (home / "vendor").mkdir(parents=True)
    (home / "vendor" / "autoload.php").write_text("<?php this is not PHP")
    return home
