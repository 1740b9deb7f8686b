# SPDX-License-Identifier: GPL-3.0-or-later
"""One command on one or more targets: what is asked first, what is run, what comes back."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Failed, Refused, Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel import command
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.artisan import Artisan, secret_values
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.command import Request, Run, together
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import Outcome, Transport
from unit.laravel.recordings import recording


class Recorded(Transport):
    """Answers with recordings; ``calls`` are the artisan words run, without what is always added."""

    def __init__(self, answers: dict[str, Any], names: Sequence[str] = ("web-1",), installed: str = "") -> None:
        self.answers = {"list --format=json": "list-json", **answers}
        self.names = list(names)
        self.installed = installed
        self.calls: list[str] = []
        self.there = True

    def targets(self) -> list[str]:
        return self.names

    def exists(self, target: str, path: str) -> bool:
        return self.there

    def read(self, target: str, path: str) -> str | None:
        assert path == "/srv/app/vendor/composer/installed.json"
        if not self.installed:
            return None
        return json.dumps({"packages": [{"name": "laravel/framework", "version": self.installed}]})

    def run(
        self,
        target: str,
        argv: Sequence[str],
        cwd: str,
        stdin: str = "",
        environment: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> Outcome:
        given = re.search(r"base64_decode\('([^']*)'\)", stdin)
        words = json.loads(base64.b64decode(given.group(1))) if given else list(argv[1:])
        assert words[2:4] == ["--no-interaction", "--no-ansi"]
        assert argv[0] == "php"
        assert environment == {"COLUMNS": "200", "DB": "x"}
        self.calls.append(" ".join([words[1], *words[4:]]))
        answer = self.answers[self.calls[-1]]
        answer = answer[target] if isinstance(answer, dict) else answer
        if isinstance(answer, tuple):
            return Outcome(target, answer[0], answer[1], "", 0.5)
        found = recording(answer)
        return Outcome(target, found["rc"], str(found["stdout"]), str(found["stderr"]), 0.5)


def run(transport: Recorded, words: str, preview: bool = False, **options: Any) -> dict[str, Any]:
    name, *arguments = words.split()
    request = Request(name, tuple(arguments), **options)
    command.check(request)
    artisan = Artisan(transport, "/srv/app", "php", {"DB": "x"}, 60)
    return together([Run(artisan, target, request).perform(preview) for target in transport.targets()], True)


def test_a_known_command_is_run_without_asking_for_it() -> None:
    transport = Recorded({"migrate --force": "17-migrate-again"})
    result = run(transport, "migrate --force")
    assert transport.calls == ["migrate --force"]
    assert (result["outcome"], result["changed"], result["laravel_version"]) == ("done", True, None)
    assert result["argv"] == ["php", "artisan", "migrate", "--no-interaction", "--no-ansi", "--force"]
    assert "2026_02_01_000001_add_xa" in result["diff"]["after"]
    assert result["targets"][0]["target"] == "web-1"
    assert "stdout" not in result["targets"][0]


def test_a_command_nobody_knows_is_asked_for_first() -> None:
    transport = Recorded({"ref:seed": (0, "seeded\n")})
    assert run(transport, "ref:seed")["judged_by"] == "exit_code"
    assert transport.calls == ["list --format=json", "ref:seed"]
    transport = Recorded({})
    result = run(transport, "ref:se")
    assert (result["outcome"], result["judged_by"], result["laravel_version"]) == ("unavailable", "list", "11.52.0")
    assert transport.calls == ["list --format=json"]


def test_the_list_is_asked_for_once() -> None:
    transport = Recorded({"ref:seed": (0, "seeded\n")})
    run(transport, "ref:seed", ask=True, json=True)
    assert transport.calls == ["list --format=json", "ref:seed"]


def test_json_is_added_where_the_command_has_it() -> None:
    transport = Recorded({"about --json": "14-about-while-down", "queue:failed": "09-queue-failed"})
    assert run(transport, "about", json=True)["json"]["environment"]["maintenance_mode"] is True
    assert run(transport, "queue:failed", json=True)["json"] is None


@pytest.mark.parametrize(
    ("status", "preview", "outcome", "changed", "said"),
    [
        ("17-migrate-status", "17-migrate-pretend", "done", True, "2 statement(s) would run."),
        ("17-migrate-status", "migrate-force-again", "nothing_to_do", False, "Nothing to migrate."),
        ("17-migrate-status", "migrate-noforce", "refused", False, "In production it needs --force"),
        ("migrate-status-before", None, "done", True, "would create the table of migrations"),
        ("25-migrate-status-db-down", None, "failed", False, "Connection refused"),
    ],
)
def test_preview_of_a_migration(status: str, preview: str | None, outcome: str, changed: bool, said: str) -> None:
    transport = Recorded({"migrate:status --database=a": status, "migrate --force --database=a --pretend": preview})
    result = run(transport, "migrate --force --isolated=12 --database=a --seed", preview=True)
    assert (result["outcome"], result["changed"]) == (outcome, changed)
    assert said in result["message"]
    assert transport.calls[0] == "list --format=json"
    assert ("migrate --force --database=a --pretend" in transport.calls) == (preview is not None)
    assert "--pretend" not in result["argv"]


def test_the_database_may_be_named_in_the_next_word() -> None:
    transport = Recorded({"migrate:status --database a": "migrate-status-before"})
    run(transport, "migrate --force --database a --seed", preview=True)


def test_check_mode_runs_what_only_reads_and_nothing_else() -> None:
    transport = Recorded({"migrate:status": "17-migrate-status-pending"})
    assert run(transport, "migrate:status", preview=True)["message"] == "2 migration(s) pending."
    planned = run(transport, "cache:clear", preview=True)
    assert (planned["outcome"], planned["changed"], "rc" in planned) == ("done", True, False)
    assert "FLUSH" in planned["caveat"].upper() or "emptied" in planned["caveat"]
    assert "cache:clear" not in transport.calls


def test_secret_arguments_come_last_and_are_shown_nowhere() -> None:
    secret = "--secret=c4n4ry"
    transport = Recorded({"down --retry=60 " + secret: (0, "Application is now in maintenance mode.\nat /c4n4ry\n")})
    result = run(transport, "down --retry=60", secret_arguments=(secret,))
    assert (result["outcome"], result["judged_by"]) == ("done", "text")
    assert result["argv"][-2:] == ["--retry=60", "********"]
    assert "c4n4ry" not in json.dumps(result)


def test_a_short_secret_does_not_spoil_the_judgement() -> None:
    transport = Recorded({"down --secret=a": "14-down-plain"})
    assert run(transport, "down", secret_arguments=("--secret=a",))["outcome"] == "done"


def test_secrets_that_the_command_prints_itself_are_hidden() -> None:
    transport = Recorded(
        {"down --with-secret": "14-down-with-secret", "config:show database": "01-never-started-config_show_database"}
    )
    assert "2Pmqu8lRTrxSV8Cg" not in json.dumps(run(transport, "down --with-secret"))
    shown = run(transport, "config:show database")
    assert "password ......" in shown["stdout"]
    assert "********" in shown["stdout"]


def test_of_several_targets_the_one_that_needs_attention_is_told() -> None:
    answers = {"web-1": "17-migrate-again", "web-2": "18-migrate-isolated-concurrent", "web-3": "migrate-force-again"}
    result = run(Recorded({"migrate --isolated": answers}, list(answers)), "migrate --isolated")
    assert (result["outcome"], result["changed"]) == ("locked", True)
    assert [one["outcome"] for one in result["targets"]] == ["done", "locked", "nothing_to_do"]
    assert "already running" in result["targets"][1]["stdout"]
    request = Request("migrate")
    assert command.complaint("/srv/app", request, result) == (
        "artisan migrate in /srv/app on web-2: locked. Another migrate is running."
    )


def test_a_failure_says_what_to_do() -> None:
    result = run(Recorded({"horizon:terminate": "24-terminate-as-other-user"}), "horizon:terminate")
    assert command.complaint("/srv/app", Request("horizon:terminate"), result) == (
        "artisan horizon:terminate in /srv/app on web-1: failed. Failed to kill process: 12787 (Operation not permitted). Part of it "
        "was done before. The process belongs to another user: run the task as that one (become_user)."
    )


@pytest.mark.parametrize("installed", ["v13.26.1", "13.26.1"])
def test_the_version_from_composer_is_used(installed: str) -> None:
    transport = Recorded({"queue:flush": (0, "")}, installed=installed)
    result = run(transport, "queue:flush")
    assert (result["laravel_version"], result["outcome"]) == ("13.26.1", "refused")
    transport = Recorded({"queue:pause default": "01-never-started-queue_pause_default"}, installed="v11.52.0")
    assert "It came with Laravel 12.40; this is Laravel 11.52.0." in run(transport, "queue:pause default")["message"]


@pytest.mark.parametrize(
    ("request_", "error", "said"),
    [
        (Request("migrate --force"), BadInput, "not the name of an artisan command"),
        (Request(""), BadInput, "not the name"),
        (Request("-V"), BadInput, "not the name"),
        (Request("down", ("--secret=x",)), BadInput, "Put it into secret_arguments"),
        (Request("down", ("--secret", "x")), BadInput, "Put it into secret_arguments"),
        (Request("migrate", ("--quiet",)), BadInput, "can't be told"),
        (Request("horizon"), Refused, "runs until it is stopped"),
    ],
)
def test_refused_before_anything_is_run(request_: Request, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        command.check(request_)
    assert "=x" not in str(caught.value)


def test_an_application_that_is_not_there() -> None:
    transport = Recorded({})
    transport.there = False
    with pytest.raises(Unavailable, match="There is no file artisan in /srv/app on web-1"):
        run(transport, "migrate")


def test_an_application_that_does_not_start() -> None:
    transport = Recorded({"list --format=json": "25-about-php-parse-error"})
    with pytest.raises(
        Failed, match=r"did not answer \(it ended with 1\): Unclosed '\['. The application does not start"
    ):
        run(transport, "ref:seed")


def test_secret_values() -> None:
    assert secret_values(["--secret=a=b", "plain", "-x"]) == ["--secret=a=b", "plain", "-x", "a=b"]
