# SPDX-License-Identifier: GPL-3.0-or-later
"""event_compensate on the captured store and through a command of the sandbox application."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import (
    BadInput,
    Failed,
    Refused,
    RunbookError,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.events import compensate_task, verify_task
from ansible_collections.finaegis.runbook.plugins.modules import event_compensate, event_store_verify
from integration.bank import deploy
from integration.events.direct import options
from integration.events.stores import Captured
from integration.runner import run_tasks
from integration.servers import MysqlServer, RedisServer

DEPOSITED, WITHDRAWN = "App\\Events\\MoneyDeposited", "App\\Events\\MoneyWithdrawn"
TAKE = {"amount": "$.amount", "reference": "$.reference"}
INVERSES = [
    {"event_class": DEPOSITED, "inverse_class": WITHDRAWN, "properties": TAKE},
    {"event_class": WITHDRAWN, "inverse_class": DEPOSITED, "properties": TAKE},
]
UUID = "170b862c-c2c8-4e5d-90b9-610b8993debc"


@pytest.fixture
def store(captured: Captured) -> str:
    return captured.copy(captured.server, "compensate_store")


def asked(**more: Any) -> dict[str, Any]:
    return {"table": "stored_events", "aggregate_uuid": UUID, "from_event": "3", "inverses": INVERSES, **more}


def call(captured: Captured, store: str, check: bool = False, **more: Any) -> dict[str, Any]:
    return compensate_task.run(options(event_compensate, captured.server, store, **asked(**more)), check)


def own(captured: Captured, store: str) -> list[dict[str, Any]]:
    rows = captured.run(
        captured.server,
        store,
        f"SELECT id, aggregate_version, event_class, event_properties, meta_data FROM stored_events WHERE aggregate_uuid = '{UUID}' "
        "ORDER BY aggregate_version",
    )
    names = ("id", "version", "class", "properties", "meta")
    return [dict(zip(names, (*row[:3], json.loads(row[3]), json.loads(row[4])), strict=True)) for row in rows]


def test_appended_once_through_ansible(captured: Captured, store: str) -> None:
    before = own(captured, store)
    undone = [event for event in reversed(before) if event["id"] >= 3]
    everything = captured.run(captured.server, store, "SELECT * FROM stored_events ORDER BY id")
    task = {
        "finaegis.runbook.event_compensate": {**captured.server.options, "login_db": store, **asked(append=True)},
    }
    (planned,) = run_tasks([task], check=True, diff=True)
    assert own(captured, store) == before
    done, again = run_tasks([task, task], diff=True)
    assert planned.keys() == done.keys()
    assert planned["diff"] == done["diff"]
    assert (planned["changed"], planned["recorded"]) == (True, 0)
    assert (done["changed"], done["recorded"], again["changed"], again["recorded"]) == (True, len(undone), False, 0)
    assert again["already_compensated"] == [str(event["id"]) for event in undone]
    after = captured.run(captured.server, store, "SELECT * FROM stored_events ORDER BY id")
    assert after[: len(everything)] == everything, "nothing that was there is changed"
    new = own(captured, store)[len(before) :]
    assert [str(event["id"]) for event in new] == [row["id"] for row in done["events"]]
    for old, event, version in zip(undone, new, range(len(before) + 1, 1000), strict=False):
        assert (event["version"], event["properties"]) == (version, old["properties"])
        assert event["class"] == {DEPOSITED: WITHDRAWN, WITHDRAWN: DEPOSITED}[old["class"]]
        assert event["meta"]["compensates-event-id"] == old["id"]
    whole = verify_task.run(options(event_store_verify, captured.server, store, settle_seconds=0), True)
    assert whole["verdict"] == "ok", whole["findings"]


@pytest.mark.parametrize(
    ("change", "more", "error", "words"),
    [
        ("SELECT 1", {}, Refused, "it is not said who records them"),
        ("SELECT 1", {"append": True, "max_events": 1}, Refused, "max_events is 1"),
        ("SELECT 1", {"append": True, "from_event": "3398"}, BadInput, "has no event 3398 of the aggregate"),
        ("SELECT 1", {"append": True, "aggregate_uuid": "x"}, RunbookError, "has no event 3 of the aggregate"),
        (
            "SELECT 1",
            {"append": True, "inverses": INVERSES[1:]},
            Refused,
            "does not say what undoes App.Events.MoneyDeposited",
        ),
        ("SELECT 1", {"append": True, "from_event": "1"}, Refused, "does not say what undoes App.Events.AccountOpened"),
        ("SELECT 1", {"append": True, "command": "a:b", "app_dir": "/x", "arguments": ["a"]}, BadInput, "not both"),
        (
            "SELECT 1",
            {"command": "a:b", "app_dir": "/x", "arguments": ["a"]},
            BadInput,
            "arguments have no {properties}",
        ),
        (
            "UPDATE stored_events SET event_properties = JSON_SET(event_properties, '$.hash', SHA2(id, 512)) WHERE id = 2",
            {"append": True},
            Refused,
            "Event 2 of .* has a hash at",
        ),
        ("ALTER TABLE stored_events DROP COLUMN meta_data", {"append": True}, Refused, "has no meta_data"),
        (
            "ALTER TABLE stored_events MODIFY id bigint unsigned NOT NULL",
            {"append": True},
            Refused,
            "made by the application",
        ),
        (
            "ALTER TABLE stored_events ADD tenant int NOT NULL",
            {"append": True},
            RunbookError,
            "doesn't have a default value",
        ),
    ],
)
def test_what_is_refused_changes_nothing(
    captured: Captured, store: str, change: str, more: dict[str, Any], error: type[RunbookError], words: str
) -> None:
    captured.run(captured.server, store, change)
    with pytest.raises(error, match=words):
        call(captured, store, **more)
    assert captured.run(captured.server, store, "SELECT COUNT(*) FROM stored_events") == ((3398,),)


def test_an_event_that_comes_meanwhile_stops_the_whole(
    captured: Captured, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = compensate_task.compensate_record.read

    def slow(connection: Any, table: Any, uuid: str, version: int, lock: str = "") -> Any:
        if lock:
            last = len(own(captured, store))
            captured.run(
                captured.server,
                store,
                f"INSERT INTO stored_events SELECT NULL, aggregate_uuid, {last + 1}, 1, event_class, event_properties, meta_data, NOW() "
                "FROM stored_events WHERE id = 3",
            )
        return read(connection, table, uuid, version, lock)

    monkeypatch.setattr(compensate_task.compensate_record, "read", slow)
    with pytest.raises(Refused, match="got a new event meanwhile"):
        call(captured, store, append=True)
    assert captured.run(captured.server, store, "SELECT COUNT(*) FROM stored_events") == ((3399,),)


COMMAND = r"""<?php
namespace App\Console\Commands;

