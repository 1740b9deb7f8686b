# SPDX-License-Identifier: GPL-3.0-or-later
"""The ways of the event roles that lead through the application: its commands, its failed jobs, a replay of its projectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import open_storage
from integration.bank import Bank, deploy
from integration.events.stores import Captured
from integration.events.test_compensate import COMMAND, INVERSES
from integration.mysql.playbooks import Environment
from integration.servers import MysqlServer, RedisServer

DATABASE = "roles_bank"
SNAPSHOT = r"""<?php
namespace App\Console\Commands;

use App\Aggregates\Account;
use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;

class TakeSnapshots extends Command
{
    protected $signature = 'test:snapshots {--of=}';

    public function handle(): int
    {
        foreach (DB::table($this->option('of'))->distinct()->pluck('aggregate_uuid') as $uuid) {
            Account::retrieve($uuid)->snapshot();
        }

        return 0;
    }
}
"""


@pytest.fixture(scope="module")
def bank(mysql_server: MysqlServer, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    redis_server.client().flushall()
    found = deploy(tmp_path_factory.mktemp("roles") / "bank", redis_server, mysql_server, database=DATABASE)
    for name, text in (("Compensate", COMMAND), ("TakeSnapshots", SNAPSHOT)):
        (found.home / f"app/Console/Commands/{name}.php").write_text(text)
    provider = found.home / "app/Providers/BankServiceProvider.php"
    ours = "Commands\\BankSmoke::class, Commands\\Compensate::class, Commands\\TakeSnapshots::class,"
    provider.write_text(provider.read_text().replace("Commands\\BankSmoke::class,", ours))
    return found


@pytest.fixture
def place(bank: Bank, mysql_server: MysqlServer, redis_server: RedisServer, tmp_path: Path) -> Environment:
    return Environment.of_bank(bank, DATABASE, tmp_path, mysql_server, redis_server)


def named(role: str, **inputs: object) -> dict[str, object]:
    return {f"{role}_{name}": value for name, value in inputs.items()}


def ask(server: MysqlServer, *sql: str) -> tuple[Any, ...]:
    return Captured.run(server, DATABASE, *sql)


@pytest.mark.timeout(300)
def test_a_rollback_by_a_command_and_a_read_model_as_the_events_say(
    place: Environment, mysql_server: MysqlServer
) -> None:
    ((uuid, last),) = ask(
        mysql_server,
        "SELECT CAST(aggregate_uuid AS CHAR), MAX(id) FROM stored_events GROUP BY aggregate_uuid ORDER BY 1 LIMIT 1",
    )
    ask(mysql_server, f"UPDATE accounts SET balance = balance + 7 WHERE uuid <> '{uuid}' LIMIT 1")
    arguments = ["{aggregate_uuid}", "--class={event_class}", "--properties={properties}", "--undoes={undoes}"]
    inputs = named(
        "event_rollback",
        aggregate_uuid=uuid,
        from_event=last,
        inverses=INVERSES,
        command="test:compensate",
        arguments=arguments,
        replay="activate",
        writers="maintenance",
        projectors=["App\\Projectors\\AccountProjector"],
        projection_tables=["accounts"],
    )
    done, output, code = place.run("event_rollback", **inputs)
    assert code == 0, output
    assert (done["outcome"], done["verdict"], done["recorded"]) == ("completed", "ok", 1), output
    assert [(one["table"], one["different"]) for one in done["drift"]] == [("accounts", 1)], "the planted one alone"
    assert done["activation"]["activated"] is True
    amount = "JSON_VALUE(event_properties, '$.amount') * IF(event_class LIKE '%Deposited', 1, -1)"
    events = ask(mysql_server, f"SELECT SUM({amount}) FROM stored_events WHERE event_class LIKE '%Money%'")
    assert int(events[0][0]) == int(ask(mysql_server, "SELECT SUM(balance) FROM accounts")[0][0])


@pytest.mark.timeout(300)
def test_failed_events_are_put_back_and_caught_up_with(
    bank: Bank, place: Environment, mysql_server: MysqlServer
) -> None:
    place.redis.client().delete(f"{bank.queue_prefix}queues:events")
    bank.artisan("bank:deposit", "--count=1")
    ask(mysql_server, "RENAME TABLE daily_totals TO away")
    work = ("queue:work", "--once", "--queue=events", "--tries=1")
    bank.artisan(*work, check=False)
    ask(mysql_server, "RENAME TABLE away TO daily_totals")
    inputs = named("projection_lag", tables=["stored_events"], queues=["events"], retry=True, wait_seconds=5)
    done, output, code = place.run("projection_lag", **inputs)
    assert code == 0, output
    (failed,) = [one for one in done["before"] if one["check"] == "failed_events"]
    assert (failed["verdict"], failed["observed"]) == ("warning", 1)
    assert (done["outcome"], done["verdict"], done["changed"]) == ("caught_up", "ok", True)
    assert (done["retried"], done["failed_events"]) == (["events"], [])
    assert [one["events"] for one in done["queues"]] == [1], "it waits for a worker"
    bank.artisan(*work)
    assert ask(mysql_server, "SELECT COUNT(*) FROM failed_jobs") == ((0,),)


@pytest.mark.timeout(300)
def test_snapshots_are_taken_and_what_they_cover_goes_to_s3(
    place: Environment, mysql_server: MysqlServer, bucket: dict[str, Any]
) -> None:
    ((before, aggregates),) = ask(mysql_server, "SELECT COUNT(*), COUNT(DISTINCT aggregate_uuid) FROM stored_events")
    reach = {**{key: value for key, value in bucket.items() if value}, "bucket": "not-looked-at"}
    inputs = named(
        "event_store_maintenance",
        tables=["stored_events"],
        min_events=2,
        snapshot_command="test:snapshots",
        snapshot_arguments=["--of=stored_events"],
        archive_dir="s3://bank/care",
        s3=reach,
        older_than_days=0,
        keep_latest=1,
    )
    done, output, code = place.run("event_store_maintenance", "-vvv", **inputs)
    assert code == 0, output
    assert (done["outcome"], done["changed"], done["heavy_after"]) == ("completed", True, 0)
    assert done["heavy_before"] > 0
    # Each aggregate keeps its last event, and those of the last minute are too young.
    left = int(ask(mysql_server, "SELECT COUNT(*) FROM stored_events")[0][0])
    young = int(ask(mysql_server, "SELECT COUNT(*) FROM stored_events WHERE created_at > NOW() - INTERVAL 1 DAY")[0][0])
    assert done["moved"] == before - left > 0
    assert left <= aggregates + young
    files = [one.name for one in open_storage(f"s3://bank/care/{DATABASE}.stored_events", bucket).list()]
    assert files == ["catalogue.json", "events-000001.jsonl.gz"]
    assert bucket["secret_key"] not in output
