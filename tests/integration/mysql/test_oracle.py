# SPDX-License-Identifier: GPL-3.0-or-later
"""Says aloud whether this run shows anything about Oracle's MySQL."""

from __future__ import annotations

import pymysql
import pytest
from integration.mysql.oracle import NoServer, built
from integration.servers import MysqlServer


def test_this_run_has_a_real_mysql() -> None:
    """Expected to fail, with the reason, where the machine can't have it: the summary then lists it."""
    try:
        assert (built() / "mysqld").is_file()
    except NoServer as why:
        pytest.xfail(f"NOTHING IN THIS RUN WAS SHOWN ON ORACLE'S MYSQL: {why}")


def test_it_answers_over_tcp_with_its_own_kind_of_password(mysql9_server: MysqlServer) -> None:
    over_tcp = {"host": "127.0.0.1", "port": mysql9_server.port}
    account = {"user": mysql9_server.user, "password": mysql9_server.password}
    with pymysql.connect(**over_tcp, **account) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), plugin FROM mysql.user WHERE user = 'admin' LIMIT 1")
        version, plugin = cursor.fetchone()
    assert "MariaDB" not in version
    assert plugin == "caching_sha2_password"
