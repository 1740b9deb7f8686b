# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers that the other tests stand on."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.runner import run_module, run_tasks
from integration.servers import MysqlServer, RedisServer, start_redis


def test_redis_answers_and_knows_its_password(clean_redis: RedisServer) -> None:
    assert clean_redis.client().dbsize() == 0


def test_mariadb_answers_its_administrator(mysql_server: MysqlServer) -> None:
    with mysql_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER(), @@log_bin, @@port")
        assert cursor.fetchone() == ("admin@localhost", 1, mysql_server.port)


def test_a_stopped_server_is_gone(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    server.stop()
    assert not Path(f"/proc/{server.pid}").exists()


def test_a_module_that_is_not_there_is_said() -> None:
    with pytest.raises(AssertionError, match="no_such_module"):
        run_module("no_such_module", {})


def test_the_result_of_a_module_comes_back() -> None:
    done, failed = run_tasks([{"ansible.builtin.ping": {"data": "x"}}, {"ansible.builtin.ping": {"data": "crash"}}])
    assert done["ping"] == "x"
    assert failed["failed"]
