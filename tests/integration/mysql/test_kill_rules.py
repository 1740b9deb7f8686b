# SPDX-License-Identifier: GPL-3.0-or-later
"""mysql_kill_idle among a thousand connections of every kind: exactly the right ones end, one test a rule.

The first and the last go through Ansible; the others call what the module calls, which is much cheaper.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import kill_idle
from integration.mysql.scene import KINDS, Scene, params
from integration.runner import run_tasks
from integration.servers import start_mariadb

pytestmark = pytest.mark.timeout(300)
MODULE = "finaegis.runbook.mysql_kill_idle"
PLAINLY_IDLE = ("app", "shop", "report", "bare")
IN_TRANSACTION = ("changing", "reading")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """MariaDB with the metadata locks counted, so that LOCK TABLES and GET_LOCK can be seen."""
    server = start_mariadb(
        tmp_path_factory.mktemp("scene"),
        *("--max-connections=1250", "--event-scheduler=ON", "--performance-schema=ON", "--thread-stack=192K"),
        "--innodb-lock-wait-timeout=3600",
        "--performance-schema-instrument=wait/lock/metadata/sql/mdl=ON",
        "--performance-schema-max-thread-instances=2000",
    )
    scene = Scene(server)
    yield scene
    scene.close()
    server.stop()


def options(scene: Scene, **more: Any) -> dict[str, Any]:
    return {**scene.server.options, "idle_seconds": scene.IDLE_SECONDS, "max_kills": 2000, **more}


def kill(scene: Scene, check: bool = False, **more: Any) -> dict[str, Any]:
    return kill_idle.run(params(scene.server, **{**options(scene), **more}), check)


def ids(found: list[dict[str, Any]]) -> set[int]:
    return {one["id"] for one in found}


def test_only_the_plainly_idle_end_and_a_second_run_ends_nobody(scene: Scene) -> None:
    scene.fill()
    assert len(scene.alive()) > 990
    assert ids(kill(scene, check=True)["victims"]) == scene.ids(*PLAINLY_IDLE)
    assert scene.dead() == set(), "check mode only looks"
    task = {MODULE: options(scene), "diff": True}
    planned, done, again = run_tasks([{**task, "check_mode": True}, task, task])
    idle = scene.ids(*PLAINLY_IDLE)
    assert ids(planned["victims"]) == ids(done["victims"]) == ids(done["killed"]) == idle
    assert set(planned) == set(done) and planned["diff"]["before"] == done["diff"]["before"]
    assert scene.dead() == set(PLAINLY_IDLE)
    assert done["changed"] and done["survived"] == [] and done["source"] == "information_schema.processlist"
    reasons = {one["id"]: one["reason"] for one in done["protected"]}
    assert {reasons[number] for number in scene.ids(*IN_TRANSACTION)} == {"a transaction is open"}
    assert {reasons[number].split(" (")[0] for number in scene.ids("backup")} == {"a backup"}
    (table_lock,) = scene.ids("tables")
    assert reasons[table_lock].startswith("it holds locks: ") and "bank.locked" in reasons[table_lock]
    (named_lock,) = scene.ids("named_lock")
    assert reasons[named_lock].startswith("it holds locks: USER LEVEL LOCK")
    assert done["blind_spots"] == []
    assert done["threads_before"]["connected"] - done["threads_after"]["connected"] == len(idle)
    assert not again["changed"]
    statements = [row[0] for row in scene.sql("SELECT command FROM information_schema.processlist")]
    assert statements.count("Binlog Dump") == 1 and statements.count("Daemon") >= 1


POLICIES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"users": ["report"]}, ("report",)),
    ({"users": ["rep*", "nobody"]}, ("report",)),
    ({"exclude_users": ["app"]}, ("report",)),
    ({"users": ["app"], "databases": ["shop"]}, ("shop",)),
    ({"databases": ["b*"]}, ("app", "report")),
    ({"exclude_databases": ["bank"]}, ("shop", "bare")),
    ({"users": ["app"], "exclude_databases": ["*a*", "*o*"]}, ("bare",)),
    ({"hosts": ["127.0.0.*"], "users": ["report"]}, ("report",)),
    ({"hosts": ["10.*"]}, ()),
    ({"exclude_hosts": ["127.0.0.1"]}, ()),
    ({"users": ["backup"]}, ("backup",)),
    ({"users": ["back*"]}, ()),
    ({"idle_seconds": 3600}, ()),
    ({"open_transactions": "kill"}, (*PLAINLY_IDLE, *IN_TRANSACTION, "tables", "named_lock")),
    ({"open_transactions": "report", "users": ["report"]}, ("report",)),
]


def test_each_policy_chooses_exactly_its_own(scene: Scene) -> None:
    scene.fill()
    for policy, kinds in POLICIES:
        result = kill(scene, check=True, **policy)
        assert ids(result["victims"]) == scene.ids(*kinds), policy
        assert result["changed"] is bool(kinds)


def test_users_and_databases_together(scene: Scene) -> None:
    scene.fill()
    assert ids(kill(scene, users=["app"], databases=["shop"])["killed"]) == scene.ids("shop")
    assert scene.dead() == {"shop"}


def test_open_transactions_are_reported_with_what_they_hold_up(scene: Scene) -> None:
    scene.fill()
    result = kill(scene, open_transactions="report", users=["nobody", "app"], databases=["bank"], idle_seconds=1)
    found = {one["id"]: one for one in result["protected"] if one["transaction"]}
    assert set(found) == scene.ids(*IN_TRANSACTION) & set(found) and len(found) == len(scene.ids(*IN_TRANSACTION))
    blocker = scene.held["changing"][0].thread_id()
    assert found[blocker]["transaction"]["blocks"] == list(scene.ids("waiting"))
    assert found[blocker]["transaction"]["rows_changed"] == 1
    assert found[min(scene.ids("reading"))]["transaction"]["rows_changed"] == 0
    assert result["verdict"] == "warning"
    assert sum(one["check"] == "open_transaction" for one in result["findings"]) == len(found)


def test_open_transactions_are_rolled_back_only_when_that_is_said(scene: Scene) -> None:
    scene.fill()
    before = scene.sql("SELECT SUM(balance) FROM bank.accounts WHERE id BETWEEN 1 AND 80")
    result = kill(scene, open_transactions="kill", databases=["bank"], users=["app"])
    assert ids(result["killed"]) == scene.ids("app", *IN_TRANSACTION, "tables", "named_lock")
    assert scene.sql("SELECT SUM(balance) FROM bank.accounts WHERE id BETWEEN 1 AND 80") == before
    assert scene.dead() == {"app", *IN_TRANSACTION, "tables", "named_lock"}


def test_the_oldest_end_first_and_only_until_the_percentage_is_reached(scene: Scene) -> None:
    scene.fill()
    everybody = kill(scene, check=True)
    spared = kill(scene, check=True, only_above_percent=90, until_percent=60)
    done = kill(scene, only_above_percent=70, until_percent=60)
    assert not spared["changed"] and "is not above only_above_percent" in spared["reason"]
    assert spared["candidates"] == len(scene.ids(*PLAINLY_IDLE)) and spared["victims"] == []
    assert done["reason"] == "until_percent is reached" and done["threads_after"]["percent"] == 60.0
    by_age = [one["id"] for one in everybody["victims"]]
    assert 0 < len(done["killed"]) < len(by_age)
    assert [one["id"] for one in done["killed"]] == by_age[: len(done["killed"])]
    assert scene.ids(*scene.held) - scene.alive() == ids(done["killed"])


def test_more_than_the_limit_ends_nobody(scene: Scene) -> None:
    scene.fill()
    for check in (True, False):
        with pytest.raises(Refused, match=r"max_kills is 100\. None was\.") as refused:
            kill(scene, check, max_kills=100)
        assert ids(refused.value.data["victims"]) == scene.ids(*PLAINLY_IDLE)
    assert scene.dead() == set()
    assert kill(scene, max_kills=1, users=["nobody"])["changed"] is False


def test_long_statements_end_and_their_connections_stay(scene: Scene) -> None:
    scene.fill()
    result = kill(scene, mode="long_running", query_seconds=1)
    assert ids(result["killed"]) == scene.ids("running")
    assert result["unmatched"]["its statement may write (include_writes)"] >= len(scene.ids("writing"))
    assert "secret" not in json.dumps(result) and result["killed"][0]["statement"] == "SELECT SLEEP(?), ?"
    assert scene.dead() == set()
    idle = {int(row[0]) for row in scene.sql("SELECT id FROM information_schema.processlist WHERE command = 'Sleep'")}
    assert scene.ids("running") <= idle
    writes = kill(scene, check=True, mode="long_running", query_seconds=1, include_writes=True)
    assert ids(writes["victims"]) >= scene.ids("writing")


def test_a_saved_list_gives_the_same_decision_without_a_server(scene: Scene, tmp_path: Path) -> None:
    scene.fill()
    saved = tmp_path / "list.json"
    policy = {"users": ["report"]}
    rehearsal = options(scene, processlist_file=str(saved), login_port=1, **policy)
    first, rehearsed = run_tasks(
        [{MODULE: options(scene, snapshot_to=str(saved), users=["nobody"])}, {MODULE: rehearsal}]
    )
    assert not first["changed"] and saved.stat().st_mode & 0o777 == 0o600 and "secret" not in saved.read_text()
    assert ids(rehearsed["victims"]) == scene.ids("report")
    assert not rehearsed["changed"] and rehearsed["connected_by"] is None and set(rehearsed) == set(first)
    live = kill(scene, check=True, **policy)
    assert [one["id"] for one in live["victims"]] == [one["id"] for one in rehearsed["victims"]]
    for wrong, message in (
        ({"processlist_file": str(tmp_path / "missing")}, "No such file"),
        ({"processlist_file": "/etc/hostname"}, "is not a saved process list"),
        ({"snapshot_to": "/nowhere/list.json"}, "can't be written"),
    ):
        with pytest.raises(BadInput, match=message):
            kill(scene, **wrong)
    assert scene.dead() == set()
    assert set(KINDS) == set(scene.held)
