# SPDX-License-Identifier: GPL-3.0-or-later
"""event_replay through Ansible: a proof, check mode, refusals, a swap and its undo, on the real bank."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Refused, TimedOut
from integration.events.replay_bank import CANARY, ReplayBank
from integration.runner import run_tasks
from integration.sandbox.contract import wait_until
from integration.servers import MysqlServer, RedisServer

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def bank(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, mysql_server: MysqlServer
) -> Iterator[ReplayBank]:
    made = ReplayBank.deploy(tmp_path_factory.mktemp("replay") / "bank", redis_server, mysql_server, "replay-bank")
    yield made
    made.stop()


def test_a_clean_store_is_proved_and_nothing_is_left(bank: ReplayBank) -> None:
    before = bank.checksums()
    planned, proved, secret = run_tasks(
        [
            {**bank.task(), "check_mode": True},
            bank.task(),
            bank.task(replay_user="nobody", replay_password=CANARY),
        ],
        verbose=True,
    )
    assert (planned["changed"], planned["events"], planned["verdict"]) == (False, 52, "unknown")
    assert planned["expected_seconds"] > 0
    assert (proved["changed"], proved["verdict"], proved["events"], proved["applied"]) == (False, "ok", 52, 52)
    assert planned["classes"] == proved["classes"] == bank.counted()
    assert planned.keys() == proved.keys()
    assert secret["failed"]
    assert CANARY not in secret.output
    assert bank.checksums() == before
    assert bank.databases() == [bank.database]
    assert bank.users() == []


def test_drift_is_found_to_the_row_then_swapped_away_and_undone(bank: ReplayBank) -> None:
    bank.run("UPDATE accounts SET balance = balance + 7 ORDER BY uuid LIMIT 1")
    bank.run("DELETE FROM transactions WHERE event_id = 2")
    bank.run("INSERT INTO daily_totals VALUES ('2031-01-01', 5, 5)")
    planted = bank.checksums()
    proved, failing, refused, swapped, again, undone, twice, cleaned = run_tasks(
        [
            bank.task(),
            bank.task(fail_on=["critical"]),
            bank.task(activate=True),
            bank.task(activate=True, writers="maintenance"),
            bank.task(activate=True, writers="maintenance"),
            bank.task(undo=True, writers="maintenance"),
            bank.task(undo=True, writers="maintenance"),
            bank.task(cleanup=True),
        ]
    )
    drift = {one["table"]: one for one in proved["drift"]}
    assert [
        drift[t][k] for t, k in (("accounts", "different"), ("transactions", "missing"), ("daily_totals", "extra"))
    ] == [1, 1, 1]
    assert sum(one[kind] for one in drift.values() for kind in ("missing", "extra", "different")) == 3
    (sample,) = drift["accounts"]["samples"]
    assert sample["live"][0]["balance"] == sample["rebuilt"][0]["balance"] + 7
    assert list(sample["live"][0]) == ["balance"]
    assert drift["transactions"]["samples"][0]["key"] == {"event_id": 2}
    assert (proved["verdict"], proved["changed"]) == ("critical", False)
    assert failing["failed"]
    assert "accounts: 0 rows missing, 0 extra, 1 different" in failing["msg"]
    assert "is not down" in refused["msg"]
    assert (swapped["changed"], swapped["activation"]["activated"]) == (True, True)
    steps = swapped["activation"]["steps"]
    assert 0 < steps["writers_stopped"] <= steps["locked"] <= steps["swapped"] <= steps["writers_back"]
    assert (again["changed"], again["verdict"]) == (False, "ok")
    assert (undone["changed"], undone["undone"], undone["events_since"]) == (True, True, 0)
    assert sorted(undone["tables"]) == ["accounts", "daily_totals", "transactions"]
    assert (twice["changed"], cleaned["changed"]) == (False, False)
    assert bank.checksums() == planted
    assert bank.artisan("about", "--json").returncode == 0
    assert bank.databases() == [bank.database]
    bank.restore()


WRITER = r"""<?php
// Deposits as a web request would: not while the application is down.
require 'vendor/autoload.php';
$app = require 'bootstrap/app.php';
$app->make(Illuminate\Contracts\Console\Kernel::class)->bootstrap();
$accounts = Illuminate\Support\Facades\DB::table('accounts')->orderBy('uuid')->pluck('uuid');
for ($n = 0; ! is_file('stop_writing'); $n++) {
    if (! $app->isDownForMaintenance()) {
        App\Aggregates\Account::retrieve($accounts[$n % count($accounts)])->deposit(7, "live-{$n}")->persist();
    }
    usleep(10000);
}
"""


def test_with_live_writes_no_event_is_lost_or_doubled(bank: ReplayBank) -> None:
    bank.run("UPDATE accounts SET balance = balance + 1 ORDER BY uuid LIMIT 1")
    bank.run("DELETE FROM daily_totals")
    (bank.home / "writer.php").write_text(WRITER)
    writer = bank.start("php", "-r", "require 'writer.php';")
    bank.start("php", "artisan", "queue:work", "--queue=events", "--sleep=0")
    before = bank.run("SELECT COUNT(*) FROM stored_events")[0][0]
    swapped = bank.replay(activate=True, writers="maintenance", settle_seconds=0.3)
    written = bank.run("SELECT COUNT(*) FROM stored_events")[0][0] - before
    wait_until("more events", lambda: bank.run("SELECT COUNT(*) FROM stored_events")[0][0] > before + written + 5)
    (bank.home / "stop_writing").touch()
    assert writer.wait(30) == 0
    wait_until("an empty queue", lambda: not bank.waiting())
    bank.stop()
    assert written > 5  # events did come in meanwhile
    assert swapped["activation"]["activated"], swapped
    bank.artisan("bank:smoke")
    after = bank.replay()
    assert (after["verdict"], after["events"]) == ("ok", sum(bank.counted().values()))
    with pytest.raises(Refused, match="events came since the activation"):
        bank.replay(undo=True, writers="maintenance")
    assert bank.replay(cleanup=True)["removed"] == [f"{bank.database}_replaced"]


def test_writers_that_can_not_be_held_off_in_time_are_let_go(bank: ReplayBank) -> None:
    bank.run("UPDATE accounts SET balance = balance + 1 ORDER BY uuid LIMIT 1")
    before = bank.checksums()
    assert bank.mysql
    with bank.mysql.connect(database=bank.database) as other, other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE accounts SET owner = owner")  # somebody's long transaction
        with pytest.raises(TimedOut, match="They were let go on"):
            bank.replay(activate=True, writers="maintenance", max_blocked_seconds=4)
        cursor.execute("ROLLBACK")
    assert not (bank.home / "storage/framework/down").exists()
    assert bank.checksums() == before
    bank.replay(cleanup=True)
    bank.restore()


def test_a_task_killed_in_maintenance_is_made_good_by_the_next(bank: ReplayBank) -> None:
    """What a kill between down and up leaves: the application down, and the record that it was us."""
    bank.run(
        f"CREATE DATABASE {bank.database}_replaced",
        f"CREATE TABLE {bank.database}_replaced.runbook_replay_activation (id TINYINT PRIMARY KEY, what LONGTEXT NOT NULL)",
        f"INSERT INTO {bank.database}_replaced.runbook_replay_activation VALUES (1, "
        """'{"tables": ["accounts"], "store": "stored_events", "upto": 1, "at": "x", "down_by_us": true}')""",
    )
    bank.artisan("down")
    assert bank.replay()["verdict"] == "ok"
    assert not (bank.home / "storage/framework/down").exists()
    bank.replay(cleanup=True)
