# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook projection_lag on an installed bank: what is behind is seen, replayed aside, swapped when told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from integration.bank import Bank, deploy
from integration.events.stores import Captured
from integration.mysql.playbooks import Environment
from integration.servers import MysqlServer, RedisServer

PLAYBOOK = "projection_lag"
DATABASE = "lagging_bank"
WATERMARK = [
    {"name": "accounts", "event_table": "stored_events", "query": "SELECT MAX(last_event_id) FROM accounts"},
]


@pytest.fixture(scope="module")
def bank(mysql_server: MysqlServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    redis_server.client().flushall()
    return deploy(tmp_path_factory.mktemp("lag") / "bank", redis_server, mysql_server, database=DATABASE)


@pytest.fixture
def place(bank: Bank, mysql_server: MysqlServer, redis_server: RedisServer, tmp_path: Path) -> Environment:
    return Environment.of_bank(bank, DATABASE, tmp_path, mysql_server, redis_server)


def inputs(**more: object) -> dict[str, object]:
    asked = {
        "tables": ["stored_events"],
        "queues": ["default"],
        "projectors": ["App\\Projectors\\AccountProjector"],
        "projection_tables": ["accounts"],
        "wait_seconds": 5,
    }
    return {f"{PLAYBOOK}_{name}": value for name, value in {**asked, **more}.items()}


@pytest.mark.timeout(300)
def test_seen_proven_and_mended(place: Environment, mysql_server: MysqlServer) -> None:
    healthy, output, code = place.run(PLAYBOOK, **inputs())
    assert code == 0, output
    assert (healthy["outcome"], healthy["verdict"], healthy["changed"]) == ("not_needed", "ok", False)
    assert json.loads(Path(healthy["record"]).read_text()) == healthy

    Captured.run(mysql_server, DATABASE, "UPDATE accounts SET balance = balance + 7 LIMIT 1")
    proven, output, code = place.run(PLAYBOOK, "-vvv", **inputs(replay="prove"))
    assert code != 0, output
    assert (proven["outcome"], proven["verdict"], proven["changed"]) == ("drifted", "critical", False), output
    assert [(one["table"], one["different"]) for one in proven["drift"]] == [("accounts", 1)]
    assert mysql_server.password not in output

    planned, output, code = place.run(PLAYBOOK, "--check", **inputs(replay="activate", writers="maintenance"))
    assert (code, planned["outcome"], planned["changed"]) == (0, "planned", False), output
    mended, output, code = place.run(PLAYBOOK, **inputs(replay="activate", writers="maintenance"))
    assert code == 0, output
    assert (mended["outcome"], mended["verdict"], mended["changed"]) == ("caught_up", "ok", True)
    assert mended["activation"]["activated"] is True


@pytest.mark.timeout(240)
def test_what_is_behind_fails_and_what_can_not_be_meant_is_refused(
    place: Environment, mysql_server: MysqlServer
) -> None:
    Captured.run(mysql_server, DATABASE, "UPDATE accounts SET last_event_id = 1")
    behind, output, code = place.run(PLAYBOOK, **inputs(projections=WATERMARK, thresholds={"lag_events_critical": 3}))
    assert code != 0, output
    assert (behind["outcome"], behind["verdict"]) == ("behind", "critical")
    assert "accounts" in behind["message"]
    wrong, output, code = place.run(PLAYBOOK, **inputs(replay="prove", projectors=[]))
    assert code != 0
    assert wrong["outcome"] == "failed"
    assert "so that none is replayed by omission" in output
