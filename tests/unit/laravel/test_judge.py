# SPDX-License-Identifier: GPL-3.0-or-later
"""Every recording of a real command is judged as a person who reads it would."""

from __future__ import annotations

import re

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.advice import INSTEAD
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.contract import Judgement
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.contracts import CONTRACTS, find
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.judge import judge
from hypothesis import given
from hypothesis import strategies as st
from unit.laravel import recordings
from unit.laravel.recordings import FIXTURES, LARAVEL_11, LARAVEL_13

ALL = {
    name if number == 0 else f"{name}/{number + 1}": run
    for name in recordings.names()
    for number, run in enumerate(recordings.runs(name))
}
EXPECTED = recordings.expected()


def judged(name: str, version: tuple[int, ...] | None = None, rc: int | None = -1) -> Judgement:
    run = ALL[name]
    return judge(
        run.command,
        run.arguments,
        run.version if version is None else version,
        run.rc if rc == -1 else rc,
        run.stdout,
        run.stderr,
    )


def test_every_recording_has_an_expectation() -> None:
    assert sorted(ALL) == sorted(EXPECTED)


@pytest.mark.parametrize("name", sorted(ALL))
def test_recording(name: str) -> None:
    found = judged(name)
    assert (found.outcome, found.changed, found.judged_by) == EXPECTED[name], found.message
    assert found.message
    assert "\n" not in found.message


@pytest.mark.parametrize("name", sorted(ALL))
def test_an_unknown_version_changes_no_judgement(name: str) -> None:
    found = judged(name, version=())
    assert (found.outcome, found.changed, found.judged_by) == EXPECTED[name]


MESSAGES = {
    "12-queue-monitor": "1 queue(s) above the limit.",
    "18-migrate-failing-isolated": "SQLSTATE[HY000]: General error: 4161 Unknown data type: 'nosuchtype' (Connection: mariadb, SQL: "
    "alter table accounts add column nope nosuchtype)",
    "21-replay-unknown-v": "Projector App\\Projectors\\NopeProjector not found. Did you register it?",
    "25-status-no-vendor": "PHP Fatal error: Uncaught Error: Failed opening required '/srv/app/vendor/autoload.php' "
    "(include_path='.:/usr/share/php') in /srv/app/artisan:10",
    "25-status-redis-down": "Connection refused",
    "25-status-wide": "Connection refused",
    "01-never-started-queue_pause_default": "There is no command queue:pause. It came with Laravel 12.40; this is Laravel 11.52.0.",
    "01-never-started-queue_failed_--json": "queue:failed has no option --json. It came with Laravel 13.10; this is Laravel 11.52.0.",
    "10-queue-retry-mixed": "Unable to find failed job with ID [00000000-0000-0000-0000-000000000000].",
    "17-migrate-again": "2 migration(s) run.",
    "migrate-force": "8 migration(s) run.",
    "17-migrate-pretend": "2 statement(s) would run.",
    "09-queue-retry-all": "5 job(s) pushed back onto their queue.",
    "16-optimize-except": "4 caches built.",
    "14-down-secret-render": "Application is now in maintenance mode.",
    "01-never-started-config_show_database": "Its answer is in stdout.",
}


@pytest.mark.parametrize(("name", "message"), MESSAGES.items())
def test_message(name: str, message: str) -> None:
    assert judged(name).message == message


def test_the_width_of_the_terminal_does_not_matter() -> None:
    narrow, wide = judged("25-migrate-status-db-down"), judged("25-migrate-status-db-down-wide")
    assert narrow.message == wide.message
    assert (
        "Connection refused (Connection: mariadb, SQL: select exists (select 1 from information_schema" in wide.message
    )


@pytest.mark.parametrize("name", ["23-replay-poison-catch", "21-replay-projector"])
def test_what_text_cannot_tell_is_said(name: str) -> None:
    assert "catch_exceptions" in judged(name).caveat


