# SPDX-License-Identifier: GPL-3.0-or-later
"""The bank's Horizon and event-sourcing commands say and return what the recorded ones do, in the same states."""

from __future__ import annotations

import json
import re

import pytest
from integration.bank import Bank
from integration.sandbox.contract import Horizon, normal, recorded_command, run, wait_until

IDLE = "01-never-started-"
RUNNING = "03-running-2-supervisors-backlog-"
PAUSED = "04-paused-"
EXPIRED = "07-master-kill9-after-expiry-"
STATUS = ["horizon_list", "horizon_status", "horizon_supervisor-status_nope"]
#: Not in the bank: they install and clean up, no playbook needs them.
ABSENT = {"horizon:clear-metrics", "horizon:install", "horizon:publish", "horizon:timeout"}
#: bank:seed is deterministic.
FIRST_ACCOUNT = "c667b5d4-064a-4e5f-a9f8-736c05428488"
GLOBAL_OPTIONS = {"help", "quiet", "silent", "verbose", "version", "ansi", "no-ansi", "no-interaction", "env"}


def assert_as_recorded(bank: Bank, name: str, **environment: str) -> None:
    """Run what was run then and compare exit code and text."""
    record = recorded_command(name)
    done = run(bank, *record["args"], **environment)
    ours, theirs = normal(done.stdout), normal(record["stdout"])
    if name.endswith("supervisors"):
        # Ordered by the last heartbeat, so either may come first.
        ours, theirs = sorted(ours.splitlines()), sorted(theirs.splitlines())
    assert (done.returncode, ours) == (record["rc"], theirs)


def definition(commands: list[dict]) -> dict[str, object]:
    """Name, description, arguments and options of the commands that the bank brings itself."""
    found = {}
    for command in commands:
        if re.match(r"horizon|event-sourcing:", command["name"]):
            arguments, options = command["definition"]["arguments"], command["definition"]["options"]
            found[command["name"]] = {
                "description": command["description"],
                "hidden": command["hidden"],
                "arguments": sorted(
                    (a["name"], a["is_required"], a["is_array"], str(a["default"]))
                    for a in dict(arguments or {}).values()
                ),
                "options": sorted(
                    (o["name"], o["accept_value"], o["is_multiple"], str(o["default"]))
                    for o in options.values()
                    if o["name"].removeprefix("--") not in GLOBAL_OPTIONS
                ),
            }
    return found


def test_names_descriptions_and_options_are_those_recorded(bank: Bank) -> None:
    recorded = definition(json.loads(recorded_command(f"{IDLE}list_--format=json_--raw")["stdout"])["commands"])
    ours = definition(json.loads(run(bank, "list", "--format=json", "--raw").stdout)["commands"])
    assert ours == {name: one for name, one in recorded.items() if name not in ABSENT}


@pytest.mark.parametrize(
    "name",
    [
        *[f"{IDLE}{one}" for one in STATUS],
        f"{IDLE}horizon_supervisors",
        f"{IDLE}horizon_supervisor-status_supervisor-default",
        f"{IDLE}horizon_pause",
        f"{IDLE}horizon_continue",
        f"{IDLE}horizon_terminate",
        f"{IDLE}horizon_pause-supervisor_supervisor-default",
        f"{IDLE}horizon_continue-supervisor_supervisor-default",
        f"{IDLE}horizon_purge",
        f"{IDLE}horizon_forget",
        f"{IDLE}horizon_clear_--force",
        f"{IDLE}horizon_snapshot",
        "11-snapshot-again",
        f"{IDLE}event-sourcing_list",
        "16-event-sourcing-cache",
        "16-event-sourcing-clear",
        "16-event-sourcing-clear-again",
    ],
)
def test_never_started(bank: Bank, name: str) -> None:
    assert_as_recorded(bank, name)


def test_clear_asks_in_production_and_is_cancelled_without_an_answer(bank: Bank) -> None:
    # The question's words are the framework's, and other ones in 8.83.
    assert run(bank, "horizon:clear").returncode == recorded_command(f"{IDLE}horizon_clear")["rc"] == 1


def test_clear_takes_no_argument(bank: Bank) -> None:
    done = run(bank, "horizon:clear", "redis", "--queue=payments", "--force")
    record = recorded_command("29-horizon-clear-payments")
    assert (done.returncode, normal(done.stdout + done.stderr)) == (record["rc"], normal(record["stdout"]))


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("25-status-redis-down", "horizon:status"),
        ("25-pause-redis-down", "horizon:pause"),
        ("30-horizon-start-redis-down", "horizon"),
    ],
)
def test_redis_away(bank: Bank, name: str, command: str) -> None:
    done = run(bank, command, REDIS_PORT="1")
    record = recorded_command(name)
    assert (done.returncode, normal(done.stdout + done.stderr)) == (record["rc"], normal(record["stdout"]))


