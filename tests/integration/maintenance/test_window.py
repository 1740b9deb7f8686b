# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole windows on a sandbox with two hosts, as users run them. Kills, a Redis that is away and a broken migration are tested on
systemd hosts, in molecule/maintenance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.maintenance.sandbox import Sandbox, Witness, status
from integration.runner import run_module, warm_python

pytestmark = pytest.mark.timeout(900)

SECRET = "canary-bypass-5b1e"
PENDING = "2026_03_01_000000_add_reviewed_at_to_accounts_table"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("window") / "sandbox", warm_python())
    try:
        sandbox.set_up()
        yield sandbox
    finally:
        sandbox.remove()


def changes(result: dict[str, object]) -> list[tuple[str, bool]]:
    return [(phase["phase"], phase["changed"]) for phase in result["phases"]]


def test_what_check_mode_foresees_is_what_a_window_does(sandbox: Sandbox) -> None:
    """In batches of one host, so that serial is seen to work; molecule holds windows of all hosts at once."""
    planned, output = sandbox.window("--check", maintenance_secret=SECRET, maintenance_serial=1)
    assert planned["outcome"] == "completed", output
    assert [status(url) for url in sandbox.urls] == [200, 200]
    assert not list((sandbox.home / "records").iterdir())
    assert PENDING in output

    with Witness(sandbox.urls) as witness:
        performed, output = sandbox.window(
            "-vvv", maintenance_secret=SECRET, maintenance_id="one", maintenance_serial=1
        )
    assert performed["outcome"] == "completed", output
    assert performed["verdict"] == "ok"
    assert changes(performed) == changes(planned)
    assert performed["migrated"] == [PENDING]

    # What it says of the downtime is what visitors saw, and never less.
    assert witness.codes() == {200, 503}
    assert witness.away() <= performed["downtime_seconds"]

    assert SECRET not in output
    for left in (sandbox.home / "records").iterdir():
        assert SECRET not in left.read_text()
        assert sandbox.facts["mysql"]["admin"]["password"] not in left.read_text()
    for password in (sandbox.facts["mysql"]["admin"]["password"], sandbox.facts["redis"]["password"]):
        assert password not in output

    again, output = sandbox.window(maintenance_id="one")
    assert not again
    assert "was completed before; nothing is done" in output
    assert "changed=0" in output


def test_someone_elses_lock_stops_it_before_anything_is_changed(sandbox: Sandbox) -> None:
    redis = sandbox.facts["redis"]
    where = {"redis_port": redis["port"], "redis_password": redis["password"], "environment": "sandbox"}
    lock = run_module("environment_lock", {**where, "owner": "bob@elsewhere", "reason": "index rebuild"})
    with Witness(sandbox.urls) as witness:
        result, output = sandbox.window()
    released = run_module(
        "environment_lock", {**where, "owner": "bob@elsewhere", "state": "released", "token": lock["token"]}
    )
    assert not result
    assert "bob@elsewhere" in output
    assert "index rebuild" in output
    assert witness.codes() == {200}
    assert released["changed"]


def test_a_failure_holds_the_site_or_opens_it_when_it_is_sound(sandbox: Sandbox, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text("- name: Break\n  ansible.builtin.fail:\n    msg: the tasks of this window are broken\n")
    result, output = sandbox.window(maintenance_tasks=[str(broken)], maintenance_on_failure="hold")
    assert result["outcome"] == "held", output
    assert "the tasks of this window are broken" in result["message"]
    assert [status(url) for url in sandbox.urls] == [503, 503]

    # The command it tells is the command that goes on, with the same inputs.
    command = result["message"][result["message"].index("ansible-playbook ") :].split()
    inputs = json.loads(Path(command[-1].removeprefix("@")).read_text())
    assert inputs["maintenance_tasks"] == [str(broken)]

    result, output = sandbox.window(maintenance_tasks=[str(broken)], maintenance_on_failure="up")
    assert result["resumed"]
    assert result["outcome"] == "brought_up", output
    assert [status(url) for url in sandbox.urls] == [200, 200]
