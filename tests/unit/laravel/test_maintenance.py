# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about maintenance mode on every version and driver, and what a URL's answer proves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import unquote

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import (
    BadInput,
    Failed,
    Refused,
    RunbookError,
    Unavailable,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel import maintenance
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.maintenance import (
    Answer,
    Seen,
    Wanted,
    plan,
    prove,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.maintenance_mode import perform
from hypothesis import given
from hypothesis import strategies as st
from unit.laravel.fake_laravel import FakeLaravel

SECRET = "c4n4ry-bypass"
DEFAULTS: dict[str, Any] = {
    "app_dir": "/srv/app",
    "php": "php",
    "secret": None,
    "render": None,
    "redirect": None,
    "retry_seconds": None,
    "refresh_seconds": None,
    "status": 503,
    "driver": "auto",
    "replicas": None,
    "verify_urls": [],
    "verify_timeout": 0,
    "timeout_seconds": 60,
}
VERSIONS = ["8.83.26", "9.52.1", "10.50.3", "11.41.0", "11.41.1", "11.52.0", "12.52.0", "12.53.0", "13.26.1"]


def run(app: FakeLaravel, state: str, check: bool = False, **options: Any) -> dict[str, Any]:
    return perform(app, {**DEFAULTS, "state": state, **options}, check, True)


# From which state to which: what is done by which version

BARE = {"secret": SECRET}
FULL = {"secret": SECRET, "render": "errors::503", "retry_seconds": 60, "refresh_seconds": 15}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("driver", ["file", "cache"])
def test_down_twice_and_up_twice(version: str, driver: str) -> None:
    app = FakeLaravel(version, driver)
    down, again = run(app, "down", **FULL), run(app, "down", **FULL)
    assert (down["changed"], down["targets"][0]["action"], down["targets"][0]["after"]) == (True, "down", "down")
    assert (again["changed"], again["targets"][0]["action"]) == (False, "none")
    assert again["targets"][0]["since"] == ("2025-10-09T08:53:20Z" if driver == "file" else None)
    up, up_again = run(app, "up"), run(app, "up")
    assert (up["changed"], up["targets"][0]["action"]) == (True, "up")
    assert (up_again["changed"], up_again["targets"][0]["after"]) == (False, "up")
    assert sorted(down) == sorted(up_again)


@pytest.mark.parametrize(
    ("version", "change", "action"),
    [
        ("8.83.26", {"secret": "other"}, "replace"),
        ("10.50.3", {"secret": "other"}, "replace"),
        ("11.41.0", {"secret": "other"}, "replace"),
        ("11.41.1", {"secret": "other"}, "down_again"),
        ("12.52.0", {"secret": "other"}, "down_again"),
        ("12.52.0", {"secret": None}, "replace"),
        ("12.53.0", {"secret": None}, "down_again"),
        ("13.26.1", {"retry_seconds": 30}, "down_again"),
        ("9.52.1", {"retry_seconds": 30}, "replace"),
        ("8.83.26", {"render": None}, "replace"),
    ],
)
@pytest.mark.parametrize("driver", ["file", "cache"])
def test_other_options_are_brought_about(version: str, change: dict[str, Any], action: str, driver: str) -> None:
    app = FakeLaravel(version, driver)
    run(app, "down", **FULL)
    result = run(app, "down", **{**FULL, **change})
    assert (result["changed"], result["targets"][0]["action"]) == (True, action)
    assert set(change) <= set(result["targets"][0]["differences"]) <= {*change, "render"}
    assert None not in app.states[1:]


NUMBERS = st.one_of(st.none(), st.integers(0, 3))
STATES = st.one_of(
    st.just({"state": "up"}),
    st.fixed_dictionaries(
        {
            "state": st.just("down"),
            "secret": st.sampled_from([None, "", "a", "b"]),
            "render": st.sampled_from([None, "errors::503"]),
            "redirect": st.sampled_from([None, "/", "/status", "status/"]),
            "retry_seconds": NUMBERS,
            "refresh_seconds": NUMBERS,
            "status": st.sampled_from([503, 500, 200]),
        }
    ),
)


@given(st.sampled_from(VERSIONS), st.sampled_from(["file", "cache"]), STATES, STATES)
def test_law_any_state_is_reached_from_any_other_without_a_gap(
    version: str, driver: str, first: dict[str, Any], second: dict[str, Any]
) -> None:
    app = FakeLaravel(version, driver)
    run(app, **first)
    app.states.clear()
    foreseen = run(app, check=True, **second)
    assert app.states == []
    done = run(app, **second)
    assert done["changed"] == (first != second if first["state"] != second["state"] else bool(app.states))
    assert foreseen["changed"] == done["changed"]
    assert [one["action"] for one in foreseen["targets"]] == [one["action"] for one in done["targets"]]
    assert [one["after"] for one in foreseen["targets"]] == [one["after"] for one in done["targets"]]
    assert foreseen["diff"] == done["diff"]
    assert not run(app, **second)["changed"]
    wanted = maintenance.wanted({**DEFAULTS, **second})
    now = app.get("web-1")
    assert (now is not None) == wanted.down
    if now is not None:
        assert (now["secret"], now["status"], now["retry"]) == (wanted.secret, wanted.status, wanted.retry)
        assert (now["template"] is not None) == (wanted.render is not None)
        assert now["redirect"] == wanted.redirect
    if first["state"] == second["state"] == "down":
        assert None not in app.states


def test_the_secret_is_in_no_command_line_and_no_result() -> None:
    app = FakeLaravel("13.26.1")
    results = [run(app, "down", **FULL), run(app, "down", secret="other-" + SECRET), run(app, "up")]
    assert SECRET not in " ".join(app.command_lines)
    assert SECRET not in json.dumps(results)
    assert results[1]["diff"]["after"]["web-1"]["secret"] == "set to another"


def test_nothing_is_run_when_nothing_is_to_be_done() -> None:
    app = FakeLaravel("12.53.0")
    run(app, "down", **FULL)
    app.calls.clear()
    run(app, "down", **FULL)
    assert app.calls == [["look"]]


@pytest.mark.parametrize("version", ["8.83.26", "13.26.1"])
def test_a_half_written_file_is_seen_and_written_anew(version: str) -> None:
    app = FakeLaravel(version)
    app.put("web-1", {"unreadable": True})
    result = run(app, "down", **FULL)
    assert result["targets"][0]["differences"] == ["unreadable"]
    assert result["targets"][0]["action"] == "replace"
    assert app.get("web-1")["secret"] == SECRET
    assert None not in app.states[1:]


def test_a_page_that_is_not_shown_before_the_framework_starts() -> None:
    app = FakeLaravel("12.53.0")
    run(app, "down", **FULL)
    app.stub["web-1"] = False
    assert run(app, "down", **FULL)["targets"][0]["differences"] == ["page"]
    assert app.stub["web-1"]


def test_every_copy_is_brought_there_and_each_tells_its_own() -> None:
    app = FakeLaravel("10.50.3", copies=3)
    app.put("web-2", {"secret": "old"})
    result = run(app, "down", replicas=1, **BARE)
    assert [one["action"] for one in result["targets"]] == ["down", "replace", "down"]
    assert [one["after"] for one in result["targets"]] == ["down"] * 3
    assert all(app.get(name)["secret"] == SECRET for name in app.names)


# Refusals

NOT_DONE = [
    (FakeLaravel("11.52.0", "file", 3), {}, Refused, "The file driver takes down one copy"),
    (FakeLaravel("11.52.0", "file"), {"replicas": 2}, Refused, "there are 2"),
    (FakeLaravel("11.52.0", "file"), {"driver": "cache"}, BadInput, "with the driver 'file', not 'cache'"),
    (FakeLaravel("11.52.0", "cache"), {"driver": "file"}, BadInput, "with the driver 'cache', not 'file'"),
    (FakeLaravel("11.52.0"), {"status": 42}, BadInput, "no status of an HTTP answer"),
    (FakeLaravel("11.52.0"), {"retry_seconds": -1}, BadInput, "can't be negative"),
    (FakeLaravel("11.52.0"), {"render": "nope::view"}, BadInput, "has no view 'nope::view'"),
]


@pytest.mark.parametrize(("app", "options", "error", "said"), NOT_DONE)
@pytest.mark.parametrize("check", [False, True])
def test_refused_before_anything_is_changed(
    app: FakeLaravel, options: dict[str, Any], error: type[RunbookError], said: str, check: bool
) -> None:
    with pytest.raises(error, match=said):
        run(app, "down", check=check, **options)
    assert app.states == [None]


def test_up_is_never_refused_for_the_copies_it_can_not_reach() -> None:
    app = FakeLaravel("11.52.0")
    run(app, "down")
    assert "the other 2 copies are as they were" in run(app, "up", replicas=3)["message"]


def test_an_application_that_can_not_tell() -> None:
    app = FakeLaravel("11.52.0", "cache")
    app.broken = "Connection refused"
    with pytest.raises(Unavailable, match="can't be read: Connection refused"):
        run(app, "up")


def test_an_act_without_effect_is_failed() -> None:
    app = FakeLaravel("10.50.3")
    run(app, "down")
    app.loses = True
    with pytest.raises(Failed, match="was told to be up, and is down") as caught:
        run(app, "up")
    assert caught.value.data["targets"][0]["after"] == "down"
    with pytest.raises(Failed, match=r"is down with other options \(secret\)"):
        run(app, "down", secret=SECRET)


def test_a_command_that_fails_tells_what_is_left_and_spares_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    app = FakeLaravel("11.52.0", copies=2)

    def fail(target: str, command: str, options: dict[str, str]) -> tuple[int, str]:
        app.put(target, {})
        return 1, "\n   ERROR  Failed to enter maintenance mode: disk full..  \n"

    monkeypatch.setattr(app, "artisan", fail)
    with pytest.raises(Failed, match="Failed to enter maintenance mode: disk full.*It is down now") as caught:
        run(app, "down", replicas=1)
    assert [one["after"] for one in caught.value.data["targets"]] == ["down", "up"]
    assert caught.value.data["changed"] is True


# Plans, as a table

DOWN = Seen("file", True, (12, 53), stub=True)


@pytest.mark.parametrize(
    ("seen", "want", "action"),
    [
        (Seen("file", False), Wanted(False), "none"),
        (Seen("file", False), Wanted(True), "down"),
        (DOWN, Wanted(False), "up"),
        (DOWN, Wanted(True), "none"),
        (DOWN, Wanted(True, status=500), "down_again"),
        (Seen("file", True), Wanted(True, status=500), "replace"),
        (Seen("cache", True, (11, 52), secret_set=True), Wanted(True), "replace"),
        (Seen("cache", True, (11, 52), template_set=True, template_same=True), Wanted(True, render="x"), "none"),
        (Seen("file", True, (11, 52), template_set=True, template_same=True), Wanted(True, render="x"), "replace"),
        (Seen("file", True, refresh="15", retry=60), Wanted(True, refresh=15, retry=60), "none"),
        (Seen("file", True, retry="Fri, 31 Jul 2026 10:00:00 GMT"), Wanted(True), "replace"),
    ],
)
def test_plan(seen: Seen, want: Wanted, action: str) -> None:
    assert plan(seen, want).action == action


def test_the_stored_form_is_the_framework_s(recorded_down: dict[str, Any]) -> None:
    """A file that ``down --secret --render --retry=60 --refresh=15`` of Laravel 11 wrote."""
    want = maintenance.wanted({**DEFAULTS, "state": "down", **FULL, "secret": "s3cret-token"})
    stored = maintenance.payload(want)
    assert {key: stored[key] for key in stored if key != "render"} == {
        key: recorded_down[key] for key in ("redirect", "retry", "refresh", "secret", "status")
    }


# The proof from outside

UP = Wanted(False)
GUARDED = Wanted(True, secret=SECRET)
LEAVING = Wanted(True, secret=SECRET, redirect="/status")


@pytest.mark.parametrize(
    ("want", "without", "bypassed", "ok", "said"),
    [
        (UP, Answer(200), None, True, "Up."),
        (UP, Answer(302, location="/login"), None, True, "Up."),
        (UP, Answer(404), None, True, "Up."),
        (UP, Answer(503), None, False, "It answers 503"),
        (UP, Answer(500), None, False, "It answers 500"),
        (UP, Answer(None, "Connection refused"), None, False, "No answer: Connection refused."),
        (Wanted(False, status=418), Answer(418), None, False, "It answers 418"),
        (Wanted(True), Answer(503), None, True, "Down for visitors."),
        (Wanted(True), Answer(200), None, False, "may still be up"),
        (Wanted(True), Answer(502), None, False, "It answers 502 where 503 was expected"),
        (GUARDED, Answer(503), Answer(200), True, "Down"),
        (GUARDED, Answer(503), Answer(503), False, "503 with the secret too"),
        (GUARDED, Answer(503), Answer(None, "timed out"), False, "No answer with the secret: timed out."),
        (GUARDED, Answer(200), Answer(200), False, "may still be up"),
        (LEAVING, Answer(302, location="http://bank/status"), Answer(200), True, "Down"),
        (LEAVING, Answer(503), Answer(200), True, "Down"),
        (LEAVING, Answer(302, location="/login"), Answer(200), False, "It answers 302"),
        (LEAVING, Answer(302, location="/status"), Answer(302, location="/status"), False, "302 with the secret too"),
        (Wanted(True, redirect="/"), Answer(302, location="http://bank"), None, True, "Down"),
    ],
)
def test_prove(want: Wanted, without: Answer, bypassed: Answer | None, ok: bool, said: str) -> None:
    found = prove("http://user:pw@bank:8080/x?y", want, without, bypassed)
    assert (found["ok"], said in found["message"]) == (ok, True), found
    assert found["url"] == "http://bank:8080/x?y"
    assert found["status_without"] == without.status


def test_the_bypass_cookie_is_what_the_framework_accepts() -> None:
    """By the rules of MaintenanceModeBypassCookie::isValid; the integration tests ask the real one."""
    name, _, value = maintenance.bypass_cookie(SECRET, 1760000000).partition("=")
    assert name == "laravel_maintenance"
    assert not set(value) & set('=+/";, ')
    content = json.loads(base64.b64decode(unquote(value)))
    assert content["expires_at"] == 1760000000
    assert content["mac"] == hmac.new(SECRET.encode(), b"1760000000", hashlib.sha256).hexdigest()
    assert SECRET not in base64.b64decode(unquote(value)).decode()
