# SPDX-License-Identifier: GPL-3.0-or-later
"""mysql_kill_idle when things are against it: a full server, missing rights, a server that dies, connections that change."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed, RunbookError
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import kill_idle, read
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.connection import Connection
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.processlist import Process
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.read import Reader
from integration.mysql.bank import ask, fresh, session, wait_for
from integration.mysql.plugin import plugin_directory
from integration.mysql.scene import Scene, params
from integration.runner import run_tasks
from integration.servers import MysqlServer, start_mariadb

MODULE = "finaegis.runbook.mysql_kill_idle"


def run(server: MysqlServer, check: bool = False, **given: Any) -> dict[str, Any]:
    """In this process, which is cheap, and where a test can step in between."""
    return kill_idle.run(params(server, **{"idle_seconds": 1.0, **given}), check)


@contextlib.contextmanager
def clients(server: MysqlServer, number: int, **login: Any) -> Iterator[list[pymysql.connections.Connection]]:
    opened: list[pymysql.connections.Connection] = []
    to = {"host": "127.0.0.1", "port": server.port, "user": "app", "password": "x", "ssl_disabled": True, **login}
    try:
        while len(opened) < number:
            opened.append(pymysql.connect(**to))
        yield opened
    finally:
        for one in opened:
            one._force_close()


def alive(server: MysqlServer, opened: Sequence[pymysql.connections.Connection]) -> int:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist")
        ids = {row[0] for row in cursor.fetchall()}
    return sum(one.thread_id() in ids for one in opened)


def fill(server: MysqlServer) -> Any:
    """Every ordinary slot taken; one that a test before gave back may still be closing."""
    until = time.monotonic() + 20
    while True:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE user IN ('app', 'killer')")
            if cursor.fetchone() == (0,):
                break
        assert time.monotonic() < until
    return clients(server, 30)


def test_a_full_server_lets_it_in_by_the_slot_in_reserve(small: MysqlServer) -> None:
    with fill(small):
        time.sleep(1.1)
        result = run(small, until_percent=50.0)
        assert result["connected_by"] == "reserved_slot", result
        assert result["threads_before"]["connected"] == 31
        assert len(result["killed"]) == 16 and result["threads_after"]["connected"] == 15


def test_a_full_server_lets_it_in_by_the_extra_port(small: MysqlServer) -> None:
    """The slot in reserve is taken too."""
    extra = {"extra_port": small.extra_port}
    with fill(small), clients(small, 1, user="killer"):
        time.sleep(1.1)
        without, with_it = run_tasks(
            [
                {MODULE: {**small.options, "idle_seconds": 1}},
                {MODULE: {**small.options, **extra, "idle_seconds": 1, "users": ["app"]}},
            ]
        )
    assert without["failed"] and "Too many connections" in without["msg"], without
    assert "extra_max_connections" in without["msg"] and without["ways_failed"][0]["way"] == "normal"
    assert with_it["connected_by"] == "extra_port" and len(with_it["killed"]) == 30
    assert [one["way"] for one in with_it["ways_failed"]] == ["normal"]


def test_without_the_right_to_see_it_ends_nobody_and_says_so(small: MysqlServer) -> None:
    with fill(small) as opened:
        for one in opened[20:]:
            one._force_close()
        time.sleep(1.1)
        blind = {**small.options, "login_user": "app", "login_password": "x", "idle_seconds": 1}
        told, failed = run_tasks([{MODULE: blind}, {MODULE: {**blind, "fail_on": ["unknown"]}}])
        assert told["verdict"] == "unknown" and not told["changed"] and told["victims"] == []
        assert told["candidates"] >= 20 and "can't be seen" in told["reason"]
        assert "PROCESS" in told.output and failed["failed"] and "Grant PROCESS" in str(failed["findings"])
        assert alive(small, opened[:20]) == 20


def test_without_the_right_to_kill_it_says_so(small: MysqlServer) -> None:
    with clients(small, 3) as opened:
        time.sleep(1.1)
        with pytest.raises(Failed, match="1095") as failed:
            run(small, login_user="seer", login_password="x")
        assert "CONNECTION ADMIN" in str(failed.value)
        assert failed.value.data["killed"] == [] and not failed.value.data["changed"]
        assert alive(small, opened) == 3


def test_its_own_user_is_no_reason_to_spare_others_of_it(small: MysqlServer) -> None:
    with clients(small, 3, user="killer") as opened:
        time.sleep(1.1)
        run(small, login_user="killer", login_password="x")
        assert alive(small, opened) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"login_password": "wrong"}, "Access denied"),
        ({"until_percent": 101}, "it is a percentage"),
        ({"until_percent": 90, "only_above_percent": 80}, "could be reached before"),
        ({"idle_seconds": 0}, "must be 1 or more"),
        ({"mode": "long_running", "until_percent": 50}, "frees no connection"),
        ({"config_file": "/nowhere"}, "option file /nowhere"),
    ],
)
def test_bad_input_is_clear(small: MysqlServer, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(Exception, match=message):
        run(small, **wrong)


def test_who_becomes_active_between_the_read_and_the_kill_is_spared(
    small: MysqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_rest = Reader.at_rest
    with clients(small, 6) as opened:
        time.sleep(1.1)
        waking, leaving, beginning = opened[0], opened[1], opened[2]

        def wake_first(self: Reader, processes: Sequence[Process]) -> set[int]:
            if not waking.__dict__.get("woken"):
                waking.woken = True
                waking.ping(reconnect=False)
                leaving.close()
                beginning.query("BEGIN")
                _until_gone(small, leaving.thread_id())
            return at_rest(self, processes)

        monkeypatch.setattr(Reader, "at_rest", wake_first)
        result = run(small, users=["app"])
        assert {one["id"]: one["reason"] for one in result["spared"]} == {
            leaving.thread_id(): "it had ended by itself",
            waking.thread_id(): "it became active",
            beginning.thread_id(): "it became active",
        }
        assert len(result["killed"]) == 3 and len(result["victims"]) == 6
        assert alive(small, [waking, beginning]) == 2


def _until_gone(server: MysqlServer, number: int) -> None:
    until = time.monotonic() + 10
    with server.connect() as connection, connection.cursor() as cursor:
        while cursor.execute("SELECT 1 FROM information_schema.processlist WHERE id = %s", [number]):
            assert time.monotonic() < until


def test_one_that_is_gone_at_its_kill_stops_nothing(small: MysqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runbook's pipeline ends at the first of those (error 1094) and the rest survive."""
    each = Connection.each
    with clients(small, 5) as opened:
        time.sleep(1.1)

        def leave_first(self: Connection, statements: Sequence[str]) -> Any:
            opened[0].close()
            _until_gone(small, opened[0].thread_id())
            return each(self, statements)

        monkeypatch.setattr(Connection, "each", leave_first)
        result = run(small, users=["app"])
    assert [one["id"] for one in result["spared"]] == [opened[0].thread_id()] and len(result["killed"]) == 4


