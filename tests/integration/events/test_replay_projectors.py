# SPDX-License-Identifier: GPL-3.0-or-later
"""Replays to projectors of every kind, and replays that are killed: what they leave, and how the next one ends."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pymysql
import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed, Refused, RunbookError
from ansible_collections.finaegis.runbook.plugins.module_utils.events import replay_schema
from ansible_collections.finaegis.runbook.plugins.module_utils.events.replay_app import ReplayStopped
from integration.events.replay_bank import ReplayBank
from integration.runner import CHECKOUT
from integration.sandbox.contract import wait_until
from integration.servers import MysqlServer, RedisServer, await_answer, knock, spawn, start_mariadb

pytestmark = pytest.mark.timeout(300)
KILLS = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """A server of our own: it is killed."""
    started = start_mariadb(tmp_path_factory.mktemp("killed"), "--innodb-flush-log-at-trx-commit=1")
    yield started
    started.stop()


@pytest.fixture(scope="module")
def bank(
    tmp_path_factory: pytest.TempPathFactory, redis_server: RedisServer, server: MysqlServer
) -> Iterator[ReplayBank]:
    made = ReplayBank.deploy(tmp_path_factory.mktemp("odd") / "bank", redis_server, server, "odd-bank")
    made.seed(20, 19)
    made.run(
        "CREATE TABLE sums (uuid varchar(40) PRIMARY KEY, n bigint NOT NULL, total bigint NOT NULL)",
        "CREATE TABLE latest (uuid varchar(40) PRIMARY KEY, reference varchar(255) NOT NULL, event_id bigint NOT NULL)",
    )
    made.add_projectors()
    made.artisan(
        "event-sourcing:replay", "App\\Projectors\\SumProjector", "App\\Projectors\\LatestProjector", "--force"
    )
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def untouched(bank: ReplayBank, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test does, the live tables stay as they are, to the byte, and no rule of it outlives it; but for the last test."""
    before = bank.checksums()
    yield
    for name in ("slow", "throw_at"):
        (bank.home / name).unlink(missing_ok=True)
    assert bank.checksums() == before or request.node.name.startswith("test_a_swap_")
    bank.replay(cleanup=True)
    assert bank.users() == []


@pytest.mark.parametrize("engine", ["driver", "artisan"])
def test_adding_and_setting_projectors_without_reset_are_right(bank: ReplayBank, engine: str) -> None:
    found = bank.replay(
        projectors=["App\\Projectors\\SumProjector", "App\\Projectors\\LatestProjector"],
        projection_tables=["sums", "latest"],
        ignore_columns={},
        key_columns={},
        engine=engine,
    )
    assert found["verdict"] == "ok", found["findings"]
    assert found["events"] == sum(n for name, n in bank.counted().items() if name.endswith("Deposited"))


def test_two_workers_give_the_same(bank: ReplayBank) -> None:
    names = ["App\\Projectors\\SumProjector", "App\\Projectors\\AccountProjector"]
    bank.run(
        "INSERT INTO stored_events (event_class, event_properties, meta_data, created_at) VALUES "
        "('App\\\\Events\\\\MoneyDeposited', '{\"amount\": 5, \"reference\": \"none\"}', '{}', NOW())"
    )
    try:
        with pytest.raises(
            ReplayStopped, match="uuid"
        ):  # an event of no aggregate is not lost: it comes to a worker too
            bank.replay(
                projectors=names,
                projection_tables=["sums", "accounts"],
                ignore_columns={},
                key_columns={},
                workers=2,
                aggregate_safe=names,
            )
    finally:
        bank.run("DELETE FROM stored_events WHERE aggregate_uuid IS NULL")
    found = bank.replay(
        projectors=names,
        projection_tables=["sums", "accounts"],
        ignore_columns={},
        key_columns={},
        workers=2,
        aggregate_safe=names,
        restart=True,
    )
    assert (found["verdict"], found["events"]) == ("ok", 400)


