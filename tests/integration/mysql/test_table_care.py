# SPDX-License-Identifier: GPL-3.0-or-later
"""mysql_table_care on real servers: the plan is what the server would do, and what it says it did is seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
from integration.mysql.bank import KINDS, ask, fill, fragment, free_bytes, fresh, quote, session, wait_for
from integration.runner import Result, call_module, call_modules, run_tasks
from integration.servers import MysqlServer, start_mariadb

ALL = {"min_free_ratio": 0, "min_free_bytes": 0}


def task(server: MysqlServer, database: str, operations: str, check: bool = False, **more: Any) -> dict[str, Any]:
    args = {**server.options, "database": database, "operations": operations.split(), **more}
    return {"finaegis.runbook.mysql_table_care": args, "check_mode": check, "diff": True}


def outcomes(result: Result) -> dict[str, str]:
    return {row["table"].partition(".")[2]: row["outcome"] for row in result["tables"]}


def is_mariadb(server: MysqlServer) -> bool:
    return "MariaDB" in ask(server, "SELECT VERSION()")[0][0]


@pytest.fixture(scope="module")
def zoo(either_server: MysqlServer) -> MysqlServer:
    """The database ``zoo``: a table of every kind, a view that works and one that does not."""
    fresh(either_server, "zoo")
    for name, definition in KINDS.items():
        ask(either_server, f"CREATE TABLE zoo.{quote(name)} {definition.replace('plain', 'zoo.plain')}")
    ask(either_server, "CREATE VIEW zoo.seen AS SELECT * FROM zoo.plain")
    ask(either_server, "CREATE TABLE zoo.gone (id INT)")
    ask(either_server, "CREATE VIEW zoo.broken AS SELECT * FROM zoo.gone")
    ask(either_server, "DROP TABLE zoo.gone")
    return either_server


@pytest.fixture(scope="module")
def told(zoo: MysqlServer) -> dict[str, Result]:
    """What one play with all that needs no other preparation told."""
    tasks = {
        "planned": task(zoo, "zoo", "optimize", check=True, allow_blocking=True, **ALL),
        "optimized": task(zoo, "zoo", "optimize", allow_blocking=True, **ALL),
        "checked": task(zoo, "zoo", "check"),
        "analyzed": task(zoo, "zoo", "analyze"),
        "careful": task(zoo, "zoo", "optimize", tables=["words", "old_engine", "plain"], **ALL),
        "matched": task(zoo, "zoo", "check", patterns=["p*", "[cn]*"], tables=["seen"]),
        "view": task(zoo, "zoo", "analyze check", tables=["seen"]),
        "broken": task(zoo, "zoo", "check", tables=["broken", "plain"]),
        "missing": task(zoo, "zoo", "analyze", tables=["plain", "plian"]),
        "nowhere": task(zoo, "zo0", "analyze"),
        "late": task(zoo, "zoo", "check analyze", stop_after_seconds=0),
    }
    return dict(zip(tasks, call_modules(list(tasks.values())), strict=True))


class TestEveryKindOfTable:
    def asked_for(self, server: MysqlServer, name: str) -> str:
        """How the server itself would rebuild a table: it refuses a way that it can't go."""
        ways = {"INPLACE, LOCK=NONE": "online", "INPLACE, LOCK=SHARED": "blocks_writes", "COPY": "blocks_writes"}
        for way, mode in ways.items():
            try:
                ask(server, f"ALTER TABLE zoo.{quote(name)} FORCE, ALGORITHM={way}")
                return mode
            except pymysql.err.Error as error:
                assert error.args[0] in (1845, 1846), error
        raise AssertionError(f"{name} can't be rebuilt at all")

    def test_the_plan_says_what_the_server_says(self, zoo: MysqlServer, told: dict[str, Result]) -> None:
        said = {row["table"].partition(".")[2]: row["rebuild"] for row in told["planned"]["tables"]}
        truth = {name: self.asked_for(zoo, name) for name in KINDS if "ENGINE" not in KINDS[name]}
        assert said == {**truth, "old_engine": "blocks_all", "in_memory": None}

    def test_each_is_cared_for(self, told: dict[str, Result]) -> None:
        for result in (told["optimized"], told["checked"], told["analyzed"]):
            assert outcomes(result) == {**dict.fromkeys(KINDS, "ok"), "in_memory": "skipped"}
        assert (told["checked"]["changed"], told["analyzed"]["changed"]) == (False, True)

    def test_the_plan_is_what_was_done(self, told: dict[str, Result]) -> None:
        assert told["planned"]["diff"] == told["optimized"]["diff"]
        assert told["planned"].keys() == told["optimized"].keys()
        assert told["planned"]["changed"] and told["optimized"]["changed"]

    def test_what_blocks_is_left_alone_unless_allowed(self, told: dict[str, Result]) -> None:
        assert outcomes(told["careful"]) == {"words": "skipped", "old_engine": "skipped", "plain": "ok"}
        (words,) = [row for row in told["careful"]["tables"] if row["table"] == "zoo.words"]
        assert "FULLTEXT" in words["reason"]
        assert "allow_blocking" in words["reason"]

    def test_tables_by_pattern(self, told: dict[str, Result]) -> None:
        wanted = ["plain", "partitioned", "places", "no_key", "compressed", "computed", "child", "seen"]
        assert sorted(outcomes(told["matched"])) == sorted(wanted)

    def test_a_view_is_checked_and_has_nothing_to_analyze(self, told: dict[str, Result]) -> None:
        done = [(row["operation"], row["outcome"]) for row in told["view"]["tables"]]
        assert done == [("check", "ok"), ("analyze", "skipped")]

    def test_a_broken_view_fails_its_check(self, told: dict[str, Result]) -> None:
        assert told["broken"]["failed"]
        assert "zoo.broken" in told["broken"]["msg"]
        assert outcomes(told["broken"]) == {"broken": "failed", "plain": "ok"}

    def test_what_is_not_there_fails_before_anything_is_done(self, told: dict[str, Result]) -> None:
        assert told["missing"]["failed"] and told["nowhere"]["failed"]
        assert "'plian'" in told["missing"]["msg"]
        assert "Nothing was done" in told["missing"]["msg"]
        assert "no database 'zo0'" in told["nowhere"]["msg"]

    def test_after_the_deadline_nothing_is_begun(self, told: dict[str, Result]) -> None:
        assert told["late"]["changed"] is False
        assert {row["reason"] for row in told["late"]["tables"]} == {"stop_after_seconds was over"}

    def test_a_server_that_copies_tables_blocks_writes(self, zoo: MysqlServer) -> None:
        """``old_alter_table`` in MySQL, ``alter_algorithm`` in MariaDB, which ignores it from 11.5 on."""
        name, value = ("alter_algorithm", "COPY") if is_mariadb(zoo) else ("old_alter_table", "ON")
        ask(zoo, f"SET GLOBAL {name} = {value}")
        try:
            taken = ask(zoo, f"SHOW GLOBAL VARIABLES LIKE '{name}'")[0][1] == value
            (plan,) = run_tasks([task(zoo, "zoo", "optimize", True, allow_blocking=True, tables=["plain"], **ALL)])
        finally:
            ask(zoo, f"SET GLOBAL {name} = DEFAULT")
        assert [row["rebuild"] for row in plan["tables"]] == ["blocks_writes" if taken else "online"]


