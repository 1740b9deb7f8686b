# SPDX-License-Identifier: GPL-3.0-or-later
"""horizon_control (and horizon_status) on masters that really run and workers that really work, on two hosts of like names.

What the modules say is compared with what artisan and Redis say. Jobs that must still be in hand take ten minutes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.horizon.bank import HORIZON_PREFIX, Bank, wait_for
from integration.runner import Result, call_modules, run_tasks
from integration.servers import free_port, start_redis

pytestmark = pytest.mark.timeout(900)

CONTROL, STATUS = "finaegis.runbook.horizon_control", "finaegis.runbook.horizon_status"
#: A healthy loop answers in a second; a machine that runs ten other things may take longer.
PATIENT = {"ack_timeout": 30, "wait_timeout": 60}
CANARY = "canary-in-the-password"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    redis = start_redis(tmp_path / "redis")
    running = Bank(tmp_path, redis)
    yield running
    running.stop()
    redis.stop()


def tell(bank: Bank, state: str, check: bool = False, **more: Any) -> dict[str, Any]:
    given = {**bank.redis.options, **PATIENT, "state": state, **more}
    return {CONTROL: given, "check_mode": check, "diff": True}


def status(bank: Bank, **more: Any) -> dict[str, Any]:
    return {STATUS: {**bank.redis.options, **more}}


def artisan(bank: Bank, command: str) -> dict[str, Any]:
    return {"ansible.builtin.command": {"argv": ["php", "artisan", command], "chdir": str(bank.directory)}}


def after(result: Result) -> dict[str, str]:
    return {target["name"]: target["after"] for target in result["targets"]}


def test_pause_continue_and_terminate_two_hosts(bank: Bank) -> None:
    one, ten = bank.start("web-1", "web-10")
    plan, paused, shown, again, resumed, half, mixed, whole, ended, gone, still, unknown = run_tasks(
        [
            tell(bank, "paused", check=True),
            tell(bank, "paused"),
            artisan(bank, "horizon:list"),
            tell(bank, "paused"),
            tell(bank, "running"),
            tell(bank, "paused", hosts=["Web_1"]),
            status(bank),
            tell(bank, "running"),
            tell(bank, "terminated"),
            artisan(bank, "horizon:status"),
            tell(bank, "terminated", horizon_prefix=HORIZON_PREFIX, trust_prefix=True),
            tell(bank, "terminated"),
        ]
    )
    assert plan["changed"]
    assert (plan["status_after"], paused["status_after"]) == ("running", "paused")
    assert after(plan) == after(paused) == {one: "paused", ten: "paused"}
    assert [t["list"] for t in paused["targets"]] == [f"{HORIZON_PREFIX}commands:master:{name}" for name in (one, ten)]
    assert paused["diff"] == plan["diff"] == {"before": {one: "running", ten: "running"}, "after": after(paused)}
    assert all(target["acknowledged"] for target in paused["targets"])
    assert shown["stdout"].count("paused") == 2
    assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})
    assert after(resumed) == {one: "running", ten: "running"}
    assert after(half) == {one: "paused"}  # the host web-1, not web-10
    assert {m["name"]: m["status"] for m in mixed["masters"]} == {one: "paused", ten: "running"}
    assert [target["changed"] for target in whole["targets"]] == [True, False]
    assert after(ended) == {one: "gone", ten: "gone"}
    assert "inactive" in gone["stdout"]
    assert (still["changed"], still["targets"]) == (False, [])
    # A Horizon that never had a job leaves nothing behind: who does not know the prefix for certain can't tell.
    assert "No key of Horizon was found" in unknown["msg"]
    wait_for(lambda: not bank.running())
    assert [master.wait() for master in bank.masters] == [0, 0]
    assert bank.records("supervisor:") == {}


def test_a_job_in_hand(bank: Bank) -> None:
    bank.start("web-1")
    (uuid,) = bank.dispatch("payments", 1, 600)
    wait_for(lambda: bank.reserved("payments") == 1)
    plan, at_risk, seen, ended, late = call_modules(
        [
            tell(bank, "paused", check=True, drain=True),
            tell(bank, "paused", drain=True, drain_timeout=1),
            status(bank, wait_for="drained", wait_timeout=1),
            tell(bank, "terminated", drain=True, drain_timeout=1),
            status(bank),
        ]
    )
    assert (plan["drained"], [job["uuid"] for job in plan["at_risk"]]) == (False, [uuid])
    assert at_risk["failed"]
    assert f"After 1 seconds 1 jobs are still in hand: App\\Jobs\\PostPayment {uuid} of payments." in at_risk["msg"]
    (job,) = at_risk["at_risk"]
    assert (job["class"], job["queue"], job["attempt"], job["expired"]) == (
        "App\\Jobs\\PostPayment",
        "payments",
        1,
        False,
    )
    assert 0 <= job["reserved_seconds"] <= job["age_seconds"] < 600
    assert list(after(at_risk).values()) == ["paused"]  # it was paused all the same
    assert "Horizon was not drained within 1 seconds: 1 jobs of queue payments are in hand" in seen["msg"]
    assert (list(after(ended).values()), ended["drained"]) == (["gone"], False)
    # horizon:status says inactive by now, and nothing more
    assert late["status"] == "inactive"
    assert "draining" in {finding["check"] for finding in late["findings"]}


def test_waits_until_the_last_job_is_done(bank: Bank) -> None:
    bank.start("web-1")
    bank.dispatch("default", 3, 3)
    bank.dispatch("payments", 1, 3)
    result, quiet = call_modules(
        [tell(bank, "terminated", drain=True), status(bank, wait_for="drained", wait_timeout=1, expect="inactive")]
    )
    assert (result["drained"], result["at_risk"]) == (True, [])
    assert quiet["status"] == "inactive"
    assert sum(bank.reserved(queue) for queue in ("default", "events", "payments")) == 0


def test_one_supervisor(bank: Bank) -> None:
    (one,) = bank.start("web-1")
    name = f"{one}:supervisor-payments"
    paused, seen, shown, waited, ended, gone = run_tasks(
        [
            tell(bank, "paused", supervisors=["supervisor-payments"]),
            status(bank, fail_on=["critical"]),
            artisan(bank, "horizon:status"),
            status(bank, wait_for="running", wait_timeout=1),
            tell(bank, "terminated", supervisors=[name]),
            status(bank),
        ]
    )
    assert after(paused) == {name: "paused"}
    assert (seen["status"], seen["verdict"]) == ("running", "warning")
    assert [f["observed"] for f in seen["findings"] if f["check"] == "supervisors_paused"] == [[name]]
    assert "running" in shown["stdout"]  # which is all that artisan can say
    assert f"supervisor {name} is paused" in waited["msg"]
    assert after(ended) == {name: "gone"}
    assert [queue["name"] for queue in gone["queues"] if queue["served"]] == ["default", "events"]


def test_the_dead_and_the_hanging(bank: Bank) -> None:
    """A master that was killed or hangs looks alive until its record expires; what it is told must not stay behind."""
    dead, hanging = bank.start("web-1", "web-2")
    for name, number in ((dead, signal.SIGKILL), (hanging, signal.SIGSTOP)):
        os.kill(int(bank.records("master:")[name]["pid"]), number)
    client = bank.redis.client()
    for name in (dead, hanging):  # however slow this machine is
        client.persist(f"{HORIZON_PREFIX}master:{name}")
    (result,) = call_modules([tell(bank, "paused", ack_timeout=3, wait_timeout=4)])
    assert result["failed"]
    assert f"{dead} did not take the command within 3 seconds" in result["msg"]
    assert result["changed"] is False
    assert [(t["acknowledged"], t["command_removed"], t["after"]) for t in result["targets"]] == [
        (False, True, "running")
    ] * 2
    assert list(client.scan_iter(f"{HORIZON_PREFIX}commands:*")) == []
    # So the one that comes back does not obey a command of long ago.
    os.kill(int(bank.records("master:")[hanging]["pid"]), signal.SIGCONT)
    wait_for(lambda: client.ttl(f"{HORIZON_PREFIX}master:{hanging}") > 0)
    assert bank.records("master:")[hanging]["status"] == "running"
    client.delete(f"{HORIZON_PREFIX}master:{dead}")
    left = f"{HORIZON_PREFIX}commands:master:{dead}"
    client.rpush(left, '{"command": "theirs", "options": []}')
    (seen,) = call_modules([status(bank)])
    assert seen["commands_left"] == {f"master:{dead}": 1}


def test_workers_that_crash_while_the_status_is_running(bank: Bank) -> None:
    boot = bank.directory / "bootstrap/app.php"
    boot.write_text(
        boot.read_text().replace("<?php", "<?php if (in_array('horizon:work', $_SERVER['argv'])) exit(255);", 1)
    )
    bank.start("web-1")
    bank.dispatch("payments", 3)
    shown, seen, fails = run_tasks(
        [
            artisan(bank, "horizon:status"),
            status(bank, observe_seconds=4),
            status(bank, observe_seconds=4, expect="running", fail_on=["critical", "unknown"]),
        ]
    )
    assert "running" in shown["stdout"]
    assert (seen["status"], seen["verdict"]) == ("running", "critical")
    (finding,) = [finding for finding in seen["findings"] if finding["verdict"] == "critical"]
    assert finding["check"] == "queue_stalled"
    assert "Queue payments did not move" in finding["message"]
    assert fails["failed"]


def test_jobs_that_nobody_serves(bank: Bank) -> None:
    bank.start("web-1")
    bank.dispatch("mail", 2)
    (seen,) = call_modules([status(bank)])
    assert [f["check"] for f in seen["findings"] if f["verdict"] == "critical"] == ["queue_unserved"]
    assert [(q["name"], q["ready"]) for q in seen["queues"] if not q["served"]] == [("mail", 2)]


def test_by_artisan(bank: Bank) -> None:
    (one,) = bank.start("web-1")
    by = {"method": "artisan", "app_dir": str(bank.directory), "hosts": ["web-1"]}
    here = {"environment": {"BANK_HOSTNAME": "web-1"}}
    plan, paused, again, elsewhere = run_tasks(
        [
            tell(bank, "paused", check=True, **by) | here,
            tell(bank, "paused", **by) | here,
            tell(bank, "paused", **by) | here,
            # The command runs where no master is: it exits 0 and signals nobody.
            tell(bank, "running", **{**by, "wait_timeout": 5}) | {"environment": {"BANK_HOSTNAME": "db-1"}},
        ]
    )
    assert after(plan) == after(paused) == {one: "paused"}
    assert (paused["targets"][0]["command"], paused["targets"][0]["acknowledged"]) == ("horizon:pause", None)
    assert (plan["changed"], paused["changed"], again["changed"]) == (True, True, False)
    assert elsewhere["failed"]
    assert f"{one} is paused" in elsewhere["msg"]
    bank.start("web-10")
    (refused,) = run_tasks([tell(bank, "running", **by) | here])
    assert "would also signal the processes with the numbers of web-10-" in refused["msg"]
    assert bank.records("master:")[one]["status"] == "paused"


def test_bad_input_changes_nothing(bank: Bank) -> None:
    (one,) = bank.start("web-1")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"redis_password": CANARY}, "refused the login"),
        ({"redis_port": free_port()}, "can't be used: Error 111"),
        ({"horizon_prefix": "nobody_horizon:"}, "No key of Horizon was found"),
        ({"hosts": ["web"]}, f"Nobody alive fits 'web'. Alive are: {one}"),
        ({"masters": ["web-1-zzzz"]}, "Nobody alive fits 'web-1-zzzz'"),
        ({"max_targets": 0}, f"1 processes would be told, more than max_targets=0: {one}. Nothing was done."),
        ({"method": "artisan"}, "method is artisan but all of the following are missing: app_dir"),
        ({"method": "artisan", "app_dir": "/nowhere", "masters": [one]}, "no fewer and no more"),
        ({"method": "artisan", "app_dir": "/nowhere", "hosts": ["web-1"]}, "'php' can't be started in /nowhere"),
        ({"state": "running", "drain": True}, "which state=running prevents"),
    ]
    results = run_tasks(
        [{CONTROL: {**bank.redis.options, "state": "paused", **given}} for given, _ in cases], verbose=True
    )
    told = cases[:1] + cases[3:6]  # check mode connects and refuses just so
    checked = run_tasks(
        [{CONTROL: {**bank.redis.options, "state": "paused", **given}} for given, _ in told], check=True
    )
    for result, (_, message) in [*zip(results, cases, strict=True), *zip(checked, told, strict=True)]:
        assert result["failed"], message
        assert message in result["msg"]
    assert CANARY not in results[0].output
    assert bank.redis.password not in results[0].output
    assert bank.records("master:")[one]["status"] == "running"
    assert list(bank.redis.client().scan_iter(f"{HORIZON_PREFIX}commands:*")) == []