def test_a_projector_that_throws_stops_at_the_last_chunk_and_goes_on_when_mended(bank: ReplayBank) -> None:
    (bank.home / "throw_at").write_text("204")
    with pytest.raises(ReplayStopped) as error:
        bank.alone("SumProjector", "sums", chunk_events=50)
    said = error.value.data["stopped"]
    assert (said["event_id"], said["class"]) == (204, "DomainException")
    total = bank.run(f"SELECT SUM(n) FROM {bank.database}_replay.sums")[0][0]
    until = "event_class LIKE '%Deposited' AND id <= "
    assert total == bank.run(f"SELECT COUNT(*) FROM stored_events WHERE {until}{said['committed_to']}")[0][0] > 0
    (bank.home / "throw_at").unlink()
    found = bank.alone("SumProjector", "sums", chunk_events=50)
    assert (found["resumed"], found["verdict"]) == (True, "ok")
    assert found["applied"] == found["events"] - total


def test_a_chunk_that_waits_for_a_lock_is_applied_again(bank: ReplayBank) -> None:
    (bank.home / "throw_at").write_text("204")
    with pytest.raises(ReplayStopped):
        bank.alone("SumProjector", "sums", chunk_events=50)
    (bank.home / "throw_at").unlink()
    assert bank.mysql
    with bank.mysql.connect() as other, other.cursor() as cursor:
        cursor.execute("SET GLOBAL innodb_lock_wait_timeout = 1")
        cursor.execute("BEGIN")
        cursor.execute(f"SELECT * FROM {bank.database}_replay.sums FOR UPDATE")
        timer = threading.Timer(3, other.rollback)
        timer.start()
        found = bank.alone("SumProjector", "sums", chunk_events=50)
        timer.join()
        cursor.execute("SET GLOBAL innodb_lock_wait_timeout = 50")
    assert found["verdict"] == "ok"
    assert found["retried"] >= 1


def test_exceptions_that_the_application_catches_are_told(bank: ReplayBank) -> None:
    (bank.home / "throw_at").write_text("204")
    found = bank.alone("SumProjector", "sums", environment={"EVENT_PROJECTOR_CATCH_EXCEPTIONS": "true"})
    assert found["skipped"] == 1
    assert found["verdict"] == "critical"
    assert "ids 204" in found["findings"][-1]["message"]


def test_an_undeclared_table_fails_loudly(bank: ReplayBank) -> None:
    for engine in ("driver", "artisan"):
        with pytest.raises(ReplayStopped, match="not in projection_tables"):
            bank.alone("StrayProjector", "latest", engine=engine)


@pytest.mark.parametrize("projector", ["DdlProjector", "CommittingProjector"])
def test_a_projector_that_commits_is_noticed_and_never_gone_on_with(bank: ReplayBank, projector: str) -> None:
    more = {
        "projectors": [f"App\\Projectors\\{projector}"],
        "projection_tables": ["latest", "sums"],
        "chunk_events": 10,
        "ignore_columns": {},
        "key_columns": {},
    }
    with pytest.raises(ReplayStopped, match="commits by itself"):
        bank.replay(**more)
    with pytest.raises(Refused, match="part of a chunk was committed"):
        bank.replay(**more)


def test_transactions_inside_a_projector_are_as_live(bank: ReplayBank) -> None:
    bank.run("CREATE TABLE keep_latest AS SELECT * FROM latest", "DELETE FROM latest")
    bank.artisan("event-sourcing:replay", "App\\Projectors\\NestedProjector", "--force")
    try:
        found = bank.alone("NestedProjector", "latest")
        assert found["verdict"] == "ok"
        assert found["drift"][0]["rows_live"] > 100
    finally:
        bank.run("DELETE FROM latest", "INSERT INTO latest SELECT * FROM keep_latest", "DROP TABLE keep_latest")


def test_shared_services_are_out_of_reach(bank: ReplayBank, redis_server: RedisServer) -> None:
    before = sorted(redis_server.client().keys()), sorted(redis_server.client(1).keys())
    assert bank.alone("SharingProjector", "latest")["verdict"] == "ok"
    with pytest.raises(ReplayStopped, match=r"[Cc]onnection refused|RedisException|went away"):
        bank.alone("RedisProjector", "latest", restart=True)
    assert (sorted(redis_server.client().keys()), sorted(redis_server.client(1).keys())) == before


def test_a_cached_configuration_does_not_send_it_to_the_live_tables(bank: ReplayBank) -> None:
    bank.artisan("config:cache")
    try:
        assert bank.alone("SumProjector", "sums")["verdict"] == "ok"
    finally:
        bank.artisan("config:clear")