class TestFragmentation:
    def test_space_is_won_back_once(self, either_server: MysqlServer) -> None:
        fresh(either_server, "frag")
        fragment(either_server, "frag.orders")
        ask(either_server, "CREATE TABLE frag.small (id INT PRIMARY KEY)")
        file = either_server.directory / "data/frag/orders.ibd"
        size = file.stat().st_size
        planned, done, again = run_tasks(
            [
                task(either_server, "frag", "optimize", check=True, min_free_bytes=2**20),
                task(either_server, "frag", "optimize", min_free_bytes=2**20),
                task(either_server, "frag", "optimize", min_free_bytes=1, min_free_ratio=0),
            ]
        )
        assert outcomes(planned) == {"orders": "planned", "small": "skipped"}
        assert planned["disk"]["free_bytes"] > 0

        (orders,) = [row for row in done["tables"] if row["table"] == "frag.orders"]
        assert orders["outcome"] == "ok"
        assert (orders["bytes_before"], orders["bytes_after"]) == (size, file.stat().st_size)
        assert size - orders["bytes_after"] == done["freed_bytes"] >= orders["reclaimable_bytes"]
        assert orders["needed_bytes"] >= orders["bytes_after"]

        assert again["changed"] is False
        assert outcomes(again) == {"orders": "skipped", "small": "skipped"}
        assert "not fragmented" in again["tables"][0]["reason"]

    def test_free_space_that_no_rebuild_wins_back(self, either_server: MysqlServer) -> None:
        """What InnoDB keeps in a file that only ever grew, and what belongs to all tables of a shared file."""
        fresh(either_server, "kept")
        fill(either_server, "kept.grown", 14)
        ask(either_server, "SET GLOBAL innodb_file_per_table = OFF")
        try:
            ask(either_server, "CREATE TABLE kept.shared (id INT PRIMARY KEY)")
        finally:
            ask(either_server, "SET GLOBAL innodb_file_per_table = ON")
        assert free_bytes(either_server, "kept.grown") > 2**20
        (plan,) = run_tasks([task(either_server, "kept", "optimize", True, min_free_bytes=1, min_free_ratio=0)])
        reasons = {row["table"]: (row["outcome"], row["reason"][:18]) for row in plan["tables"]}
        assert reasons == {
            "kept.grown": ("skipped", "not fragmented: 0 "),
            "kept.shared": ("skipped", "it shares its file"),
        }


