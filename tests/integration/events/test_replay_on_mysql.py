# SPDX-License-Identifier: GPL-3.0-or-later
"""A proof, a swap and its undo on Oracle's MySQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.events.replay_bank import PROJECTORS, ReplayBank
from integration.servers import MysqlServer, RedisServer

pytestmark = pytest.mark.timeout(300)


def test_proof_swap_and_undo(tmp_path: Path, redis_server: RedisServer, mysql9_server: MysqlServer) -> None:
    bank = ReplayBank.deploy(tmp_path / "bank", redis_server, mysql9_server, "replay-mysql-bank")
    try:
        names = [f"App\\Projectors\\{name}" for name in PROJECTORS]
        assert bank.replay(workers=2, aggregate_safe=names)["verdict"] == "ok"
        bank.run(
            "UPDATE accounts SET balance = balance + 7 ORDER BY uuid LIMIT 1",
            "DELETE FROM transactions WHERE event_id = 2",
        )
        planted = bank.rows()
        proved = bank.replay()
        assert [one["missing"] + one["extra"] + one["different"] for one in proved["drift"]] == [1, 1, 0]
        assert bank.replay(activate=True, writers="maintenance")["activation"]["activated"]
        assert bank.replay()["verdict"] == "ok"
        assert bank.replay(undo=True, writers="maintenance")["undone"]
        assert bank.rows() == planted
        assert bank.databases() == [bank.database]
        assert bank.users() == []
    finally:
        bank.stop()