def test_about_has_the_recorded_keys(bank: Bank) -> None:
    record, ours = recorded_command("16-about-optimized"), run(bank, "about", "--json")
    told, expected = json.loads(ours.stdout), json.loads(record["stdout"])
    assert {section: list(rows) for section, rows in told.items()} == {s: list(rows) for s, rows in expected.items()}
    assert {type(v) for v in told["cache"].values()} == {bool}
    assert told["environment"]["maintenance_mode"] is False
    only = json.loads(run(bank, "about", "--json", "--only=drivers").stdout)
    assert list(only) == list(json.loads(recorded_command("16-about-only")["stdout"])) == ["drivers"]
    titles = [line.split(" ..")[0] for line in recorded_command("16-about-plain")["stdout"].splitlines()]
    assert [line.split(" ..")[0] for line in run(bank, "about").stdout.splitlines()] == titles


@pytest.mark.parametrize("name", ["before", "down", "up"])
def test_about_sees_the_maintenance(bank: Bank, name: str) -> None:
    if name != "before":
        bank.artisan(name)
    assert json.loads(run(bank, "about", "--json").stdout)["environment"]["maintenance_mode"] is (name == "down")


def test_forget_a_failed_job(bank: Bank, horizon: Horizon) -> None:
    uuids = horizon.dispatch("payments", "--count=3", "--fail")
    bank.artisan("queue:work", "--queue=payments", "--stop-when-empty", "--tries=1")
    assert horizon.job(uuids[0])["status"] == "failed"
    done = run(bank, "horizon:forget", uuids[0])
    assert (done.returncode, done.stdout) == (0, "\n   INFO  Failed job deleted successfully!  \n\n")
    assert horizon.job(uuids[0]) == {}
    again = run(bank, "horizon:forget", uuids[0])
    assert again.returncode == 1
    assert normal(again.stdout) in normal(recorded_command("27-horizon-forget")["stdout"])
    bank.artisan("queue:flush")
    done = run(bank, "horizon:forget", "--all")
    assert (done.returncode, normal(done.stdout)) == (0, normal(recorded_command("27-horizon-forget-all")["stdout"]))
    assert run(bank, "horizon:forget", "--all").stdout == "\n   INFO  No failed jobs detected.  \n\n"


REPLAYS = {
    # recording: what stands for its arguments here
    "21-replay-projector": {},
    "21-replay-projector-leading-slash": {},
    "21-replay-tx": {},
    "21-replay-reactor": {},
    "21-replay-short-name": {},
    "21-replay-unknown": {},
    "22-replay-force": {},
    "22-replay-from": {"3390": "45"},
    "22-replay-from-beyond": {},
    "22-replay-model": {},
    "22-replay-model-nope": {},
    "22-replay-noargs-nointeraction": {},
    "22-replay-noargs-notty": {},
    "22-replay-two": {},
    "22-replay-uuid": {"879b4e87-5ca4-4f3a-a64e-000a1de22ff1": FIRST_ACCOUNT},
    "22-replay-uuid-malformed": {},
    "22-replay-uuid-unknown": {},
    "24b-replay-queued-projector": {},
}


@pytest.mark.parametrize("name", REPLAYS)
def test_replay(bank: Bank, name: str) -> None:
    record = recorded_command(name)
    arguments = record["args"]
    for theirs, ours in REPLAYS[name].items():
        arguments = [argument.replace(theirs, ours) for argument in arguments]
    done = run(bank, *arguments)
    assert (done.returncode, normal(done.stdout)) == (record["rc"], normal(record["stdout"]))
    bank.artisan("event-sourcing:replay", "--force")
    bank.artisan("bank:smoke")


def test_replay_from_the_middle_adds_on_top(bank: Bank) -> None:
    done = run(bank, "event-sourcing:replay", "App\\Projectors\\AccountProjector", "--from=1", "--no-interaction")
    assert done.returncode == recorded_command("22-replay-from1")["rc"] == 1
    assert "Duplicate entry" in done.stdout + done.stderr
    run(bank, "event-sourcing:replay", "App\\Projectors\\TransactionProjector", "--from=5", "-n")
    assert run(bank, "bank:smoke").returncode == 1
    bank.artisan("event-sourcing:replay", "--force")
    bank.artisan("bank:smoke")


def test_a_model_of_another_kind_is_refused(bank: Bank) -> None:
    record = recorded_command("22-replay-model-wrong")
    arguments = [one.replace("App\\Models\\User", "App\\Http\\Kernel") for one in record["args"]]
    done = run(bank, *arguments)
    assert done.returncode == record["rc"] == 1
    assert "The class App\\Http\\Kernel must extend EloquentStoredEvent" in done.stdout + done.stderr


