# SPDX-License-Identifier: GPL-3.0-or-later
"""The module artisan on the real bank (Laravel 8), and on a php that repeats recordings of later versions."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from integration.bank import Bank
from integration.laravel.conftest import php_wrapper
from integration.runner import Result, call_modules, run_module, run_tasks
from integration.servers import MysqlServer

PENDING = "2026_03_01_000000_add_reviewed_at_to_accounts_table"
FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CANARY = "c4n4ry-0f-artisan"

#: Several plays in one test, on a machine that may be busy.
pytestmark = pytest.mark.timeout(300)


def task(bank: Bank, command: str, *arguments: str, keywords: dict[str, Any] | None = None, **options: Any) -> dict:
    module = {**bank.options, "command": command, "arguments": list(arguments), **options}
    return {"finaegis.runbook.artisan": module, **(keywords or {})}


def artisan(bank: Bank, command: str, *arguments: str, **options: Any) -> Result:
    return call_modules([task(bank, command, *arguments, **options)])[0]


def columns(mysql: MysqlServer, database: str) -> set[str]:
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema=%s AND table_name='accounts'",
            [database],
        )
        return {row[0] for row in cursor.fetchall()}


def test_a_migration_from_preview_to_nothing_left(bank: Bank, mysql_server: MysqlServer) -> None:
    database = bank.name.replace("-", "_")
    preview = {"check_mode": True, "diff": True}
    planned, run, again, foreseen = run_tasks(
        [
            task(bank, "migrate", "--force", keywords=preview),
            task(bank, "migrate", "--force", keywords={"diff": True}),
            task(bank, "migrate", "--force"),
            task(bank, "migrate", "--force", keywords=preview),
        ]
    )
    assert (planned["outcome"], planned["changed"]) == ("done", True)
    assert "alter table `accounts` add `reviewed_at`" in planned["diff"]["after"]
    assert planned["argv"][2] == "migrate"
    assert "--pretend" not in planned["argv"]
    assert (run["outcome"], run["changed"], run["judged_by"]) == ("done", True, "text")
    assert run["message"] == "1 migration(s) run."
    assert PENDING in run["diff"]["after"]
    assert (again["outcome"], again["changed"], again["rc"]) == ("nothing_to_do", False, 0)
    assert (foreseen["outcome"], foreseen["changed"]) == ("nothing_to_do", False)
    assert set(planned) == set(run)
    assert "reviewed_at" in columns(mysql_server, database)

    back_planned, back, back_again = run_tasks(
        [
            task(bank, "migrate:rollback", "--force", "--step=1", keywords=preview),
            task(bank, "migrate:rollback", "--force", "--step=1"),
            task(bank, "migrate:rollback", "--force", "--step=1", "--pretend"),
        ]
    )
    assert "drop `reviewed_at`" in back_planned["diff"]["after"]
    assert back_planned["changed"] is True
    assert back["message"] == "1 migration(s) rolled back."
    assert "reviewed_at" not in columns(mysql_server, database)
    assert back_again["changed"] is False


def test_check_mode_changes_nothing(bank: Bank, mysql_server: MysqlServer) -> None:
    with mysql_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS empty_bank")
    migrate, write, status, missing = call_modules(
        [
            task(bank, "migrate", "--force", environment={"DB_DATABASE": "empty_bank"}),
            task(bank, "test:write"),
            task(bank, "migrate:status"),
            task(bank, "health:check", unavailable="skip"),
        ],
        check=True,
    )
    assert (migrate["outcome"], migrate["changed"]) == ("done", True)
    assert "would create the table of migrations" in migrate["message"]
    with mysql_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='empty_bank'")
        assert cursor.fetchone()[0] == 0
    assert (write["outcome"], write["changed"], "rc" in write) == ("done", True, False)
    assert write["laravel_version"].startswith("8.")
    assert not (bank.home / "written").exists()
    assert (status["message"], status["changed"]) == ("1 migration(s) pending.", False)
    assert missing["skipped"]


def test_refused_locked_and_what_is_accepted(bank: Bank) -> None:
    refused, accepted = call_modules([task(bank, "migrate"), task(bank, "migrate", accept=["refused"])])
    assert refused["failed"]
    assert (refused["outcome"], refused["changed"], refused["rc"]) == ("refused", False, 1)
    assert "In production it needs --force" in refused["msg"]
    assert not accepted.get("failed")
    assert accepted["outcome"] == "refused"
    assert accepted["rc"] == 1


def test_an_answer_with_an_exit_code_of_its_own_is_no_failure(bank: Bank) -> None:
    result = artisan(bank, "horizon:status")
    assert not result.get("failed"), result
    assert (result["outcome"], result["changed"], result["message"]) == ("done", False, "Horizon is inactive.")
    assert result["rc"] == 2


UNAVAILABLE = [
    ("health:check", ["--all"], "finaegis.runbook.health_gate"),
    ("horizon:pause-queue", ["default"], "queue:pause"),
    ("queue:pause", ["default"], "It came with Laravel 12.40"),
    ("reconcile:daily", [], "reconciliation:daily"),
    ("queue:failed", ["--queue=payments"], "has no option --queue"),
    ("event-sourcing:replay", ["--all"], "Name no projector"),
    ("event-sourcing:verify", [], "Check versions and gaps"),
    ("no-such:command", [], "no-such:command"),
]


def test_what_does_not_exist_is_named_with_what_to_use_instead(bank: Bank) -> None:
    found = call_modules([task(bank, command, *arguments) for command, arguments, _ in UNAVAILABLE])
    for result, (command, _, said) in zip(found, UNAVAILABLE, strict=True):
        assert result["failed"], command
        assert (result["outcome"], result["changed"]) == ("unavailable", False), command
        assert said in result["msg"], command


def test_skipped_where_the_application_has_no_such_command(bank: Bank) -> None:
    skipped, ran = call_modules(
        [task(bank, "queue:pause", "default", unavailable="skip"), task(bank, "up", unavailable="skip")]
    )
    assert skipped["skipped"]
    assert "12.40; this is Laravel 8." in skipped["skip_reason"]
    assert ran["outcome"] == "nothing_to_do"


def test_an_abbreviation_is_not_completed(bank: Bank) -> None:
    """Symfony would run queue:flush-all-of-it."""
    result = artisan(bank, "queue:flush-a")
    assert (result["outcome"], result["judged_by"]) == ("unavailable", "list")
    assert not (bank.home / "written").exists()


BAD = [
    ({"command": "migrate --force"}, "is not the name of an artisan command"),
    ({"command": "horizon"}, "runs until it is stopped"),
    ({"command": "migrate", "arguments": ["--quiet"]}, "can't be told"),
    ({"command": "down", "arguments": ["--secret=" + CANARY]}, "Put it into secret_arguments"),
    ({"command": "list", "app_dir": "/nonexistent"}, "There is no file artisan in /nonexistent"),
    ({"command": "list", "php": "no-such-php"}, "'no-such-php' can't be started"),
    ({"command": "migrate", "arguments": ["--force"], "environment": {"DB_PORT": "1"}}, "The database does not answer"),
    ({"command": "migrate:status", "environment": {"DB_PASSWORD": "wrong"}}, "The database refuses"),
    ({"command": "queue:restart", "environment": {"REDIS_PORT": "1"}}, "Redis does not answer"),
    ({"command": "queue:retry", "arguments": ["00000000-0000-0000-0000-000000000000"]}, "Unable to find failed job"),
    ({"command": "queue:forget", "arguments": ["1"]}, "No failed job matches"),
    ({"command": "queue:forget"}, "Not enough arguments"),
    ({"command": "test:long", "timeout_seconds": 1}, "Stopped at its time limit"),
]


def test_errors_say_what_was_tried_and_what_to_do(bank: Bank) -> None:
    (bank.home / "app/Console/Kernel.php").touch()
    found = call_modules([{"finaegis.runbook.artisan": {**bank.options, **options}} for options, _ in BAD])
    for result, (options, said) in zip(found, BAD, strict=True):
        assert result["failed"], options
        assert said in result["msg"], options
        assert result["changed"] is (options["command"] == "test:long"), options
    assert CANARY not in json.dumps([result["msg"] for result in found])


def test_an_application_with_a_syntax_error(bank: Bank, tmp_path: Path) -> None:
    routes = bank.home / "routes/web.php"
    good = routes.read_text()
    try:
        routes.write_text("<?php return [")
        known, unknown = call_modules([task(bank, "up"), task(bank, "test:write")])
    finally:
        routes.write_text(good)
    assert known["outcome"] == "failed"
    assert "syntax error" in known["msg"] or "Unclosed '['" in known["msg"]
    assert "did not answer" in unknown["msg"]
    assert unknown["changed"] is False


def test_no_prompt_waits_and_nothing_is_on_standard_input(bank: Bank) -> None:
    result = artisan(bank, "test:ask", timeout_seconds=20)
    assert result["message"] == "asked: yes, left on stdin: 0"
    assert result["judged_by"] == "exit_code"


def test_json_with_a_human_line_before_it(bank: Bank) -> None:
    asked, plain, without, listed = call_modules(
        [
            task(bank, "test:json", json=True),
            task(bank, "test:json"),
            task(bank, "queue:failed", json=True),
            task(bank, "list", "--format=json"),
        ]
    )
    assert asked["json"] == {"answer": [42]}
    assert "--json" in asked["argv"]
    assert plain["json"] is None
    assert (without["json"], without["outcome"]) == (None, "done")
    assert listed["json"]["application"]["name"] == "Laravel Framework"
    assert "characters left out" in listed["stdout"]


def test_environment_reaches_the_command(bank: Bank) -> None:
    artisan(bank, "test:keep", environment={"TEST_VALUE": 17})
    assert json.loads((bank.home / "kept").read_text())[2] == "17"


def test_a_secret_argument_is_seen_by_the_command_alone(bank: Bank) -> None:
    secret = "--secret=" + CANARY
    seen, started, stop = [], bank.home / "keeping", threading.Event()
    started.unlink(missing_ok=True)

    def watch() -> None:
        """Every command line on the machine, while the command runs and before."""
        while not stop.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                if CANARY.encode() in text:
                    seen.append(text)
            stop.wait(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = run_module(
            "artisan",
            {**bank.options, "command": "test:keep", "arguments": ["--seconds=2"], "secret_arguments": [secret]},
            verbose=True,
        )
    finally:
        stop.set()
        watcher.join()
    kept, argv, _ = json.loads((bank.home / "kept").read_text())
    assert started.exists()
    assert kept == CANARY
    assert argv == ["artisan", "test:keep", "--no-interaction", "--no-ansi", "--seconds=2", secret]
    assert seen == []
    assert result["outcome"] == "done"
    assert result["argv"][-1] == "********"
    assert result["stdout"].strip() == "kept ********"
    assert CANARY not in result.output
    assert "#!/usr/bin/env" not in result["stdout"]


REPEAT = """
import json, sys
from pathlib import Path
recorded = [json.loads(path.read_text()) for path in Path(sys.argv[1]).glob("*.json")]
known = {tuple(one["args"]): one for one in recorded if "args" in one}
words = [word for word in sys.argv[3:] if word not in ("--no-interaction", "--no-ansi")]
if words == ["list", "--format=json"]:
    options = {"options": {"json": {"name": "--json"}}}
    commands = [{"name": name, "usage": [name], "definition": options} for name in ("queue:failed", "queue:pause")]
    print(json.dumps({"application": {"name": "Laravel Framework", "version": "13.26.1"}, "commands": commands}))
    sys.exit(0)