def test_a_server_that_dies_while_killing_is_a_clear_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = start_mariadb(tmp_path / "doomed")
    each = Connection.each

    def die_after_two(self: Connection, statements: Sequence[str]) -> Any:
        yield from each(self, statements[:2])
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait()
        yield from each(self, statements[2:])

    monkeypatch.setattr(Connection, "each", die_after_two)
    with clients(server, 6, user=server.user, password=server.password):
        time.sleep(1.1)
        with pytest.raises(Failed, match="2 of 6 connections were told to end; whether they did was not seen") as error:
            run(server)
    assert len(error.value.data["killed"]) == 2 and error.value.data["changed"]


def test_a_rollback_that_takes_its_time_is_a_survivor(small: MysqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked to end nobody, so all of them are still there after the wait."""
    monkeypatch.setattr(Connection, "each", lambda self, statements: iter([None] * len(statements)))
    with clients(small, 3):
        time.sleep(1.1)
        result = run(small, users=["app"], wait_timeout=0.2)
    assert len(result["survived"]) == 3 and result["killed"] == []
    assert result["verdict"] == "warning" and "3 connections were told to end" in str(result["findings"])


def test_the_procedures_of_rds_are_used_where_they_exist(small: MysqlServer) -> None:
    """By a user who may not KILL, as on RDS."""
    ask(small, "CREATE TABLE mysql.asked (id BIGINT)")
    ask(
        small,
        "CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) BEGIN INSERT INTO mysql.asked VALUES (thread);"
        " SELECT 'done'; KILL thread; END",
    )
    try:
        ask(small, "GRANT EXECUTE ON PROCEDURE mysql.rds_kill TO seer@'%'")
        with clients(small, 3) as opened:
            time.sleep(1.1)
            result = run(small, users=["app"], login_user="seer", login_password="x")
            assert {one["id"] for one in result["killed"]} == {one.thread_id() for one in opened}
            assert {row[0] for row in ask(small, "SELECT id FROM mysql.asked")} == {one.thread_id() for one in opened}
    finally:
        ask(small, "DROP PROCEDURE mysql.rds_kill")
        ask(small, "DROP TABLE mysql.asked")


def test_a_server_that_wants_tls_says_so_and_gets_it(small: MysqlServer) -> None:
    ask(small, "SET GLOBAL require_secure_transport = ON")
    try:
        with pytest.raises(RunbookError) as without:
            run(small)
        assert "ca_cert" in without.value.advice
        assert run(small, ca_cert=small.certificate)["connected_by"] == "normal"
        with pytest.raises(RunbookError, match=r"localhost.*[Cc]ertificate|[Cc]ertificate.*localhost"):
            run(small, ca_cert=small.certificate, login_host="localhost")
        run(small, ca_cert=small.certificate, login_host="localhost", check_hostname=False)
    finally:
        ask(small, "SET GLOBAL require_secure_transport = OFF")


def test_holders_of_locks_are_seen_by_the_plugin_and_without_it_that_is_said(small: MysqlServer) -> None:
    blind = run(small, check=True)["blind_spots"]
    assert blind == ["holders of LOCK TABLES and GET_LOCK (the plugin metadata_lock_info is not loaded)"]
    if plugin_directory() is None:
        pytest.skip("MariaDB's package with the plugin metadata_lock_info can't be had on this machine")
    fresh(small, "held")
    ask(small, "CREATE TABLE held.t (id INT PRIMARY KEY)")
    ask(small, "INSTALL SONAME 'metadata_lock_info'")
    try:
        with (
            session(small, "LOCK TABLES held.t READ") as table,
            session(small, "SELECT GET_LOCK('nightly', 0)") as name,
        ):
            time.sleep(1.1)
            result = run(small)
            assert alive(small, [table, name]) == 2
    finally:
        ask(small, "UNINSTALL SONAME 'metadata_lock_info'")
    reasons = {one["id"]: one["reason"] for one in result["protected"]}
    assert reasons[table.thread_id()].startswith("it holds locks: Table metadata lock") and "held.t" in str(reasons)
    assert reasons[name.thread_id()].startswith("it holds locks: User lock") and "nightly" in str(reasons)
    assert result["blind_spots"] == []


def test_an_old_list_of_transactions_is_not_believed(
    either_server: MysqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A monitor that reads innodb_trx all the time keeps the server from renewing it, so what began since is not in it."""
    fresh(either_server, "money")
    ask(either_server, "CREATE TABLE money.t (id INT PRIMARY KEY)")
    ask(either_server, "INSERT INTO money.t VALUES (1)")
    monkeypatch.setattr(read, "_LIST_PATIENCE", 0.5)
    enough, reads = threading.Event(), []

    def poll() -> None:
        with either_server.connect() as connection, connection.cursor() as cursor:
            while not enough.wait(0.01):
                reads.append(cursor.execute("SELECT COUNT(*) FROM information_schema.innodb_trx"))

    monitor = threading.Thread(target=poll)
    monitor.start()
    try:
        wait_for(lambda: len(reads) > 3)
        with session(either_server, "BEGIN", "UPDATE money.t SET id = 2") as other:
            time.sleep(1.1)
            told = run(either_server)
            enough.set()
            monitor.join()
            clear = run(either_server, check=True)
    finally:
        enough.set()
    assert (told["verdict"], told["victims"], told["changed"]) == ("unknown", [], False), told
    assert "innodb_trx" in told["reason"]
    assert {one["id"]: one["reason"] for one in clear["protected"]}[other.thread_id()] == "a transaction is open"


def test_mysql_lets_it_in_by_its_own_ways_when_it_is_full(mysql9_server: MysqlServer) -> None:
    server = mysql9_server
    ask(server, "CREATE USER app@localhost IDENTIFIED BY 'x'")
    limit = ask(server, "SELECT @@max_connections")[0][0]
    ask(server, "SET GLOBAL max_connections = 20")
    application = dataclasses.replace(server, user="app", password="x")
    try:
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(pymysql.err.OperationalError):
                for _ in range(40):
                    stack.enter_context(session(application))
            time.sleep(2.1)
            reserved = run(server, check=True, users=["app"])
            with session(server):  # takes the slot in reserve
                with pytest.raises(RunbookError, match="no way in is left"):
                    run(server, check=True, users=["app"])
                done = run(server, users=["app"], until_percent=50.0, **server.admin)
        assert reserved["connected_by"] == "reserved_slot"
        assert done["connected_by"] == "admin_address" and done["threads_after"]["percent"] <= 50
    finally:
        ask(server, f"SET GLOBAL max_connections = {limit}")
        ask(server, "DROP USER app@localhost")


def test_wrong_password_on_mysql_is_clear(mysql9_server: MysqlServer) -> None:
    """caching_sha2_password, over TCP without TLS."""
    with pytest.raises(RunbookError, match="Access denied") as error:
        run(mysql9_server, login_password="canary-44")
    assert "canary-44" not in str(error.value) + error.value.advice


def test_a_machine_without_cryptography_is_told_what_it_lacks(mysql9_server: MysqlServer, tmp_path: Path) -> None:
    """A user that the server does not remember, so that the whole of caching_sha2_password is gone through."""
    (tmp_path / "cryptography.py").write_text("raise ImportError('not on this machine')\n")
    ask(mysql9_server, "CREATE USER new@'%' IDENTIFIED BY 'canary-45'")
    try:
        way = {**mysql9_server.options, "login_user": "new", "login_password": "canary-45"}
        task = {MODULE: way, "environment": {"PYTHONPATH": str(tmp_path)}}
        (told,) = run_tasks([task], own_process=True)
    finally:
        ask(mysql9_server, "DROP USER new@'%'")
    assert told["failed"] and not told["changed"]
    assert "Python library cryptography, which is missing" in told["msg"] and "pip install cryptography" in told["msg"]
    assert "canary-45" not in told.output


def test_it_does_the_same_on_mysql(mysql9_server: MysqlServer) -> None:
    """The same kinds, fewer of each; caching_sha2_password is MySQL's own way to log in."""
    scene = Scene(mysql9_server, scale=0.1)
    try:
        scene.fill()
        idle = scene.ids("app", "shop", "report", "bare")
        planned = run(mysql9_server, check=True, idle_seconds=scene.IDLE_SECONDS)
        (done,) = run_tasks([{MODULE: {**mysql9_server.options, "idle_seconds": scene.IDLE_SECONDS}}])
        again = run(mysql9_server, idle_seconds=scene.IDLE_SECONDS)
        long_ones = run(mysql9_server, mode="long_running", query_seconds=1.0)
        assert {one["id"] for one in planned["victims"]} == {one["id"] for one in done["killed"]} == idle, done
        assert done["source"] == "performance_schema.processlist" and done["blind_spots"] == []
        assert not again["changed"]
        assert {one["id"] for one in long_ones["killed"]} == scene.ids("running")
        reasons = {one["id"]: one["reason"] for one in done["protected"]}
        assert {reasons[number] for number in scene.ids("changing", "reading")} == {"a transaction is open"}
        assert all("it holds locks" in reasons[number] for number in scene.ids("tables", "named_lock"))
        blocks = {one["id"]: one["transaction"]["blocks"] for one in done["protected"] if one["transaction"]}
        assert blocks[scene.held["changing"][0].thread_id()] == list(scene.ids("waiting"))
        assert scene.dead() == {"app", "shop", "report", "bare"}
    finally:
        scene.close()
