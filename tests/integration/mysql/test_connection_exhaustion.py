# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook connection_exhaustion on a private server with few slots. php-fpm is tested on systemd, in molecule."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pymysql
import pytest
from integration.mysql.bank import ask, fresh, session, wait_for
from integration.mysql.playbooks import Environment
from integration.servers import MysqlServer, RedisServer, free_port, start_mariadb

SLOTS = 40
POLICY = {"connection_exhaustion_policy": {"idle_seconds": 1, "users": ["app"]}}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """A MariaDB with 40 slots, an extra port, and the user of an application."""
    extra = free_port()
    settings = [f"--max-connections={SLOTS}", f"--extra-port={extra}", "--extra-max-connections=2"]
    server = start_mariadb(tmp_path_factory.mktemp("small"), *settings)
    server.extra_port = extra
    ask(server, "CREATE USER 'app'@'localhost' IDENTIFIED BY 'app'")
    ask(server, "GRANT ALL ON *.* TO 'app'@'localhost'")
    fresh(server, "bank")
    ask(server, "CREATE TABLE bank.accounts (id INT PRIMARY KEY)")
    yield server
    server.stop()


@pytest.fixture
def place(small: MysqlServer, redis_server: RedisServer, tmp_path: Path) -> Environment:
    extra = {"connection_exhaustion_ways_in": {"extra_port": small.extra_port}}
    return Environment(tmp_path, small, redis_server, extra)


def sleepers(server: MysqlServer) -> int:
    sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app' AND command = 'Sleep' AND time >= 1"
    return int(ask_extra(server, sql)[0][0])


def ask_extra(server: MysqlServer, sql: str) -> list[tuple[Any, ...]]:
    """Through the extra port, because the others may all be taken."""
    place = {"host": "127.0.0.1", "port": server.extra_port}
    with (
        pymysql.connect(user=server.user, password=server.password, **place) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)
        return list(cursor.fetchall())


@pytest.fixture
def crowd(small: MysqlServer) -> Iterator[Any]:
    """``crowd(number, *statements)`` opens idle connections of the application and waits until they have slept for a second."""
    application = dataclasses.replace(small, user="app", password="app")
    with ExitStack() as stack:

        def come(number: int, *statements: str) -> None:
            for _ in range(number):
                stack.enter_context(session(application, *statements))
            wait_for(lambda: sleepers(small) >= number)

        yield come
    # The next test must find an empty house.
    wait_for(
        lambda: int(ask(small, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'")[0][0]) == 0
    )


def test_idle_connections_make_room_once(place: Environment, crowd: Any) -> None:
    crowd(36)
    planned, output, code = place.run("connection_exhaustion", "--check", **POLICY)
    assert code == 0, output
    assert planned["outcome"] == "planned"
    assert planned["killed"] == []
    assert sleepers(place.mysql) == 36
    assert not place.records.exists()

    done, output, code = place.run("connection_exhaustion", "-vvv", **POLICY)
    assert code == 0, output
    assert (done["outcome"], done["verdict"]) == ("freed", "ok")
    assert {each["id"] for each in done["killed"]} == {each["id"] for each in planned["victims"]}
    assert sleepers(place.mysql) == 36 - len(done["killed"])
    assert done["after"]["percent"] <= 70 + 100 / SLOTS  # the look itself is one more
    assert json.loads(Path(done["record"]).read_text()) == done
    saved = json.loads(Path(done["processlist"]).read_text())
    assert sum(process["user"] == "app" for process in saved["processes"]) == 36
    assert place.mysql.password not in output
    for path in place.records.iterdir():
        assert place.mysql.password not in path.read_text()
        assert path.stat().st_mode & 0o077 == 0

    again, output, code = place.run("connection_exhaustion", **POLICY)
    assert code == 0, output
    assert again["outcome"] == "not_needed"
    assert output.count('"changed": 0,') == 2


def test_a_full_server_is_entered_through_the_way_for_operators(place: Environment, crowd: Any) -> None:
    crowd(SLOTS + 1)  # with the slot in reserve, which this application may use
    closed, output, code = place.run("connection_exhaustion", **POLICY, connection_exhaustion_ways_in={})
    assert code != 0
    assert closed == {}
    assert "no way in is left" in output
    done, output, code = place.run("connection_exhaustion", **POLICY)
    assert code == 0, output
    assert (done["outcome"], done["connected_by"]) == ("freed", "extra_port")
    assert done["before"]["percent"] > 100


def test_more_than_allowed_ends_nobody(place: Environment, crowd: Any) -> None:
    crowd(36)
    refused, output, code = place.run("connection_exhaustion", **POLICY, connection_exhaustion_max_kills=3)
    assert code != 0
    assert (refused["outcome"], refused["verdict"]) == ("failed", "critical")
    assert "max_kills is 3" in refused["message"]
    assert len(refused["victims"]) > 3
    assert sleepers(place.mysql) == 36
    assert json.loads(Path(refused["record"]).read_text()) == refused


def test_what_must_not_be_ended_is_told_when_it_is_not_enough(place: Environment, crowd: Any) -> None:
    crowd(39, "BEGIN", "SELECT * FROM bank.accounts")
    full, output, code = place.run("connection_exhaustion", **POLICY, connection_exhaustion_verify_seconds=1)
    assert code != 0
    assert (full["outcome"], full["verdict"]) == ("still_full", "critical")
    assert full["killed"] == []
    assert len(full["protected"]) == 39
    assert "not enough" in full["message"]


def test_limits_that_can_not_be_meant(place: Environment) -> None:
    wrong, output, code = place.run("connection_exhaustion", connection_exhaustion_until_percent=90)
    assert code != 0
    assert "must not be above" in output