assert sys.argv[2] == "artisan" and not sys.stdin.read()
found = known[tuple(words)]
sys.stdout.write(found["stdout"]); sys.stderr.write(found["stderr"])
sys.exit(found["rc"])
"""


@pytest.fixture
def laravel_13(tmp_path: Path) -> dict[str, str]:
    """Module options for an application whose php repeats what Laravel 13.26 said."""
    (tmp_path / "artisan").touch()
    (tmp_path / "vendor/composer").mkdir(parents=True)
    noted = {"packages": [{"name": "laravel/framework", "version": "v13.26.1"}]}
    (tmp_path / "vendor/composer/installed.json").write_text(json.dumps(noted))
    (tmp_path / "repeat.py").write_text(REPEAT)
    line = f'exec {sys.executable} {tmp_path}/repeat.py {FIXTURES}/commands-laravel13 "$@"'
    return {"app_dir": str(tmp_path), "php": php_wrapper(tmp_path / "php", line)}


def test_recordings_of_laravel_13_through_ansible(laravel_13: dict[str, str]) -> None:
    def one(command: str, *arguments: str, **options: Any) -> dict[str, Any]:
        return {"finaegis.runbook.artisan": {**laravel_13, "command": command, "arguments": list(arguments), **options}}

    jobs, paused, migrated, terminated, retried = run_tasks(
        [
            one("queue:failed", json=True),
            one("queue:pause", "default", unavailable="skip"),
            one("migrate", "--force"),
            one("horizon:terminate"),
            one("queue:retry", "00000000-0000-0000-0000-000000000000"),
        ]
    )
    assert [job["queue"] for job in jobs["json"]] in ([], ["default", "default"])
    assert (jobs["outcome"], jobs["judged_by"], jobs["laravel_version"]) == ("done", "json", "13.26.1")
    assert (paused["outcome"], paused["changed"]) == ("done", True)
    assert migrated["message"] == "10 migration(s) run."
    assert "Only processes of this host were signalled" in terminated["caveat"]
    assert retried["failed"]
    assert retried["rc"] == 0


def test_no_process_is_left_behind(bank: Bank) -> None:
    for _ in range(50):
        if not bank.pids():
            break
        time.sleep(0.1)
    assert bank.pids() == []
