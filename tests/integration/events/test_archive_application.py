# SPDX-License-Identifier: GPL-3.0-or-later
"""After event_archive the sandbox application loads and saves every aggregate as before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.events import archive_task, verify_task
from ansible_collections.finaegis.runbook.plugins.modules import event_archive, event_store_verify
from integration.bank import deploy
from integration.events.direct import options
from integration.events.stores import Captured
from integration.servers import MysqlServer, RedisServer

DATABASE = "archived_bank"


@pytest.mark.timeout(240)
def test_every_aggregate_still_loads_and_persists(
    mysql_server: MysqlServer, clean_redis: RedisServer, tmp_path: Path
) -> None:
    bank = deploy(tmp_path / "bank", clean_redis, mysql_server, database=DATABASE)
    dest = tmp_path / "archive"
    dest.mkdir()

    def ask(sql: str) -> Any:
        return Captured.run(mysql_server, DATABASE, sql)

    def versions() -> dict[str, int]:
        return {
            str(uuid): int(last)
            for uuid, last in ask("SELECT aggregate_uuid, MAX(aggregate_version) FROM stored_events GROUP BY 1")
        }

    def move(**more: Any) -> dict[str, Any]:
        asked = {"tables": ["stored_events"], "dest": str(dest), "keep_latest": 1, **more}
        return archive_task.run(options(event_archive, mysql_server, DATABASE, **asked), False)

    before, balances = versions(), dict(ask("SELECT uuid, balance FROM accounts"))
    moved = move()["moved"]
    assert moved > 0
    bank.artisan("bank:deposit", f"--count={len(before)}", "--amount=100")
    assert versions() == {uuid: last + 1 for uuid, last in before.items()}
    assert dict(ask("SELECT uuid, balance FROM accounts")) == {uuid: held + 100 for uuid, held in balances.items()}
    whole = verify_task.run(options(event_store_verify, mysql_server, DATABASE, settle_seconds=0), True)
    assert whole["verdict"] in ("ok", "warning"), whole["findings"]
    assert not [one for one in whole["findings"] if one["verdict"] == "critical"]

    # That this would be seen: without its snapshot an aggregate whose events are archived can't be saved.
    ask("CREATE TABLE kept AS SELECT * FROM snapshots")
    ask("DELETE FROM snapshots")
    assert bank.artisan("bank:deposit", f"--count={len(before)}", check=False).returncode != 0
    assert move(state="restored")["moved"] == moved
    last = versions()
    bank.artisan("bank:deposit", f"--count={len(before)}")
    assert versions() == {uuid: version + 1 for uuid, version in last.items()}
