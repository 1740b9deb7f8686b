# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling processes what to do: the right ones, once, until they are seen to obey."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Failed, Refused, Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon import drain
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.conduct import Request, conduct
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.control import Timing, element
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.discovery import Wanted
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.observe import Watcher
from ansible_collections.finaegis.runbook.plugins.module_utils.horizon.targets import Selection, select
from unit.horizon.fake_fleet import PREFIX, FakeFleet

ONE, TEN = "web-1-aaaa", "web-10-bbbb"
PAUSE = "Laravel\\Horizon\\SupervisorCommands\\Pause"


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet(ONE, TEN)


def act(fleet: FakeFleet, state: str, **more: Any) -> dict[str, Any]:
    selection = Selection(*(more.pop(name, ()) for name in ("masters", "hosts", "supervisors")))
    timing = Timing(5, 15, 0.25, fleet.clock, fleet.sleep)
    return conduct(fleet, Watcher(fleet, Wanted()), Request(state, selection, timing, **more))


def lists(fleet: FakeFleet) -> dict[str, list[str]]:
    return {key: entry["value"] for key, entry in fleet.keys.items() if "commands:" in key}


@pytest.mark.parametrize(
    ("state", "order", "after"),
    [("paused", "Pause", "paused"), ("terminated", "Terminate", "gone")],
)
def test_all_are_told_once_and_seen_to_obey(fleet: FakeFleet, state: str, order: str, after: str) -> None:
    result = act(fleet, state)
    assert fleet.told == [("master:" + ONE, order), ("master:" + TEN, order)]
    assert result["changed"]
    assert [(t["name"], t["host"], t["before"], t["after"], t["acknowledged"]) for t in result["targets"]] == [
        (ONE, "web-1", "running", after, True),
        (TEN, "web-10", "running", after, True),
    ]
    assert result["targets"][0]["pids"] == [2948, 3112, 3113]
    assert act(fleet, state)["changed"] is False
    assert len(fleet.told) == 2


def test_continue_ends_a_pause(fleet: FakeFleet) -> None:
    act(fleet, "paused")
    result = act(fleet, "running")
    assert (result["status_before"], result["status_after"]) == ("paused", "running")
    assert {t["after"] for t in result["targets"]} == {"running"}


def test_check_mode_tells_nobody_and_says_the_same(fleet: FakeFleet) -> None:
    plan = act(fleet, "paused", check_mode=True)
    assert lists(fleet) == {}
    done = act(fleet, "paused")
    for result in (plan, done):
        for target in result["targets"]:
            del target["acknowledged"], target["seconds"]
    assert plan.pop("status_after") == "running"
    assert done.pop("status_after") == "paused"
    assert plan == done


def test_the_command_is_as_horizon_reads_it() -> None:
    """Both keys, or it is lost with all that follows it."""
    for state, status in (("paused", None), ("terminated", 0)):
        command = json.loads(element(state))
        assert sorted(command) == ["command", "options"]
        assert command["options"].get("status") == status


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (Selection(hosts=["web-1"]), [ONE]),  # and not web-10
        (Selection(hosts=["Web_1"]), [ONE]),
        (Selection(masters=[TEN]), [TEN]),
        (Selection(masters=[TEN], hosts=["web-1"]), []),
        (Selection(supervisors=["supervisor-payments"]), [f"{ONE}:supervisor-payments", f"{TEN}:supervisor-payments"]),
        (Selection(supervisors=[f"{TEN}:supervisor-default"]), [f"{TEN}:supervisor-default"]),
        (Selection(hosts=["web-1"], supervisors=["supervisor-default"]), [f"{ONE}:supervisor-default"]),
        (Selection(), [ONE, TEN]),
    ],
)
def test_the_right_ones(fleet: FakeFleet, selection: Selection, names: list[str]) -> None:
    targets, absent = select(Watcher(fleet, Wanted()).look(), selection)
    assert ([target.name for target in targets], absent) == (names, [])


def test_a_supervisor_alone(fleet: FakeFleet) -> None:
    result = act(fleet, "paused", supervisors=["supervisor-payments"], hosts=["web-1"])
    assert fleet.told == [(f"{ONE}:supervisor-payments", "Pause")]
    assert result["targets"][0]["list"] == f"{PREFIX}commands:{ONE}:supervisor-payments"
    assert (fleet.status(ONE), result["status_after"]) == ("running", "running")
    # Paused as a whole, the master is told again, because not all of it is paused.
    (target,) = act(fleet, "paused", hosts=["web-1"])["targets"]
    assert (target["before"], target["after"], target["changed"]) == ("mixed", "paused", True)


