# SPDX-License-Identifier: GPL-3.0-or-later
"""mysql_health_info on real servers: what it tells was arranged, and what it may not see it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from integration.mysql.bank import ask, fill, fragment, fresh, running, session, wait_for
from integration.mysql.oracle import NoServer, start_mysql
from integration.runner import Result, call_modules, run_tasks
from integration.servers import MysqlServer, start_mariadb

SECTIONS = ["connections", "transactions", "locks", "replication", "statements", "tables", "buffer_pool"]


def task(server: MysqlServer, *gather: str, **more: Any) -> dict[str, Any]:
    args = {**server.options, "gather": list(gather) or SECTIONS, **more}
    return {"finaegis.runbook.mysql_health_info": args}


def health(server: MysqlServer, *gather: str, **more: Any) -> Result:
    return call_modules([task(server, *gather, **more)])[0]


def is_mariadb(server: MysqlServer) -> bool:
    return "MariaDB" in ask(server, "SELECT VERSION()")[0][0]


def verdicts(result: Result) -> dict[str, str]:
    return {finding["check"]: finding["verdict"] for finding in result["findings"]}


@pytest.fixture
def bank(either_server: MysqlServer) -> MysqlServer:
    fresh(either_server, "bank")
    ask(either_server, "CREATE TABLE bank.accounts (id INT PRIMARY KEY, balance INT)")
    ask(either_server, "INSERT INTO bank.accounts VALUES (1, 10), (2, 20)")
    return either_server


def test_a_quiet_server_is_fine_and_each_section_is_there(bank: MysqlServer) -> None:
    fragment(bank, "bank.jobs")
    fill(bank, "bank.orders", 4)
    whole, checked = run_tasks([task(bank, critical_percent=99.9), {**task(bank), "check_mode": True}])
    assert not whole.get("failed") and whole["changed"] is False
    assert checked.keys() == whole.keys()
    assert verdicts(whole) == dict.fromkeys(
        ["connections", "connections_peak", "transactions", "locks", "replication"], "ok"
    )
    assert whole["verdict"] == "ok"
    assert whole["connected_by"] == "normal"
    assert whole["connections"]["used"] >= 1
    assert whole["connections"]["maximum"] == ask(bank, "SELECT @@max_connections")[0][0]
    assert (whole["transactions"], whole["lock_waits"]) == ([], [])
    assert whole["replication"] == {"read_only": False, "channels": []}
    assert whole["buffer_pool"]["bytes"] == 64 * 2**20 or is_mariadb(bank)
    assert whole["tables"]["hidden"] == 0
    # Other tests' databases are on the server too.
    fragmented, biggest = (
        [entry for entry in whole["tables"][ranking] if entry["table"].startswith("bank.")]
        for ranking in ("most_fragmented", "biggest")
    )
    assert fragmented[0]["table"] == "bank.jobs"
    size = (bank.directory / "data/bank/jobs.ibd").stat().st_size
    assert {"table": "bank.jobs", "bytes": size}.items() <= biggest[0].items()
    if is_mariadb(bank):
        assert whole["slow_statements"]["source"] is None
        assert "slow_query_log is OFF" in whole["slow_statements"]["why"]
    else:
        assert whole["slow_statements"]["source"] == "performance_schema"


def waiting(server: MysqlServer, number: int) -> bool:
    states = "state LIKE 'Waiting for%lock' OR state IN ('User lock', 'Updating')"
    (row,) = ask(server, f"SELECT COUNT(*) FROM information_schema.processlist WHERE {states}")
    return bool(row[0] >= number)


def shape(nodes: list[dict[str, Any]]) -> list[Any]:
    return [(node["id"], node["waits_for"], shape(node["blocks"])) for node in nodes]


def test_row_locks_make_a_tree(bank: MysqlServer) -> None:
    with ExitStack() as stack:
        change = "UPDATE accounts SET balance = balance + 7 WHERE id = 1"
        head = stack.enter_context(session(bank, "BEGIN", change, database="bank")).thread_id()
        second = running(stack, bank, "BEGIN", change, database="bank")
        wait_for(lambda: waiting(bank, 1))
        third = running(stack, bank, "BEGIN", change, database="bank")
        wait_for(lambda: waiting(bank, 2))
        limits = {"transaction_warning_seconds": -1, "lock_wait_warning_seconds": -1}
        told = health(bank, "locks", "transactions", **limits)
        row = "row of bank.accounts"
        assert shape(told["lock_waits"]) == [(head, "", [(second, row, [(third, row, [])])])]
        (root,) = told["lock_waits"]
        assert root["blocks"][0]["statement"] == "UPDATE accounts SET balance = balance + ? WHERE id = ?"
        assert {each["id"] for each in told["transactions"]} == {head, second, third}
        assert told["verdict"] == "warning"
        assert verdicts(told) == {"transactions": "warning", "locks": "warning"}


def test_ddl_that_waits_makes_a_tree(bank: MysqlServer) -> None:
    with ExitStack() as stack:
        head = stack.enter_context(session(bank, "BEGIN", "SELECT * FROM bank.accounts")).thread_id()
        ddl = running(stack, bank, "ALTER TABLE accounts ADD COLUMN x INT", database="bank")
        wait_for(lambda: waiting(bank, 1))
        reader = running(stack, bank, "SELECT * FROM accounts", database="bank")
        wait_for(lambda: waiting(bank, 2))
        told = health(bank, "locks")
        if is_mariadb(bank):
            state = "Waiting for table metadata lock"
            assert shape(told["lock_waits"]) == [(None, "", [(ddl, state, []), (reader, state, [])])]
        else:
            table = "table bank.accounts"
            assert shape(told["lock_waits"]) == [(head, "", [(ddl, table, [(reader, table, [])])])]


def test_what_may_not_be_seen_is_unknown(bank: MysqlServer) -> None:
    ask(bank, "CREATE USER 'clerk'@'127.0.0.1' IDENTIFIED BY 'canary-31'")
    ask(bank, "GRANT SELECT ON bank.* TO 'clerk'@'127.0.0.1'")
    clerk = {"login_user": "clerk", "login_password": "canary-31"}
    try:
        (bare,) = run_tasks([task(bank, critical_percent=99.9, **clerk)], verbose=True)
        ask(bank, "GRANT PROCESS ON *.* TO 'clerk'@'127.0.0.1'")
        fresh(bank, "vault")
        ask(bank, "CREATE TABLE vault.keys_ (id INT PRIMARY KEY)")
        seen, failed = run_tasks([task(bank, "tables", **clerk), task(bank, "tables", **clerk, fail_on=["unknown"])])
    finally:
        ask(bank, "DROP USER 'clerk'@'127.0.0.1'")
    assert bare["verdict"] == "unknown"
    unknown = {"transactions": "unknown", "locks": "unknown", "replication": "unknown", "tables": "unknown"}
    if not is_mariadb(bank):
        unknown["statements"] = "unknown"
    assert verdicts(bare) == {"connections": "ok", "connections_peak": "ok", **unknown}
    assert [bare[key] for key in ("transactions", "lock_waits", "replication", "tables")] == [None] * 4
    assert "canary-31" not in bare.output
    assert seen["tables"]["hidden"] >= 1
    assert verdicts(seen) == {"tables": "unknown"}
    assert not seen.get("failed")
    assert failed["failed"]
    assert "may not see" in failed["msg"]
    assert failed["tables"] == seen["tables"]


def test_the_slow_log_in_its_table(mysql_server: MysqlServer) -> None:
    fresh(mysql_server, "slow")
    ask(mysql_server, "SET GLOBAL log_output = 'TABLE', slow_query_log = ON, long_query_time = 0.1")
    try:
        for secret in ("canary-a", "canary-b"):
            with session(mysql_server, f"SELECT SLEEP(0.2), '{secret}'", database="slow"):
                pass
        found, other = call_modules(
            [
                task(mysql_server, "statements", slow_seconds=0.15),
                task(mysql_server, "statements", slow_seconds=100),
            ]
        )
    finally:
        ask(mysql_server, "SET GLOBAL log_output = 'FILE', slow_query_log = OFF, long_query_time = 10")
    slow = found["slow_statements"]
    assert slow["source"] == "mysql.slow_log"
    assert slow["since"] is not None
    (entry,) = [each for each in slow["statements"] if each["database"] == "slow"]
    assert (entry["statement"], entry["times"]) == ("SELECT SLEEP(?), ?", 2)
    assert entry["total_seconds"] >= 0.4
    assert "canary-a" not in found.output
    assert other["slow_statements"]["statements"] == []


def test_performance_schema_tells_slow_statements(mysql9_server: MysqlServer) -> None:
    fresh(mysql9_server, "slow")
    # Other tests' statements are many and slower; only the worst are listed.
    ask(mysql9_server, "TRUNCATE TABLE performance_schema.events_statements_summary_by_digest")
    with session(mysql9_server, "SELECT SLEEP(0.3), 'canary-c'", database="slow"):
        pass
    slow = health(mysql9_server, "statements", slow_seconds=0.25)["slow_statements"]
    (entry,) = [each for each in slow["statements"] if each["database"] == "slow"]
    assert "SLEEP" in entry["statement"]
    assert "canary" not in entry["statement"]
    assert entry["longest_seconds"] >= 0.3
    assert slow["since"] <= entry["first_seen"]


@pytest.fixture(params=["mariadb", "mysql"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[MysqlServer, MysqlServer, str]]:
    """A primary and a replica of it that runs."""
    start = start_mariadb if request.param == "mariadb" else start_mysql
    servers = []
    try:
        primary = start(tmp_path / "primary")
        servers.append(primary)
        replica = start(tmp_path / "replica", "--server-id=2", "--read-only")
        servers.append(replica)
        words = ("MASTER", "SLAVE") if request.param == "mariadb" else ("REPLICATION SOURCE", "REPLICA")
        prefix = "MASTER" if request.param == "mariadb" else "SOURCE"
        key = "" if request.param == "mariadb" else ", GET_SOURCE_PUBLIC_KEY=1"
        # From here on, without the making of the users, which have other passwords on the replica.
        log, position = ask(primary, "SHOW BINARY LOGS")[-1][:2]
        ask(
            replica,
            f"CHANGE {words[0]} TO {prefix}_HOST='127.0.0.1', {prefix}_PORT={primary.port}, {prefix}_USER='{primary.user}',"
            f" {prefix}_PASSWORD='{primary.password}', {prefix}_LOG_FILE='{log}', {prefix}_LOG_POS={position}{key}",
        )
        ask(replica, f"START {words[1]}")
        yield primary, replica, words[1]
    except NoServer as why:
        pytest.skip(f"no Oracle MySQL on this machine: {why}")
    finally:
        for server in servers:
            server.stop()


def test_a_replica(pair: tuple[MysqlServer, MysqlServer, str]) -> None:
    primary, replica, word = pair
    ask(primary, "CREATE DATABASE copied")
    wait_for(lambda: ask(replica, "SHOW DATABASES LIKE 'copied'"))
    caught_up = {"source": "127.0.0.1", "receiving": "Yes", "applying": "Yes", "lag_seconds": 0, "error": ""}

    def look() -> dict[str, Any]:
        (told,) = call_modules([task(replica, "replication")])
        return told

    # The server may still count the second that the last event took.
    wait_for(lambda: look()["replication"]["channels"][0].items() >= caught_up.items())
    running = look()
    assert running["replication"]["read_only"] is True
    assert verdicts(running) == {"replication": "ok"}

    ask(primary, "CREATE TABLE copied.t (id INT PRIMARY KEY)")
    wait_for(lambda: ask(replica, "SHOW TABLES FROM copied"))
    ask(replica, "INSERT INTO copied.t VALUES (1)")
    ask(primary, "INSERT INTO copied.t VALUES (1)")
    # MySQL's own sentence only says which worker failed and where to read more.
    show, said = (
        ("SHOW ALL SLAVES STATUS", "Duplicate entry")
        if word == "SLAVE"
        else ("SHOW REPLICA STATUS", "failed executing")
    )
    # The error is told a moment before the thread has stopped.
    wait_for(lambda: any(said in str(cell) for cell in ask(replica, show)[0]))
    wait_for(lambda: look()["replication"]["channels"][0]["applying"] == "No")
    (broken,) = call_modules([task(replica, "replication", fail_on=["critical"])])
    assert broken["failed"]
    assert said in broken["msg"]
    assert broken["replication"]["channels"][0]["applying"] == "No"


@pytest.mark.parametrize("kind", ["mariadb", "mysql"])
def test_a_full_server_is_looked_at_through_the_way_for_operators(kind: str, tmp_path: Path) -> None:
    from integration.servers import free_port

    extra = free_port()
    settings = {
        "mariadb": [f"--extra-port={extra}", "--extra-max-connections=2"],
        "mysql": ["--admin-address=127.0.0.1", f"--admin-port={extra}"],
    }
    try:
        server = (start_mariadb if kind == "mariadb" else start_mysql)(
            tmp_path, "--max-connections=10", *settings[kind]
        )
    except NoServer as why:
        pytest.skip(f"no Oracle MySQL on this machine: {why}")
    way = {"extra_port": extra} if kind == "mariadb" else {"admin_address": "127.0.0.1", "admin_port": extra}
    with ExitStack() as stack:
        stack.callback(server.stop)
        for _ in range(11):  # with the slot that is kept for administrators
            stack.enter_context(session(server))
        told, refused = call_modules([task(server, "connections", **way), task(server, "connections")])
    assert told["connected_by"] == next(iter(way))
    assert told["verdict"] == "critical"
    assert told["connections"]["percent"] >= 100
    assert told["connections"]["refused"] >= 1
    assert refused["failed"]
    assert "full" in refused["msg"]