@pytest.fixture
def plain(either_server: MysqlServer) -> MysqlServer:
    """A server with the database ``one``, which has the table ``t`` alone, with one row."""
    fresh(either_server, "one")
    ask(either_server, "CREATE TABLE one.t (id INT PRIMARY KEY, a INT)")
    ask(either_server, "INSERT INTO one.t VALUES (1, 1)")
    return either_server


OLD = "SELECT 1 FROM information_schema.innodb_trx WHERE trx_started < NOW() - INTERVAL 1 SECOND"


@pytest.mark.parametrize("touch", ["SELECT * FROM one.t", "UPDATE one.t SET a = a + 1"], ids=["reader", "writer"])
def test_nothing_is_rebuilt_beside_an_old_transaction(plain: MysqlServer, touch: str) -> None:
    limits = {"max_transaction_seconds": 0, "lock_wait_timeout": 1}
    with session(plain, "BEGIN", touch) as other:
        wait_for(lambda: ask(plain, OLD))
        planned, refused, harmless = call_modules(
            [
                task(plain, "one", "optimize", check=True, **limits, **ALL),
                task(plain, "one", "optimize", **limits, **ALL),
                task(plain, "one", "analyze check", **limits),
            ]
        )
    for result in (planned, refused):
        assert result["failed"]
        assert not result["changed"]
        assert f"connection {other.thread_id()} of admin@localhost" in result["msg"]
        assert outcomes(result) == {"t": "planned"}
        (blocker,) = result["blockers"]
        assert blocker["id"] == other.thread_id()
        assert is_mariadb(plain) or any(lock.endswith(" one.t") for lock in blocker["locks"])
        assert blocker["transaction"]["rows_changed"] == int("UPDATE" in touch)
    assert [row["outcome"] for row in harmless["tables"]] == ["ok", "ok"]


def test_mysql_tells_who_holds_a_table_without_a_transaction(mysql9_server: MysqlServer) -> None:
    fresh(mysql9_server, "held")
    ask(mysql9_server, "CREATE TABLE held.t (id INT PRIMARY KEY)")
    with session(mysql9_server, "LOCK TABLES held.t READ") as other:
        mine = f"SELECT 1 FROM performance_schema.processlist WHERE id = {other.thread_id()} AND time > 0"
        wait_for(lambda: ask(mysql9_server, mine))
        (refused,) = call_modules([task(mysql9_server, "held", "optimize", max_transaction_seconds=0, **ALL)])
    assert [each["id"] for each in refused["blockers"]] == [other.thread_id()]
    assert "holds held.t" in refused["msg"]


def test_a_lock_that_is_not_given_up_fails_the_rebuild_soon(plain: MysqlServer) -> None:
    """The server answers with rows and no error; what queued behind is let go."""
    ask(plain, "CREATE TABLE one.u (id INT PRIMARY KEY)")
    with session(plain, "BEGIN", "SELECT * FROM one.t"):
        (failed,) = call_modules([task(plain, "one", "optimize", lock_wait_timeout=1, **ALL)])
        assert ask(plain, "SELECT a FROM one.t") == [(1,)]
    assert failed["failed"]
    assert "Lock wait timeout" in failed["msg"]
    assert outcomes(failed) == {"t": "failed", "u": "skipped"}
    assert "the rebuild of one.t failed" in failed["tables"][1]["reason"]