@pytest.mark.parametrize("names", [{"hosts": ["web"]}, {"masters": ["web-1-aaab"]}, {"supervisors": ["supervisor"]}])
def test_names_that_fit_nobody(fleet: FakeFleet, names: dict[str, list[str]]) -> None:
    with pytest.raises(BadInput, match="Nobody alive fits.*Alive are: web-1-aaaa, web-1-aaaa:supervisor-default"):
        act(fleet, "paused", **names)
    result = act(fleet, "terminated", **names)
    assert (result["changed"], result["targets"], result["absent"]) == (False, [], next(iter(names.values())))
    assert lists(fleet) == {}


@pytest.mark.parametrize("state", ["running", "paused"])
def test_nobody_alive(state: str) -> None:
    fleet = FakeFleet(ONE)
    act(fleet, "terminated")
    with pytest.raises(Refused, match="Redis can't start a process"):
        act(fleet, state)
    assert act(fleet, "terminated")["changed"] is False


@pytest.mark.parametrize("state", ["running", "paused", "terminated"])
def test_no_trace_of_horizon_is_not_terminated(state: str) -> None:
    with pytest.raises(Refused, match="No key of Horizon was found"):
        act(FakeFleet(), state)


def test_a_trusted_prefix_without_any_key_is_terminated() -> None:
    fleet = FakeFleet()
    trusted = Wanted(horizon_prefix=PREFIX, trust_prefix=True)
    timing = Timing(5, 15, 0.25, fleet.clock, fleet.sleep)
    result = conduct(fleet, Watcher(fleet, trusted), Request("terminated", Selection(), timing))
    assert (result["changed"], result["status_after"]) == (False, "inactive")
    with pytest.raises(Refused, match="No master is alive"):
        conduct(fleet, Watcher(fleet, trusted), Request("paused", Selection(), timing))
    with pytest.raises(BadInput, match="trust_prefix needs horizon_prefix"):
        Watcher(fleet, Wanted(trust_prefix=True))


def test_a_limit_is_kept_before_anything_is_done(fleet: FakeFleet) -> None:
    with pytest.raises(Refused, match="2 processes would be told, more than max_targets=1"):
        act(fleet, "paused", max_targets=1)
    assert lists(fleet) == {}
    act(fleet, "paused", max_targets=2)
    assert act(fleet, "paused", max_targets=0)["changed"] is False  # nobody needs to be told


def test_the_dead_take_nothing_and_nothing_stays(fleet: FakeFleet) -> None:
    fleet.dead.add(ONE)
    with pytest.raises(Failed, match="web-1-aaaa did not take the command within 5 seconds") as caught:
        act(fleet, "paused")
    assert lists(fleet) == {}
    dead, alive = caught.value.data["targets"]
    assert (dead["acknowledged"], dead["command_removed"], dead["after"]) == (False, True, "running")
    assert (alive["acknowledged"], alive["command_removed"], alive["after"]) == (True, False, "paused")
    assert caught.value.data["changed"]


def test_only_ours_is_taken_back(fleet: FakeFleet) -> None:
    """Another command of the very same kind arrives while we wait for the dead."""
    fleet.dead.add(ONE)
    theirs, key = json.dumps({"command": PAUSE, "options": {}}), f"{PREFIX}commands:master:{ONE}"
    turn = fleet.turn

    def turn_and_push() -> None:
        turn()
        if fleet.seconds >= 2 and theirs not in fleet.keys.get(key, {"value": []})["value"]:
            fleet.rpush(fleet.keys, key, theirs)

    fleet.turn = turn_and_push
    with pytest.raises(Failed):
        act(fleet, "paused")
    assert lists(fleet) == {key: [theirs]}


def test_nothing_is_added_to_a_list_that_nobody_takes(fleet: FakeFleet) -> None:
    key = f"{PREFIX}commands:master:{ONE}"
    fleet.dead.add(ONE)
    fleet.rpush(fleet.keys, key, "theirs")
    with pytest.raises(
        Failed, match="web-1-aaaa was not told, because nobody takes what is in its list already"
    ) as caught:
        act(fleet, "paused")
    assert lists(fleet) == {key: ["theirs"]}
    assert fleet.told == [("master:" + TEN, "Pause")]
    assert caught.value.data["targets"][1]["after"] == "paused"


def test_taken_is_not_done(fleet: FakeFleet) -> None:
    fleet.deaf.add(ONE)
    with pytest.raises(Failed, match="web-1-aaaa took the command but is running") as caught:
        act(fleet, "paused")
    assert caught.value.data["targets"][0]["acknowledged"]
    assert fleet.seconds >= 15


def test_what_an_interrupted_run_left_for_the_dead_is_removed(fleet: FakeFleet) -> None:
    key = f"{PREFIX}commands:master:web-7-gone"
    ours = element("paused")
    fleet.rpush(fleet.keys, key, ours)
    fleet.rpush(fleet.keys, key, "theirs")
    plan = act(fleet, "paused", check_mode=True)
    assert plan["removed_commands"] == [{"list": key, "command": PAUSE}]
    assert lists(fleet) == {key: [ours, "theirs"]}
    assert act(fleet, "paused")["removed_commands"] == plan["removed_commands"]
    assert lists(fleet) == {key: ["theirs"]}