def test_cached_handlers_hide_a_new_projector(bank: Bank) -> None:
    bank.artisan("event-sourcing:cache-event-handlers")
    source = (bank.home / "app/Projectors/TransactionProjector.php").read_text(encoding="utf-8")
    new = bank.home / "app/Projectors/NewProjector.php"
    new.write_text(source.replace("class TransactionProjector", "class NewProjector"), encoding="utf-8")
    assert "NewProjector" not in run(bank, "event-sourcing:list").stdout
    done = run(bank, "event-sourcing:replay", "App\\Projectors\\NewProjector", "--no-interaction")
    assert done.returncode == 1
    assert normal(done.stdout + done.stderr).strip() in normal(recorded_command("30-es-list-stale-cache")["stdout"])
    bank.artisan("event-sourcing:clear-event-handlers")
    assert "NewProjector" in run(bank, "event-sourcing:list").stdout
    new.unlink()


class TestRunning:
    """From here on Horizon runs; each test leaves it in the state that the next one's name says."""

    def test_running(self, bank: Bank, horizon: Horizon) -> None:
        horizon.start()
        names = [*STATUS, "horizon_supervisor-status_supervisor-default", "horizon_supervisors"]
        for name in names:
            assert_as_recorded(bank, RUNNING + name)
        assert_as_recorded(bank, "14-horizon-status-while-down")

    def test_names_are_matched_by_their_end(self, bank: Bank, horizon: Horizon) -> None:
        master = next(iter(horizon.masters))
        told = recorded_command("30-supervisor-status-suffix")["stdout"].split("rc=0")
        for name, expected in zip(["default", f"{master}:supervisor-default", "ts"], told, strict=False):
            done = run(bank, "horizon:supervisor-status", name)
            assert (done.returncode, normal(done.stdout).strip()) == (0, normal(expected).strip())

    def test_another_host_reaches_nobody(self, bank: Bank, horizon: Horizon) -> None:
        for command, name in (("pause", "24-pause-other-hostname"), ("terminate", "24-terminate-other-hostname")):
            done = run(bank, f"horizon:{command}", BANK_HOSTNAME="otherhost")
            record = recorded_command(name)
            assert (done.returncode, normal(done.stdout)) == (record["rc"], normal(record["stdout"]))
        assert run(bank, "horizon:status", BANK_HOSTNAME="otherhost").returncode == 0

    def test_a_host_whose_name_begins_alike_is_hit_too(self, bank: Bank, horizon: Horizon) -> None:
        done = run(bank, "horizon:pause", BANK_HOSTNAME="v")
        expected = recorded_command("24-pause-prefix-hostname")["stdout"].split("\n\n\n")[0]
        assert normal(done.stdout).strip() == normal(expected).strip()
        wait_until("paused", lambda: horizon.status() == {"paused"})

    def test_paused(self, bank: Bank, horizon: Horizon) -> None:
        names = [*STATUS, "horizon_supervisor-status_supervisor-default", "horizon_supervisors"]
        for name in names:
            assert_as_recorded(bank, PAUSED + name)
        assert_as_recorded(bank, "04-pause-again")

    def test_continued(self, bank: Bank, horizon: Horizon) -> None:
        assert_as_recorded(bank, "04-continue")
        wait_until("running", lambda: horizon.status() == {"running"})
        assert_as_recorded(bank, "04b-continued-horizon_status")
        assert_as_recorded(bank, "04-pause")
        wait_until("paused", lambda: horizon.status() == {"paused"})
        assert_as_recorded(bank, "04-continue")
        wait_until("running", lambda: horizon.status() == {"running"})

    def test_one_supervisor_paused_and_continued(self, bank: Bank, horizon: Horizon) -> None:
        done = run(bank, "horizon:pause-supervisor", "supervisor-payments")
        assert normal(done.stdout) == "\n INFO Sending USRN signal to process: N. \n\n"
        wait_until(
            "one paused", lambda: sorted(r["status"] for r in horizon.supervisors.values()) == ["paused", "running"]
        )
        assert run(bank, "horizon:status").returncode == 0
        assert run(bank, "horizon:continue-supervisor", "supervisor-payments").returncode == 0
        wait_until("running", lambda: horizon.status() == {"running"})

    def test_terminated(self, bank: Bank, horizon: Horizon) -> None:
        master = bank.children[-1]
        done = run(bank, "horizon:terminate")
        assert normal(done.stdout) == normal(recorded_command("04-pause")["stdout"]).replace("USRN", "TERM")
        assert master.wait(30) == 0
        for name in STATUS:
            assert_as_recorded(bank, IDLE + name)

    def test_all_killed(self, bank: Bank, horizon: Horizon) -> None:
        horizon.start()
        horizon.kill_all()
        for name in ("pause", "terminate", "pausesup", "supervisors"):
            assert_as_recorded(bank, f"08-all-kill9-{name}")
        assert run(bank, "horizon:status").returncode == 0

    def test_killed_half_a_minute_ago(self, bank: Bank, horizon: Horizon) -> None:
        horizon.age()
        for name in [*STATUS, "horizon_supervisors", "horizon_supervisor-status_supervisor-default"]:
            assert_as_recorded(bank, EXPIRED + name)
