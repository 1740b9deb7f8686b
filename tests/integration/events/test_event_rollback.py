# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook event_rollback on the captured store: planned, done once, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from integration.events.stores import Captured
from integration.events.test_compensate import INVERSES, UUID
from integration.mysql.playbooks import Environment
from integration.servers import RedisServer

PLAYBOOK = "event_rollback"


@pytest.fixture
def place(captured: Captured, clean_redis: RedisServer, tmp_path: Path) -> Environment:
    captured.copy(captured.server, "rolled_back")
    return Environment(tmp_path, captured.server, clean_redis, {"runbook_database": "rolled_back"})


def inputs(**more: object) -> dict[str, object]:
    asked = {"aggregate_uuid": UUID, "from_event": 3, "inverses": INVERSES, "append": True}
    return {f"{PLAYBOOK}_{name}": value for name, value in {**asked, **more}.items()}


@pytest.mark.timeout(240)
def test_planned_then_done_once(captured: Captured, place: Environment) -> None:
    planned, output, code = place.run(PLAYBOOK, "--check", **inputs())
    assert code == 0, output
    assert (planned["outcome"], planned["changed"], planned["recorded"]) == ("planned", False, 0)
    assert not place.records.exists()
    done, output, code = place.run(PLAYBOOK, "-vvv", **inputs())
    assert code == 0, output
    # No projector has seen them, and no replay was asked for.
    assert (done["outcome"], done["verdict"], done["changed"]) == ("completed", "warning", True)
    assert "Projectors see none of it" in done["message"]
    assert done["recorded"] == len(planned["events"]) == len(done["events"]) > 0
    assert [{**event, "id": None} for event in done["events"]] == planned["events"]
    assert json.loads(Path(done["record"]).read_text()) == done
    assert captured.server.password not in output + Path(done["record"]).read_text()
    again, output, code = place.run(PLAYBOOK, **inputs())
    assert code == 0, output
    assert (again["outcome"], again["verdict"], again["changed"], again["recorded"]) == ("not_needed", "ok", False, 0)
    assert '"changed": 0,' in output


@pytest.mark.timeout(240)
def test_what_is_refused_records_nothing(captured: Captured, place: Environment) -> None:
    for more, words in (
        ({"append": False}, "says who records the events"),
        ({"from_event": 1}, "does not say what undoes"),
    ):
        refused, output, code = place.run(PLAYBOOK, **inputs(**more))
        assert code != 0
        assert (refused["outcome"], refused["verdict"], refused["recorded"]) == ("refused", "warning", 0)
        assert words in output
    assert captured.run(captured.server, "rolled_back", "SELECT COUNT(*) FROM stored_events") == ((3398,),)