def test_an_application_that_does_not_follow_is_noticed_before_the_first_event(bank: ReplayBank) -> None:
    with pytest.raises(ReplayStopped, match="did not go to the scratch database|does not boot"):
        bank.alone("SumProjector", "sums", environment={"DB_HOST": "127.0.0.1", "DB_PORT": "1"})
    assert bank.databases() == [bank.database]


def test_stores_and_tables_that_do_not_fit_are_refused(bank: ReplayBank) -> None:
    first = bank.run("SELECT aggregate_uuid FROM stored_events WHERE id = 1")[0][0]
    bank.run(
        "CREATE TABLE keep_event AS SELECT * FROM stored_events WHERE id = 1", "DELETE FROM stored_events WHERE id = 1"
    )
    with pytest.raises(Refused, match=f"{first} begins at version 2"):
        bank.alone("SumProjector", "sums")
    bank.run("INSERT INTO stored_events SELECT * FROM keep_event", "DROP TABLE keep_event")
    with pytest.raises(Refused, match="no table nowhere"):
        bank.alone("SumProjector", "nowhere")
    bank.run("CREATE TRIGGER sums_t BEFORE INSERT ON sums FOR EACH ROW SET NEW.n = NEW.n")
    with pytest.raises(Refused, match="error 1435"):
        bank.alone("SumProjector", "sums", activate=True)
    bank.run(
        "DROP TRIGGER sums_t", "CREATE TABLE child (u varchar(40), FOREIGN KEY child_u (u) REFERENCES sums (uuid))"
    )
    with pytest.raises(Refused, match="would refer to the old table"):
        bank.alone("SumProjector", "sums", activate=True)
    bank.run(
        "DROP TABLE child",
        f"CREATE DATABASE {bank.database}_replay",
        f"CREATE TABLE {bank.database}_replay.mine (a int)",
    )
    with pytest.raises(Refused, match="which no replay made"):
        bank.alone("SumProjector", "sums")
    bank.run(f"DROP DATABASE {bank.database}_replay")