use App\Aggregates\Account;
use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;

class Compensate extends Command
{
    protected $signature = 'test:compensate {uuid} {--class=} {--properties=} {--undoes=} {--fault=}';

    public function handle(): int
    {
        $values = json_decode($this->option('properties'), true);
        $account = Account::retrieve($this->argument('uuid'));
        if ($this->option('fault') === 'nothing') {
            return 0;
        }
        $to = str_ends_with($this->option('class'), 'MoneyWithdrawn') ? 'withdraw' : 'deposit';
        $amount = $this->option('fault') === 'amount' ? $values['amount'] - 1 : $values['amount'];
        $account->$to($amount, $values['reference'])->persist();
        if ($this->option('fault') !== 'mark') {
            DB::update(
                'UPDATE stored_events SET meta_data = JSON_SET(meta_data, \'$."compensates-event-id"\', ?)'
                . ' WHERE aggregate_uuid = ? ORDER BY id DESC LIMIT 1',
                [(int) $this->option('undoes'), $account->uuid()]
            );
        }

        return 0;
    }
}
"""


@pytest.mark.timeout(240)
def test_through_the_application(
    mysql_server: MysqlServer, clean_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("compensate") / "bank"
    deploy(directory, clean_redis, mysql_server, database="compensate_bank")
    (directory / "app/Console/Commands/Compensate.php").write_text(COMMAND)
    provider = directory / "app/Providers/BankServiceProvider.php"
    provider.write_text(
        provider.read_text().replace(
            "Commands\\BankSmoke::class,", "Commands\\BankSmoke::class, Commands\\Compensate::class,"
        )
    )

    def ask(sql: str) -> Any:
        return Captured.run(mysql_server, "compensate_bank", sql)

    ((uuid, first, balance),) = ask(
        "SELECT e.aggregate_uuid, MIN(e.id), MIN(a.balance) FROM stored_events e JOIN accounts a ON a.uuid = e.aggregate_uuid "
        "WHERE e.event_class LIKE '%Money%' GROUP BY e.aggregate_uuid ORDER BY 2 LIMIT 1"
    )
    count = ask(f"SELECT COUNT(*) FROM stored_events WHERE aggregate_uuid = '{uuid}' AND id >= {first}")[0][0]
    assert balance != 0
    arguments = ["{aggregate_uuid}", "--class={event_class}", "--properties={properties}", "--undoes={undoes}"]

    def run(check: bool = False, fault: str = "", command: str = "test:compensate") -> dict[str, Any]:
        more = asked(aggregate_uuid=str(uuid), from_event=str(first), command=command, app_dir=str(directory))
        given = [*arguments, f"--fault={fault}"] if fault else arguments
        params = options(event_compensate, mysql_server, "compensate_bank", **more, arguments=given)
        return compensate_task.run(params, check)

    with pytest.raises(Refused, match="has no command no:such"):
        run(check=True, command="no:such")
    assert run(check=True)["recorded"] == 0
    with pytest.raises(Failed, match="no event of .* has compensates-event-id"):
        run(fault="nothing")
    done = run()
    assert (done["recorded"], done["recorded_by"], done["changed"]) == (count, "artisan", True)
    assert ask(f"SELECT balance FROM accounts WHERE uuid = '{uuid}'") == ((0,),), "the application projected it"
    again = run()
    assert (again["recorded"], again["changed"]) == (0, False)

    ask(
        f"UPDATE stored_events SET meta_data = JSON_REMOVE(meta_data, '$.\"compensates-event-id\"') WHERE aggregate_uuid = '{uuid}'"
    )
    for fault, words in (("mark", "no event of .* has compensates-event-id"), ("amount", "The application recorded")):
        with pytest.raises(Failed, match=words):
            run(fault=fault)