def test_local_keeps_it_out_of_the_binary_log(plain: MysqlServer) -> None:
    ask(plain, "FLUSH BINARY LOGS")
    for result in call_modules([task(plain, "one", "optimize", local=local, **ALL) for local in (True, False)]):
        assert outcomes(result) == {"t": "ok"}
    log = ask(plain, "SHOW BINARY LOGS")[-1][0]
    written = [str(row[5]) for row in ask(plain, f"SHOW BINLOG EVENTS IN '{log}'")]
    assert len([text for text in written if "OPTIMIZE" in text]) == 1


def test_a_replica_is_only_worked_on_by_itself(plain: MysqlServer) -> None:
    ask(plain, "SET GLOBAL read_only = ON")
    try:
        refused, done = call_modules([task(plain, "one", "analyze", local=local) for local in (False, True)])
    finally:
        ask(plain, "SET GLOBAL read_only = OFF")
    assert refused["failed"]
    assert "read_only" in refused["msg"]
    assert outcomes(refused) == {"t": "planned"}
    assert outcomes(done) == {"t": "ok"}


class TestRights:
    @pytest.fixture
    def clerk(self, plain: MysqlServer) -> Iterator[dict[str, object]]:
        """Login of a user who may read and write the database ``one`` and nothing else."""
        ask(plain, "CREATE USER 'clerk'@'127.0.0.1' IDENTIFIED BY 'canary-27'")
        ask(plain, "GRANT SELECT, INSERT ON one.* TO 'clerk'@'127.0.0.1'")
        yield {"login_user": "clerk", "login_password": "canary-27"}
        ask(plain, "DROP USER 'clerk'@'127.0.0.1'")

    def test_without_the_right_to_see_transactions_nothing_is_rebuilt(
        self, plain: MysqlServer, clerk: dict[str, object]
    ) -> None:
        refused, analyzed, wrong = run_tasks(
            [
                task(plain, "one", "optimize", **clerk, **ALL),
                task(plain, "one", "analyze", **clerk),
                task(plain, "one", "analyze", **{**clerk, "login_password": "canary-27-wrong"}),
            ],
            verbose=True,
        )
        assert refused["failed"]
        assert "PROCESS" in refused["msg"]
        assert outcomes(analyzed) == {"t": "ok"}
        assert "login_password" in wrong["msg"]
        assert "canary-27" not in wrong.output

    def test_a_right_that_is_missing_fails_that_table(self, plain: MysqlServer, clerk: dict[str, object]) -> None:
        ask(plain, "REVOKE INSERT ON one.* FROM 'clerk'@'127.0.0.1'")
        (failed,) = run_tasks([task(plain, "one", "analyze", **clerk)])
        assert outcomes(failed) == {"t": "failed"}
        assert "INSERT" in failed["msg"]


def test_bad_input_is_said(mysql_server: MysqlServer) -> None:
    wrong = {
        "between 0 and 1": {"min_free_ratio": 2},
        "at least 1": {"lock_wait_timeout": 0},
        "login_port": {"login_port": 1},
    }
    results = call_modules([task(mysql_server, "mysql", "check", **args) for args in wrong.values()])
    for said, result in zip(wrong, results, strict=True):
        assert result["failed"]
        assert said in result["msg"]


def test_a_server_killed_meanwhile_is_a_clear_failure(tmp_path: Path) -> None:
    server = start_mariadb(tmp_path)
    fresh(server, "one")
    ask(server, "CREATE TABLE one.t (id INT PRIMARY KEY)")
    ask(server, "CREATE TABLE one.u (id INT PRIMARY KEY)")
    results: list[Result] = []

    def work() -> None:
        args = {**server.options, "database": "one", "operations": ["optimize"], "lock_wait_timeout": 100, **ALL}
        results.append(call_module("mysql_table_care", args))

    with session(server, "LOCK TABLES one.t READ"):
        thread = threading.Thread(target=work)
        thread.start()
        waiting = "SELECT 1 FROM information_schema.processlist WHERE state = 'Waiting for table metadata lock'"
        wait_for(lambda: ask(server, waiting))
        server.process.kill()
        thread.join()
    server.stop()
    (failed,) = results
    assert failed["failed"]
    assert outcomes(failed) == {"t": "failed", "u": "skipped"}
    assert "closed by the server" in failed["msg"] or "error 2013" in failed["msg"]
    assert failed["tables"][1]["reason"] == "the connection was lost"