def test_redis_gone_in_the_middle_is_told_as_such(fleet: FakeFleet) -> None:
    def gone(_seconds: float) -> None:
        raise Unavailable("Redis is away.")

    fleet.sleep = gone
    with pytest.raises(Failed, match=r"Redis is away\. This was after commands may have been sent") as caught:
        act(fleet, "paused")
    assert caught.value.data["changed"]
    assert not any(target["acknowledged"] for target in caught.value.data["targets"])


class TestDrain:
    def test_waits_for_the_jobs_in_hand(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fleet = FakeFleet(ONE, queues=True)
        fleet.finish_after = 20
        self.on(fleet, monkeypatch)
        result = act(fleet, "paused", drain=True, drain_timeout=60)
        assert (result["drained"], result["at_risk"]) == (True, [])
        assert fleet.seconds == pytest.approx(20, abs=0.3)

    def test_names_those_that_remain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        fleet = FakeFleet(ONE, queues=True)
        self.on(fleet, monkeypatch)
        with pytest.raises(Exception, match=r"After 2 seconds 3 jobs are still in hand: App\\Jobs\\SlowJob") as caught:
            act(fleet, "terminated", drain=True, drain_timeout=2)
        result = caught.value.data
        assert result["drained"] is False
        assert {(job["class"], job["queue"], job["attempt"]) for job in result["at_risk"]} == {
            ("App\\Jobs\\SlowJob", "default", 1),
            ("App\\Jobs\\SlowJob", "payments", 1),
        }
        payments = next(job for job in result["at_risk"] if job["queue"] == "payments")
        # pushed at 1795421000.1386, reserved at 1795421098.5004 until 1795421188; the clock says 1795421103
        assert payments == {
            "class": "App\\Jobs\\SlowJob",
            "queue": "payments",
            "uuid": "0c646baf-e71a-4473-8246-88c5283cc4a1",
            "attempt": 1,
            "age_seconds": 102.9,
            "reserved_seconds": pytest.approx(4.5, abs=0.1),
            "reserved_until": 1795421188.0,
            "expired": False,
        }

    def test_in_check_mode_shows_the_present(self) -> None:
        result = act(FakeFleet(ONE, queues=True), "paused", drain=True, check_mode=True)
        assert (result["drained"], len(result["at_risk"])) == (False, 3)

    def test_of_the_chosen_only(self) -> None:
        fleet = FakeFleet(ONE, queues=True)
        result = act(fleet, "paused", supervisors=["supervisor-payments"], drain=True, check_mode=True)
        assert {job["queue"] for job in result["at_risk"]} == {"payments"}

    def test_refused_where_others_go_on(self, fleet: FakeFleet) -> None:
        with pytest.raises(Refused, match="because web-10-bbbb:supervisor-default takes jobs of it too"):
            act(fleet, "paused", hosts=["web-1"], drain=True)
        assert lists(fleet) == {}
        act(fleet, "paused", hosts=["web-10"])
        assert act(fleet, "paused", hosts=["web-1"], drain=True)["drained"]  # now nobody else takes any

    @staticmethod
    def on(fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch) -> None:
        real = drain.wait_until
        monkeypatch.setattr(drain, "wait_until", lambda *given: real(*given, fleet.clock, fleet.sleep))


class TestArtisan:
    def call(self, fleet: FakeFleet, state: str, host: str, obeys: bool = True) -> dict[str, Any]:
        self.ran: list[str] = []

        def artisan(command: str) -> str:
            self.ran.append(command)
            if obeys:
                fleet.obey(ONE, "Pause")
            return "INFO Sending USR2 signal to processes."

        return act(fleet, state, host=host, artisan=artisan)

    def test_is_judged_by_what_is_seen(self) -> None:
        fleet = FakeFleet(ONE)
        result = self.call(fleet, "paused", "Web_1")
        assert self.ran == ["horizon:pause"]
        (target,) = result["targets"]
        assert (target["after"], target["acknowledged"], target["list"]) == ("paused", None, None)
        assert not self.call(fleet, "paused", "web-1")["changed"]
        assert self.ran == []

    def test_is_not_believed(self) -> None:
        with pytest.raises(Failed, match="web-1-aaaa is running. artisan said: INFO Sending USR2"):
            self.call(FakeFleet(ONE), "paused", "web-1", obeys=False)

    def test_is_refused_where_it_would_signal_other_hosts_numbers(self, fleet: FakeFleet) -> None:
        with pytest.raises(Refused, match="would also signal the processes with the numbers of web-10-bbbb"):
            self.call(fleet, "paused", "web-1")
        assert self.ran == []