# Texts of Laravel 8 and 9, as its own source has them; the recordings are of 11 and 13.
LARAVEL_8 = [
    ("migrate", "", 0, "Nothing to migrate.\n", "nothing_to_do", False),
    ("migrate", "", 0, "Migrating: 2026_a_b\nMigrated:  2026_a_b (12.34ms)\n", "done", True),
    (
        "migrate",
        "",
        1,
        "Migrating: 2026_a_b\n\nIn Connection.php line 712:\n        \n  Boom  \n        \n\n",
        "failed",
        True,
    ),
    ("migrate", "--pretend", 0, "AddReviewedAt: alter table `accounts` add `x` timestamp null\n", "done", False),
    ("migrate", "", 1, "**************\n*  Application In Production!  *\n\nCommand Canceled!\n", "refused", False),
    ("migrate:rollback", "", 0, "Rolling back: 2026_a_b\nRolled back:  2026_a_b (12.34ms)\n", "done", True),
    ("migrate:rollback", "", 0, "Migration not found: 2026_a_b\n", "failed", False),
    ("migrate:rollback", "", 1, "Rolling back: 2026_a_b\n", "failed", True),
    ("migrate:status", "", 1, "Migration table not found.\n", "failed", False),
    ("migrate:status", "", 0, "+------+---+\n| Ran? | Migration | Batch |\n| No   | 2026_a |   |\n", "done", False),
    ("cache:clear", "", 0, "Application cache cleared!\n", "done", True),
    ("cache:clear", "", 0, "Failed to clear cache. Make sure you have the appropriate permissions.\n", "failed", False),
    ("config:clear", "", 0, "Configuration cache cleared!\n", "done", True),
    ("config:cache", "", 0, "Configuration cache cleared!\nConfiguration cached successfully!\n", "done", True),
    ("view:clear", "", 0, "Compiled views cleared!\n", "done", True),
    ("optimize", "", 0, "Configuration cached successfully!\nFiles cached successfully!\n", "done", True),
    ("optimize:clear", "", 0, "Compiled views cleared!\nCaches cleared successfully!\n", "done", True),
    ("queue:retry", "x", 0, "The failed job [x] has been pushed back onto the queue!\n", "done", True),
    ("queue:retry", "x", 0, "Unable to find failed job with ID [x].\n", "failed", False),
    ("queue:retry", "all", 0, "", "nothing_to_do", False),
    ("queue:forget", "x", 0, "No failed job matches the given ID.\n", "failed", False),
    ("queue:flush", "", 0, "All failed jobs deleted successfully!\n", "done", True),
    ("queue:failed", "", 0, "No failed jobs!\n", "done", False),
    ("down", "", 0, "Application is now in maintenance mode.\n", "done", True),
    ("down", "", 0, "Application is already down.\n", "nothing_to_do", False),
    ("up", "", 0, "Application is now live.\n", "done", True),
    ("up", "", 1, "Failed to disable maintenance mode.\nunlink(): Permission denied\n", "failed", False),
]


@pytest.mark.parametrize(("command", "arguments", "rc", "stdout", "outcome", "changed"), LARAVEL_8)
def test_laravel_8(command: str, arguments: str, rc: int, stdout: str, outcome: str, changed: bool) -> None:
    found = judge(command, arguments.split(), (8, 83, 27), rc, stdout, "")
    assert (found.outcome, found.changed) == (outcome, changed), found


