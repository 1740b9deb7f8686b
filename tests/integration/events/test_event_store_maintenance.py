# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook event_store_maintenance on the captured store: planned, done once, refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from integration.events.stores import Captured
from integration.mysql.playbooks import Environment
from integration.servers import RedisServer

PLAYBOOK = "event_store_maintenance"


@pytest.fixture
def place(captured: Captured, clean_redis: RedisServer, tmp_path: Path) -> Environment:
    (tmp_path / "archive").mkdir()
    captured.copy(captured.server, "maintained")
    return Environment(tmp_path, captured.server, clean_redis, {"runbook_database": "maintained"})


def inputs(place: Environment, **more: object) -> dict[str, object]:
    asked = {
        "tables": ["stored_events"],
        "archive_dir": str(place.directory / "archive"),
        "older_than_days": 0,
        "keep_latest": 5,
    }
    return {f"{PLAYBOOK}_{name}": value for name, value in {**asked, "min_events": 10, **more}.items()}


def events(captured: Captured) -> int:
    return int(captured.run(captured.server, "maintained", "SELECT COUNT(*) FROM stored_events")[0][0])


@pytest.mark.timeout(240)
def test_planned_then_done_once_then_a_broken_store_is_left_alone(captured: Captured, place: Environment) -> None:
    planned, output, code = place.run(PLAYBOOK, "--check", **inputs(place))
    assert code == 0, output
    assert (planned["outcome"], planned["changed"], planned["moved"]) == ("planned", False, 0)
    may_go = planned["tables"][0]["events"]
    assert may_go > 0
    assert events(captured) == 3398
    assert not place.records.exists()

    done, output, code = place.run(PLAYBOOK, "-vvv", **inputs(place))
    assert code == 0, output
    assert (done["outcome"], done["verdict"], done["changed"], done["moved"]) == ("completed", "ok", True, may_go)
    assert events(captured) == 3398 - may_go
    assert json.loads(Path(done["record"]).read_text()) == done
    assert done["heavy_before"] == planned["heavy_before"] > 0
    assert captured.server.password not in output + Path(done["record"]).read_text()

    again, output, code = place.run(PLAYBOOK, **inputs(place))
    assert code == 0, output
    assert (again["outcome"], again["changed"]) == ("not_needed", False)
    assert '"changed": 0,' in output

    captured.run(captured.server, "maintained", "DELETE FROM stored_events WHERE id = 3397")
    broken, output, code = place.run(PLAYBOOK, **inputs(place, keep_latest=1))
    assert code != 0
    assert (broken["outcome"], broken["verdict"], broken["moved"]) == ("refused", "critical", 0)
    assert "version_gap is critical" in broken["message"]
    assert events(captured) == 3397 - may_go


@pytest.mark.timeout(240)
def test_limits_and_bad_input(captured: Captured, place: Environment) -> None:
    wrong, output, code = place.run(PLAYBOOK, **inputs(place, tables=[]))
    assert code != 0
    assert (wrong["outcome"], "event_store_maintenance_tables must be given" in output) == ("refused", True)
    limited, _, code = place.run(PLAYBOOK, **inputs(place, max_events=3))
    assert code != 0
    assert (limited["outcome"], limited["moved"]) == ("refused", 0)
    assert "max_events is 3" in limited["message"]
    late, output, code = place.run(PLAYBOOK, **inputs(place, max_seconds=0))
    assert code == 0, output
    assert (late["outcome"], late["verdict"], late["complete"]) == ("stopped", "warning", False)
    assert "max_seconds is over" in late["message"]
    assert events(captured) == 3398
