# SPDX-License-Identifier: GPL-3.0-or-later
"""The module maintenance_mode on the real bank, whose Laravel keeps old options when told to go down again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.bank import Bank
from integration.laravel.conftest import php_wrapper
from integration.runner import Result, call_modules, run_module, run_tasks
from integration.servers import free_port

SECRET = "c4n4ry-bypass-of-the-bank"
OTHER = "an0ther-c4n4ry-of-the-bank"

#: Several plays in one test, on a machine that may be busy.
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def url(bank: Bank) -> str:
    """The bank served; its home page needs the database, its path /up is exempt from maintenance."""
    url = bank.web()
    until = time.monotonic() + 30
    while status(url + "/up") is None and time.monotonic() < until:
        time.sleep(0.1)
    return url


def status(url: str) -> int | None:
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


@pytest.fixture(autouse=True)
def up_again(bank: Bank) -> Iterator[None]:
    yield
    framework = bank.home / "storage/framework"
    for name in ("down", "down.new", "maintenance.php"):
        (framework / name).unlink(missing_ok=True)


def task(bank: Bank, state: str, keywords: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return {"finaegis.runbook.maintenance_mode": {**bank.options, "state": state, **options}, **(keywords or {})}


def mode(bank: Bank, state: str, **options: Any) -> Result:
    return call_modules([task(bank, state, **options)])[0]


def stored(bank: Bank) -> dict[str, Any]:
    return json.loads((bank.home / "storage/framework/down").read_text())


class Watch:
    """Looks at every command line of the machine for ``needles`` while the body runs."""

    def __init__(self, *needles: str) -> None:
        self.needles = [needle.encode() for needle in needles]
        self.seen: list[bytes] = []
        self.looks = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.look)

    def look(self) -> None:
        while not self.over.is_set():
            self.looks += 1
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    text = path.read_bytes()
                except OSError:
                    continue
                self.seen.extend(text for needle in self.needles if needle in text)
            self.over.wait(0.02)

    def __enter__(self) -> Watch:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def test_down_proven_unchanged_with_other_options_and_up(bank: Bank, url: str) -> None:
    home, seen, over = url + "/", [], threading.Event()
    full = {
        "secret": SECRET,
        "render": "errors::503",
        "retry_seconds": 60,
        "refresh_seconds": 15,
        "verify_urls": [home],
    }
    foreseen, down, again, check_again = run_tasks(
        [
            task(bank, "down", {"check_mode": True, "diff": True}, **full),
            task(bank, "down", {"diff": True}, **full),
            task(bank, "down", **full),
            task(bank, "down", {"check_mode": True}, **full),
        ]
    )
    assert (foreseen["changed"], foreseen["verified"]) == (True, None)
    assert "would be down" in foreseen["message"]
    assert foreseen["diff"] == down["diff"]
    target = down["targets"][0]
    assert (down["changed"], down["verified"], down["state"]) == (True, True, "down")
    assert (target["before"], target["after"], target["action"], target["driver"]) == ("up", "down", "down", "file")
    assert target["since"].endswith("Z")
    assert [(one["status_without"], one["status_with"], one["ok"]) for one in down["checks"]] == [(503, 200, True)]
    assert (again["changed"], again["verified"], again["targets"][0]["action"]) == (False, True, "none")
    assert (check_again["changed"], check_again["verified"]) == (False, True)
    assert set(foreseen) == set(down) == set(again) | {"diff"}
    now = stored(bank)
    assert (now["secret"], now["retry"], now["refresh"], now["status"]) == (SECRET, 60, "15", 503)
    assert now["except"] == ["up"]
    assert "Down for maintenance" in now["template"]

    def visit() -> None:
        while not over.is_set():
            seen.append(status(home))

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        other, other_again = run_tasks(
            [
                task(bank, "down", secret=OTHER, redirect="status", verify_urls=[home]),
                task(bank, "down", secret=OTHER, redirect="/status/", verify_urls=[home]),
            ]
        )
    finally:
        over.set()
        visitor.join()
    assert (other["changed"], other["verified"], other["targets"][0]["action"]) == (True, True, "replace")
    assert other["targets"][0]["differences"] == ["secret", "render", "redirect", "retry_seconds", "refresh_seconds"]
    assert other["checks"][0]["status_without"] == 302
    assert other_again["changed"] is False
    assert len(seen) > 3
    # A redirect is followed, so its page answers with the status as well.
    assert set(seen) == {503}
    assert (stored(bank)["secret"], stored(bank)["except"]) == (OTHER, ["up"])

    up_foreseen, up, up_again = run_tasks(
        [
            task(bank, "up", {"check_mode": True}, verify_urls=[home]),
            task(bank, "up", verify_urls=[home]),
            task(bank, "up", verify_urls=[home]),
        ]
    )
    assert (up_foreseen["changed"], up_foreseen["targets"][0]["before"]) == (True, "down")
    assert (up["changed"], up["verified"], up["checks"][0]["status_without"]) == (True, True, 200)
    assert (up_again["changed"], up_again["verified"]) == (False, True)
    assert not (bank.home / "storage/framework/down").exists()


def test_the_secret_is_seen_nowhere(bank: Bank, url: str) -> None:
    log = bank.home / "storage/logs/laravel.log"
    options = {**bank.options, "state": "down", "verify_urls": [url + "/"]}
    with Watch(SECRET, OTHER) as watch:
        first = run_module("maintenance_mode", {**options, "secret": SECRET}, diff=True, verbose=True)
        second = run_module("maintenance_mode", {**options, "secret": OTHER}, diff=True, verbose=True)
    assert (first["verified"], second["verified"]) == (True, True)
    assert watch.looks > 10
    assert watch.seen == []
    for secret in (SECRET, OTHER):
        assert secret not in first.output + second.output
        assert not log.exists() or secret not in log.read_text()
    left = [path for path in bank.home.rglob("*") if path.is_file() and OTHER.encode() in path.read_bytes()]
    assert left == [bank.home / "storage/framework/down"]


def test_up_that_is_not_seen_and_down_that_does_not_hold(bank: Bank, url: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/"
    away, exempt = call_modules(
        [
            task(bank, "down", verify_urls=[nowhere], verify_timeout=1),
            task(bank, "down", secret=SECRET, verify_urls=[url + "/up"], verify_timeout=1),
        ]
    )
    assert away["failed"]
    assert (away["changed"], away["verified"], away["targets"][0]["after"]) == (True, False, "down")
    assert "Connection refused" in away["msg"]
    assert "was not changed back" in away["msg"]
    assert exempt["failed"]
    assert "may still be up" in exempt["msg"]
    assert exempt["checks"][0]["status_without"] == 200
    assert SECRET not in exempt.output


def test_a_url_of_another_copy_with_another_secret(bank: Bank, url: str) -> None:
    """What answers is down, but by other options than these: only the bypass tells."""
    mode(bank, "down", secret=OTHER)
    original = (bank.home / "storage/framework/down").read_text()
    swap = php_wrapper(
        bank.home / "swap", f'/usr/bin/php "$@"; rc=$?; cp {bank.home}/kept-down storage/framework/down; exit $rc'
    )
    (bank.home / "kept-down").write_text(original)
    result = mode(bank, "down", secret=SECRET, php=swap, verify_urls=[url + "/"], verify_timeout=1)
    assert result["failed"]
    assert "with other options (secret)" in result["msg"]
    assert SECRET not in result.output
    assert OTHER not in result.output


BAD = [
    ({"app_dir": "/nonexistent"}, "There is no file artisan in /nonexistent"),
    ({"php": "no-such-php"}, "'no-such-php' can't be started"),
    ({"render": "nope::view"}, "has no view 'nope::view'"),
    ({"driver": "cache"}, "with the driver 'file', not 'cache'"),
    ({"replicas": 3}, "The file driver takes down one copy of the application, and there are 3"),
    ({"status": 99}, "no status of an HTTP answer"),
]


def test_bad_input_changes_nothing(bank: Bank) -> None:
    for result, (options, said) in zip(
        call_modules([task(bank, "down", **options) for options, _ in BAD]), BAD, strict=True
    ):
        assert result["failed"], options
        assert said in result["msg"], options
        assert not result["changed"], options
    assert not (bank.home / "storage/framework/down").exists()


def test_a_broken_application_is_told_as_such(bank: Bank) -> None:
    provider = bank.home / "config/bank.php"
    good = provider.read_text()
    try:
        provider.write_text("<?php return [")
        result = mode(bank, "down")
    finally:
        provider.write_text(good)
    assert result["failed"]
    assert "does not boot" in result["msg"]
    assert not (bank.home / "storage/framework/down").exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user who may not read")
def test_storage_that_may_not_be_read(bank: Bank, tmp_path: Path) -> None:
    bank.home.chmod(0o755)
    for parent in bank.home.parents[:4]:
        parent.chmod(parent.stat().st_mode | 0o011)
    (bank.home / ".env").chmod(0o644)
    tmp_path.chmod(0o755)
    drop = "exec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/bin/php"
    php = php_wrapper(bank.home / "php-nobody", f'{drop} "$@"')
    framework = bank.home / "storage/framework"
    mode_before = framework.stat().st_mode
    try:
        framework.chmod(0o700)
        hidden = mode(bank, "up", php=php)
        framework.chmod(0o755)
        (framework / "down").write_text("{}")
        (framework / "down").chmod(0o600)
        unreadable = mode(bank, "up", php=php)
        (framework / "down").unlink()
        unwritable = mode(bank, "down", php=php)
    finally:
        framework.chmod(mode_before)
    assert hidden["failed"]
    assert "storage/framework is not there, or may not be entered" in hidden["msg"]
    assert "may not be read" in unreadable["msg"]
    assert unwritable["failed"]
    assert unwritable["changed"] is False
    assert "Permission denied" in unwritable["msg"]
    assert unwritable["targets"][0]["after"] == "up"


def test_killed_in_the_middle_of_down(bank: Bank) -> None:
    """A view that takes long holds down where nothing is written yet; the next run starts from what it finds."""
    view = bank.home / "resources/views/slow.blade.php"
    view.write_text("<?php touch(base_path('rendering')); sleep(30); ?>")
    rendering = bank.home / "rendering"
    running = threading.Thread(target=mode, args=(bank, "down"), kwargs={"secret": SECRET, "render": "slow"})
    running.start()
    until = time.monotonic() + 60
    while not rendering.exists() and time.monotonic() < until:
        time.sleep(0.05)
    for pid in bank.pids():
        if "-S" not in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):  # all but the web server
            os.kill(pid, signal.SIGKILL)
    running.join()
    view.write_text("soon")
    result = mode(bank, "down", secret=SECRET, render="slow")
    assert (result["changed"], result["targets"][0]["before"]) == (True, "up")
    assert stored(bank)["template"] == "soon"


def test_what_a_killed_run_leaves_is_recognised(bank: Bank, url: str) -> None:
    framework = bank.home / "storage/framework"
    mode(bank, "down", secret=SECRET, render="errors::503")
    whole = (framework / "down").read_text()
    # Cut while the command was writing; cut before the file that shows the page; cut before our own rename.
    (framework / "down").write_text(whole[:20])
    (framework / "down.new").write_text(whole)
    cut = mode(bank, "down", secret=SECRET, render="errors::503", verify_urls=[url + "/"])
    assert (cut["changed"], cut["targets"][0]["before"], cut["verified"]) == (True, "down", True)
    assert cut["targets"][0]["differences"] == ["unreadable"]
    assert stored(bank) == json.loads(whole)
    assert not (framework / "down.new").exists()
    (framework / "maintenance.php").unlink()
    page = mode(bank, "down", secret=SECRET, render="errors::503")
    assert page["targets"][0]["differences"] == ["page"]
    assert (framework / "maintenance.php").exists()
    (framework / "down").write_text("")
    assert mode(bank, "up", verify_urls=[url + "/"])["verified"] is True
    assert not (framework / "down").exists()


def test_the_page_is_shown_while_the_application_can_not_start(bank: Bank, url: str) -> None:
    autoload = bank.home / "vendor/autoload.php"
    mode(bank, "down", secret=SECRET, render="errors::503")
    original = autoload.read_text()
    try:
        autoload.write_text("<?php broken")
        assert status(url + "/") == 503
    finally:
        autoload.write_text(original)


def test_permissions_are_those_there_were(bank: Bank) -> None:
    mode(bank, "down", secret=SECRET)
    path = bank.home / "storage/framework/down"
    path.chmod(0o640)
    mode(bank, "down", secret=OTHER)
    assert (path.stat().st_mode & 0o777, stored(bank)["secret"]) == (0o640, OTHER)


def test_the_real_framework_accepts_our_cookie_and_no_other(bank: Bank) -> None:
    from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.maintenance import bypass_cookie

    program = (
        "require 'vendor/autoload.php'; [, $c] = explode('=', $argv[1], 2);"
        "echo Illuminate\\Foundation\\Http\\MaintenanceModeBypassCookie::isValid(urldecode($c), 'x') ? 'yes' : 'no';"
    )

    def ask(cookie: str) -> str:
        argv = ["php", "-r", program, "--", cookie]
        return subprocess.run(argv, cwd=bank.home, capture_output=True, text=True, check=True).stdout

    later = int(time.time()) + 3600
    assert ask(bypass_cookie("x", later)) == "yes"
    assert ask(bypass_cookie("y", later)) == "no"
    assert ask(bypass_cookie("x", 1)) == "no"
