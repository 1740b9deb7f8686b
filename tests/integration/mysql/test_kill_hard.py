# SPDX-License-Identifier: GPL-3.0-or-later
"""mysql_kill_idle when things are against it: a full server, missing rights, a server that dies, connections that change."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import kill_idle
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.connection import Connection
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.processlist import Process
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.read import Reader
from ansible_collections.finaegis.runbook.plugins.modules import mysql_kill_idle
from integration.mysql.scene import Scene
from integration.runner import run_module, run_tasks
from integration.servers import MysqlServer, free_port, start_mariadb

MODULE = "finaegis.runbook.mysql_kill_idle"


def params(server: MysqlServer, **given: Any) -> dict[str, Any]:
    """For a run in this process, where a test can step in between."""
    spec = mysql_kill_idle.argument_spec()
    return {**{name: one.get("default") for name, one in spec.items()}, **server.options, "idle_seconds": 1.0, **given}


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


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """Thirty ordinary slots, one in reserve, and an extra port."""
    extra = free_port()
    server = start_mariadb(
        tmp_path_factory.mktemp("small"), "--max-connections=30", f"--extra-port={extra}", "--extra-max-connections=2"
    )
    server.extra_port = extra
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE USER app@'%' IDENTIFIED BY 'x'")
        cursor.execute("CREATE USER seer@'%' IDENTIFIED BY 'x'")
        cursor.execute("GRANT PROCESS ON *.* TO seer@'%'")
        cursor.execute("CREATE USER killer@'%' IDENTIFIED BY 'x'")
        cursor.execute("GRANT PROCESS, CONNECTION ADMIN ON *.* TO killer@'%'")
    yield server
    server.stop()


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
        result = run_module("mysql_kill_idle", {**small.options, "idle_seconds": 1, "until_percent": 50})
        assert result["connected_by"] == "reserved_slot", result
        assert result["threads_before"]["connected"] == 31
        assert len(result["killed"]) == 16 and result["threads_after"]["connected"] == 15


def test_a_full_server_lets_it_in_by_the_extra_port(small: MysqlServer) -> None:
    """The slot in reserve is taken too."""
    extra = {"extra_port": small.extra_port}
    with fill(small), clients(small, 1, user="killer"):
        time.sleep(1.1)
        without, with_it = run_tasks([
            {MODULE: {**small.options, "idle_seconds": 1}},
            {MODULE: {**small.options, **extra, "idle_seconds": 1, "users": ["app"]}},
        ])  # fmt: skip
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
        result = run_module(
            "mysql_kill_idle", {**small.options, "login_user": "seer", "login_password": "x", "idle_seconds": 1}
        )
        assert result["failed"] and "CONNECTION ADMIN" in result["msg"] and "1095" in result["msg"], result
        assert result["killed"] == [] and not result["changed"]
        assert alive(small, opened) == 3


def test_its_own_user_is_no_reason_to_spare_others_of_it(small: MysqlServer) -> None:
    with clients(small, 3, user="killer") as opened:
        time.sleep(1.1)
        run_module(
            "mysql_kill_idle", {**small.options, "login_user": "killer", "login_password": "x", "idle_seconds": 1}
        )
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
    """In this process, because only the message is looked at."""
    with pytest.raises(Exception, match=message):
        kill_idle.run(params(small, **wrong), check_mode=False)


def test_who_becomes_active_between_the_read_and_the_kill_is_spared(
    small: MysqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_again = Reader.again
    with clients(small, 6) as opened:
        time.sleep(1.1)
        waking, leaving, beginning = opened[0], opened[1], opened[2]

        def wake_first(self: Reader, ids: Sequence[int]) -> dict[int, Process]:
            if not waking.__dict__.get("woken"):
                waking.woken = True
                waking.ping(reconnect=False)
                leaving.close()
                beginning.query("BEGIN")
                _until_gone(small, leaving.thread_id())
            return look_again(self, ids)

        monkeypatch.setattr(Reader, "again", wake_first)
        result = kill_idle.run(params(small, users=["app"]), check_mode=False)
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
        result = kill_idle.run(params(small, users=["app"]), check_mode=False)
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
            kill_idle.run(params(server), check_mode=False)
    assert len(error.value.data["killed"]) == 2 and error.value.data["changed"]


def test_a_rollback_that_takes_its_time_is_a_survivor(small: MysqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is asked to end nobody, so all of them are still there after the wait."""
    monkeypatch.setattr(Connection, "each", lambda self, statements: iter([None] * len(statements)))
    with clients(small, 3):
        time.sleep(1.1)
        result = kill_idle.run(params(small, users=["app"], wait_timeout=0.2), check_mode=False)
    assert len(result["survived"]) == 3 and result["killed"] == []
    assert result["verdict"] == "warning" and "3 connections were told to end" in str(result["findings"])


def test_the_procedures_of_rds_are_used_where_they_exist(tmp_path: Path) -> None:
    server = start_mariadb(tmp_path / "rds")
    try:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE mysql.asked (id BIGINT)")
            cursor.execute(
                "CREATE PROCEDURE mysql.rds_kill(IN thread BIGINT) BEGIN INSERT INTO mysql.asked VALUES (thread);"
                " SELECT 'done'; KILL thread; END"
            )
        with clients(server, 3, user=server.user, password=server.password) as opened:
            time.sleep(1.1)
            result = run_module("mysql_kill_idle", {**server.options, "idle_seconds": 1})
            assert len(result["killed"]) == 3, result
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute("SELECT id FROM mysql.asked")
                assert {row[0] for row in cursor.fetchall()} == {one.thread_id() for one in opened}
    finally:
        server.stop()


def test_a_server_that_wants_tls_says_so_and_gets_it(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2",
         "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    server = start_mariadb(
        tmp_path / "tls", f"--ssl-cert={certificate}", f"--ssl-key={key}", "--require-secure-transport=ON"
    )
    try:
        without, with_it, other_name, unchecked = run_tasks([
            {MODULE: {**server.options, **more}}
            for more in (
                {},
                {"ca_cert": certificate},
                {"ca_cert": certificate, "login_host": "localhost"},
                {"ca_cert": certificate, "login_host": "localhost", "check_hostname": False},
            )
        ])  # fmt: skip
    finally:
        server.stop()
    assert without["failed"] and "requires TLS (ca_cert)" in without["msg"], without
    assert with_it["verdict"] == "ok"
    assert other_name["failed"] and "localhost" in other_name["msg"] and "certificate" in other_name["msg"].lower()
    assert unchecked["verdict"] == "ok"


def test_it_does_the_same_on_mysql(mysql9_server: MysqlServer) -> None:
    """The same kinds, fewer of each; caching_sha2_password is MySQL's own way to log in."""
    scene = Scene(mysql9_server, scale=0.1)
    try:
        scene.fill()
        options = {**mysql9_server.options, "idle_seconds": scene.IDLE_SECONDS}
        planned = run_module("mysql_kill_idle", options, check=True)
        done, again, long_ones = run_tasks([
            {MODULE: options}, {MODULE: options}, {MODULE: {**options, "mode": "long_running", "query_seconds": 1}}
        ])  # fmt: skip
        idle = scene.ids("app", "shop", "report", "bare")
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