OTHERS = [
    # A row that failed inside a command that exits 0
    ("optimize", LARAVEL_11, 0, "  config .... 15.43ms DONE\n  routes .... 17.03ms FAIL\n", "failed", True),
    ("optimize:clear", LARAVEL_13, 0, "  cache .... 15.43ms FAIL\n", "failed", False),
    # --graceful turns an error into a warning and exits 0
    ("migrate", LARAVEL_11, 0, "\n   WARN  SQLSTATE[HY000] [2002] Connection refused.  \n\n", "failed", True),
    (
        "migrate",
        LARAVEL_11,
        1,
        "\n   WARN  This command is prohibited from running in this environment.  \n\n",
        "refused",
        False,
    ),
    # Prohibited from 13.15 on: silent, exit code 0. Before, silence was never success either.
    ("queue:flush", LARAVEL_13, 0, "", "refused", False),
    ("queue:flush", LARAVEL_11, 0, "", "failed", True),
    ("event-sourcing:replay", LARAVEL_11, 0, "No events replayed!\n", "refused", False),
    ("event-sourcing:replay", LARAVEL_11, 0, "Replaying 3398 events...\n", "failed", True),
    # Another command that is missing, called by this one, is not this one missing
    ("optimize", LARAVEL_11, 1, '\n   ERROR  Command "event-sourcing:cache" is not defined.  \n\n', "failed", False),
    ("migrate", LARAVEL_11, 255, "", "failed", False),
    ("horizon:terminate", LARAVEL_11, 0, "Something new that nobody knows\n", "failed", True),
    ("config:clear", LARAVEL_11, 0, "Something new that nobody knows\n", "done", True),
    ("down", LARAVEL_13, 0, "\n   INFO  Maintenance mode options updated.  \n\n", "done", True),
]


@pytest.mark.parametrize(("command", "version", "rc", "stdout", "outcome", "changed"), OTHERS)
def test_lies_and_silences(
    command: str, version: tuple[int, ...], rc: int, stdout: str, outcome: str, changed: bool
) -> None:
    found = judge(command, [], version, rc, stdout, "")
    assert (found.outcome, found.changed) == (outcome, changed), found


def test_stopped_at_the_time_limit_is_failed_and_may_have_changed_something() -> None:
    found = judge("migrate", ["--force"], LARAVEL_11, None, "", "")
    assert (found.outcome, found.changed, found.judged_by) == ("failed", True, "time_limit")
    assert not judge("about", [], LARAVEL_11, None, "", "").changed


def test_json_that_was_asked_for_and_did_not_come_is_failed() -> None:
    found = judge("about", ["--json"], LARAVEL_11, 0, "<html>", "")
    assert (found.outcome, found.judged_by) == ("failed", "json")


def test_an_option_of_another_command_is_no_missing_option() -> None:
    said = '\n                                       \n  The "--json" option does not exist.  \n                                       \n'
    assert judge("queue:failed", ["--json"], LARAVEL_11, 1, said, "").outcome == "unavailable"
    assert judge("optimize", ["--except=x"], LARAVEL_11, 1, said, "").outcome == "failed"


@given(st.sampled_from(sorted({entry.command for entry in CONTRACTS})), st.integers(1, 254), st.text(max_size=60))
def test_an_exit_code_that_is_no_answer_is_never_good_news(command: str, rc: int, said: str) -> None:
    if not any(entry.rc_is_answer for entry in find(command)):
        assert judge(command, [], (), rc, said, "").outcome not in ("done", "nothing_to_do")


def test_every_artisan_line_of_the_runbook_has_a_contract_or_says_what_to_use_instead() -> None:
    text = (FIXTURES / "RUNBOOK.md").read_text()
    called = set(re.findall(r"php artisan ([a-z][\w:-]*)", text))
    assert len(called) > 40
    known = {entry.command for entry in CONTRACTS} | set(INSTEAD)
    assert sorted(called - known) == []
    assert not set(INSTEAD) & {entry.command for entry in CONTRACTS}


def test_entries_of_one_command_do_not_overlap() -> None:
    versions = [(major, minor) for major in range(8, 15) for minor in range(0, 60, 5)]
    for command in {entry.command for entry in CONTRACTS}:
        for version in versions:
            entries = [entry for entry in CONTRACTS if entry.command == command and entry.covers(version)]
            assert len(entries) <= 1, (command, version)