def test_one_at_a_time(bank: ReplayBank, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"runbook_replay_task_{bank.database}_replay"
    assert bank.mysql
    monkeypatch.setattr(replay_schema, "LOCK_WAIT_SECONDS", 1)
    with bank.mysql.connect() as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", [name])
        with pytest.raises(Refused, match="one replay of a store at a time"):
            bank.alone("SumProjector", "sums")


def test_a_killed_task_that_the_server_still_runs_is_waited_for(bank: ReplayBank) -> None:
    name = f"runbook_replay_task_{bank.database}_replay"
    assert bank.mysql
    with bank.mysql.connect() as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", [name])
        # The client goes while its statement runs, as after kill -9: the server keeps the lock until the statement has ended.
        other._execute_command(pymysql.constants.COMMAND.COM_QUERY, "SELECT SLEEP(2)")
        other._force_close()
    assert bank.alone("SumProjector", "sums")["verdict"] == "ok"


def start_task(parameters: dict[str, Any]) -> subprocess.Popen[str]:
    """The module's work in a process of its own."""
    code = (
        "import json, sys; from ansible_collections.finaegis.runbook.plugins.module_utils.events import replay_task; "
        "replay_task.run(json.load(sys.stdin), False)"
    )
    paths = os.pathsep.join([str(CHECKOUT / ".collections"), str(CHECKOUT / "tests")])
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        text=True,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    process.stdin.write(json.dumps(parameters))
    process.stdin.close()
    return process


class Killed:
    """One replay of the slow adding projector and one that inserts, killed again and again at moments drawn by chance."""

    OPTIONS: ClassVar[dict[str, Any]] = {
        "projectors": ["App\\Projectors\\SumProjector", "App\\Projectors\\TransactionProjector"],
        "projection_tables": ["sums", "transactions"],
        "chunk_events": 20,
    }

    def __init__(self, bank: ReplayBank, seed: int) -> None:
        self.bank, self.chance = bank, random.Random(seed)
        (bank.home / "slow").write_text("4000")

    def moment(self) -> float:
        return self.chance.uniform(0.2, 1.0)

    def finish(self) -> dict[str, Any]:
        """The run that is not killed."""
        (self.bank.home / "slow").unlink()
        found = self.bank.replay(**self.OPTIONS)
        assert found["verdict"] == "ok", found["findings"]
        assert found["events"] == sum(n for name, n in self.bank.counted().items() if "Money" in name)
        return found


def test_php_killed(bank: ReplayBank) -> None:
    killed, kills, before = Killed(bank, 1), 0, bank.checksums()
    while kills < KILLS:
        timer = threading.Timer(killed.moment(), lambda: [os.kill(pid, signal.SIGKILL) for pid in bank.pids()])
        timer.start()
        try:
            assert bank.replay(**killed.OPTIONS)["verdict"] == "ok"
        except Failed as error:
            kills += 1
            assert "ended with -9" in str(error)
            assert bank.checksums() == before  # in the middle of a replay
        finally:
            timer.cancel()
            timer.join()
    killed.finish()


def test_the_module_killed(bank: ReplayBank) -> None:
    killed = Killed(bank, 2)
    arguments = bank.parameters(**killed.OPTIONS)
    resumed = 0
    for _kill in range(KILLS):
        process = start_task(arguments)
        time.sleep(0.4 + killed.moment())
        resumed += process.poll() is None
        process.kill()
        process.wait()
    assert resumed > KILLS // 2  # most were really killed at work
    killed.finish()


def test_mariadb_killed(bank: ReplayBank, server: MysqlServer) -> None:
    killed, kills = Killed(bank, 3), 0
    argv = server.process.args

    def ask() -> None:
        knock(server)
        server.connect().close()

    assert isinstance(argv, list)
    while kills < KILLS:
        failed: list[RunbookError] = []

        def replay(failed: list[RunbookError] = failed) -> None:
            try:
                bank.replay(**killed.OPTIONS)
            except RunbookError as error:
                failed.append(error)

        thread = threading.Thread(target=replay)
        thread.start()
        time.sleep(killed.moment())
        server.process.kill()
        server.process.wait()
        thread.join(60)
        kills += bool(failed)
        log = server.directory / "mysqld.log"
        server.process = spawn([str(one) for one in argv[2:]], log)
        await_answer(server.process, ask, (OSError, pymysql.err.OperationalError), log)
    killed.finish()


@pytest.fixture
def down(bank: ReplayBank) -> Iterator[None]:
    bank.artisan("down")
    yield
    bank.artisan("up")


def in_place(bank: ReplayBank, projector: str, table: str, **more: Any) -> dict[str, Any]:
    return bank.alone(projector, table, strategy="in_place", **more)


def test_in_place_mends_says_what_it_changed_and_then_changes_nothing(bank: ReplayBank, down: None) -> None:
    bank.run("UPDATE accounts SET balance = balance + 5 ORDER BY uuid LIMIT 2")
    mended, again = (in_place(bank, "AccountProjector", "accounts") for _time in range(2))
    assert (mended["changed"], mended["drift"][0]["different"], mended["verdict"]) == (True, 2, "ok")
    assert (again["changed"], again["events"]) == (False, sum(bank.counted().values()))
    assert bank.databases() == [bank.database]


def test_in_place_is_refused_where_it_would_count_twice(bank: ReplayBank) -> None:
    with pytest.raises(Refused, match="has no resetState"):
        in_place(bank, "SumProjector", "sums")
    with pytest.raises(Refused, match="a part of the events again"):
        in_place(bank, "AccountProjector", "accounts", from_id=5)
    with pytest.raises(Refused, match="is not down"):
        in_place(bank, "AccountProjector", "accounts")


def test_in_place_gives_the_tables_back_when_it_fails(bank: ReplayBank, down: None) -> None:
    (bank.home / "throw_at").write_text("204")
    with pytest.raises(Failed, match="not to be had.*The tables are as they were before"):
        in_place(bank, "SumProjector", "sums", idempotent=["App\\Projectors\\SumProjector"])
    assert bank.databases() == [bank.database]  # and the fixture holds the live tables to their checksums


def test_in_place_killed_is_made_good_by_the_next_task(bank: ReplayBank, down: None) -> None:
    before = bank.rows()
    (bank.home / "slow").write_text("20000")
    arguments = bank.parameters(
        strategy="in_place",
        projectors=["App\\Projectors\\SumProjector"],
        projection_tables=["sums"],
        ignore_columns={},
        key_columns={},
        idempotent=["App\\Projectors\\SumProjector"],
    )
    process = start_task(arguments)
    total = bank.run("SELECT SUM(n) FROM sums")
    wait_until("the replay at work on the live table", lambda: bank.run("SELECT SUM(n) FROM sums") != total)
    process.kill()
    for pid in bank.pids():
        os.kill(pid, signal.SIGKILL)
    process.wait()
    bank.replay(cleanup=True)
    assert bank.run("SELECT SUM(n) FROM sums") == total
    assert bank.rows() == before


def test_one_aggregate_and_a_part_of_the_events(bank: ReplayBank) -> None:
    uuid = bank.run("SELECT uuid FROM accounts ORDER BY uuid LIMIT 1")[0][0]
    one = bank.alone("AccountProjector", "accounts", aggregate_uuid=uuid, aggregate_columns={"accounts": "uuid"})
    assert (one["verdict"], one["events"], one["drift"][0]["rows_live"]) == ("ok", 20, 1)
    # Adding to a copy what is in it already: what --from would do to the live table.
    head = bank.run("SELECT MAX(id) FROM stored_events WHERE event_class LIKE '%Deposited'")[0][0]
    part = bank.alone("SumProjector", "sums", from_id=head)
    assert (part["events"], part["drift"][0]["different"]) == (1, 1)
    assert [row["n"] for row in part["drift"][0]["samples"][0]["rebuilt"]] == [
        part["drift"][0]["samples"][0]["live"][0]["n"] + 1
    ]


def test_events_under_a_name_that_the_package_passes_over_are_refused(bank: ReplayBank) -> None:
    config = bank.home / "config/event-sourcing.php"
    text = config.read_text()
    config.write_text(
        text.replace("'event_class_map' => []", "'event_class_map' => ['put' => App\\Events\\MoneyDeposited::class]")
    )
    try:
        with pytest.raises(Refused, match="MoneyDeposited', which the package passes over"):
            bank.alone("SumProjector", "sums")
    finally:
        config.write_text(text)


def test_a_swap_keeps_foreign_keys_and_numbers_and_can_be_undone_with_losses_allowed(
    bank: ReplayBank, down: None
) -> None:
    bank.run(
        "CREATE TABLE held (uuid varchar(40) PRIMARY KEY)",
        "INSERT INTO held SELECT uuid FROM latest",
        "CREATE TABLE latest_too LIKE latest",
        "ALTER TABLE latest ADD CONSTRAINT latest_held FOREIGN KEY (uuid) REFERENCES held (uuid) ON DELETE CASCADE",
        "ALTER TABLE transactions AUTO_INCREMENT = 5000",
        "UPDATE latest SET reference = 'wrong' LIMIT 1",
        "DELETE FROM transactions LIMIT 1",
    )
    planted = bank.rows(), bank.run("SELECT * FROM latest ORDER BY uuid")
    both = {
        "projectors": ["App\\Projectors\\LatestProjector", "App\\Projectors\\TransactionProjector"],
        "projection_tables": ["latest", "transactions"],
    }
    swapped = bank.replay(**both, activate=True)
    assert swapped["activation"]["activated"]
    rules = bank.run(
        "SELECT CONSTRAINT_NAME, REFERENCED_TABLE_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS "
        f"WHERE CONSTRAINT_SCHEMA = '{bank.database}' AND TABLE_NAME = 'latest'"
    )
    assert rules == (("latest_held", "held", "CASCADE"),)
    status = (
        "SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{}' AND TABLE_NAME = 'transactions'"
    )
    assert bank.run(status.format(bank.database))[0][0] >= 5000
    bank.artisan("bank:deposit", "--count=1")
    assert bank.replay(True, undo=True, undo_max_events=1)["changed"] is True
    with pytest.raises(Refused, match="1 events came since"):
        bank.replay(undo=True)
    undone = bank.replay(undo=True, undo_max_events=1)
    assert (undone["undone"], undone["events_since"]) == (True, 1)
    assert bank.run("SELECT * FROM latest ORDER BY uuid") == planted[1]
    assert bank.rows()["transactions"] == planted[0]["transactions"]
