# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of a program's words, and what is told to it."""

from __future__ import annotations

import base64
import json
import re
from typing import Any, Callable

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed, TimedOut
from ansible_collections.finaegis.runbook.plugins.module_utils.events import replay_driver, replay_php
from ansible_collections.finaegis.runbook.plugins.module_utils.events.replay_app import (
    Application,
    Aside,
    ReplayStopped,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import Outcome, Transport

ASIDE = Aside("bank_replay", "runbook_x", "nonce", "s3cret-canary", ())


class Php(Transport):
    """Answers with lines; ``told`` is the text it was given, ``settings`` what was in it."""

    def __init__(self, answer: Callable[[str], str], rc: int | None = 0) -> None:
        self._answer, self._rc = answer, rc
        self.told = ""
        self.argv: list[str] = []
        self.environment: dict[str, str] | None = None

    def targets(self) -> list[str]:
        return ["host"]

    def run(
        self, target: str, argv: Any, cwd: str, stdin: str = "", environment: Any = None, timeout: Any = None
    ) -> Outcome:
        self.told, self.argv, self.environment = stdin, list(argv), environment
        return Outcome(target, self._rc, self._answer(self.settings["mark"]), "", 0.1)

    @property
    def settings(self) -> dict[str, Any]:
        found = re.search(r"base64_decode\('([^']+)'\)", self.told)
        assert found
        return dict(json.loads(base64.b64decode(found.group(1))))

    def read(self, target: str, path: str) -> str | None:
        return None

    def exists(self, target: str, path: str) -> bool:
        return True


def application(php: Php) -> Application:
    return Application(php, "host", "/app", "php", {"MY_DATABASE": "x"}, 5.0)


def test_the_application_s_own_output_is_passed_over() -> None:
    php = Php(lambda mark: f'Deprecated: x\nnoise{mark}{{"stop":"boot"}}\n{mark}{{"answer":[1]}}\n{{"stop":"x"}}\nbye')
    assert application(php).run(replay_php.RESET, {}, ASIDE).answer == [1]


def test_chunks_are_counted() -> None:
    php = Php(lambda mark: f'{mark}{{"last_id":1}}\n{mark}{{"last_id":2}}\n{mark}{{"done":true,"retried":0}}\n')
    assert application(php).run(replay_driver.DRIVER, {}, ASIDE).chunks == 2


def test_secrets_and_settings_travel_in_the_text_alone() -> None:
    php = Php(lambda mark: f'{mark}{{"answer":null}}')
    application(php).run(replay_php.RESET, {"model": "M"}, ASIDE)
    assert php.environment is None
    assert "s3cret-canary" not in " ".join(php.argv)
    settings = php.settings
    assert settings["environment"]["APP_CONFIG_CACHE"] == "/nonexistent/config.php"
    assert settings["environment"]["MY_DATABASE"] == "x"
    assert settings["environment"]["DB_DATABASE"] == settings["database"] == "bank_replay"
    assert "s3cret-canary" not in repr(ASIDE)


def test_without_aside_nothing_is_redirected() -> None:
    php = Php(lambda mark: f'{mark}{{"answer":null}}')
    application(php).run(replay_php.ASK, {"model": None}, None)
    assert (php.settings["aside"], php.settings["environment"]) == (False, {"MY_DATABASE": "x"})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"stop": "not aside", "database": "bank"}, "did not go to the scratch database.*database bank.*one server"),
        (
            {"stop": "failed", "event_id": 2500, "committed_to": 2000, "error": "no"},
            "event id 2500.*stand exactly at event 2000",
        ),
        ({"stop": "failed", "transaction_lost": "DDL"}, "commits by itself.*restart"),
        ({"stop": "failed", "error": "SQLSTATE[HY000]: General error: 1356 View"}, "not in projection_tables"),
        ({"stop": "half a chunk", "committed_to": 7}, "part of a chunk was committed"),
        ({"stop": "locked"}, "busy with another replay"),
        ({"stop": "shared service", "service": "cache"}, "still uses a service"),
    ],
)
def test_a_stop_is_explained(said: dict[str, Any], told: str) -> None:
    php = Php(lambda mark: mark + json.dumps(said), rc=1)
    with pytest.raises(ReplayStopped, match=told) as error:
        application(php).run(replay_driver.DRIVER, {}, ASIDE)
    assert error.value.data["stopped"] == said


def test_a_killed_program_says_what_it_printed_but_no_password() -> None:
    php = Php(lambda mark: f'{mark}{{"last_id":1}}\nPDO(s3cret-canary)\n', rc=-9)
    with pytest.raises(Failed, match="ended with -9") as error:
        application(php).run(replay_driver.DRIVER, {}, ASIDE)
    assert "s3cret-canary" not in str(error.value)


def test_out_of_time() -> None:
    with pytest.raises(TimedOut, match="5 seconds"):
        application(Php(lambda mark: "", rc=None)).run(replay_driver.DRIVER, {}, ASIDE)


def test_every_program_is_php_that_says_what_it_needs() -> None:
    for body in (replay_php.ASK, replay_php.RESET, replay_php.ARTISAN, replay_driver.DRIVER):
        text = replay_php.program(body, {"a": "'"})
        assert text.startswith("<?php\n")
        assert "@INPUT@" not in text
