# SPDX-License-Identifier: GPL-3.0-or-later
"""Both kinds of server; Oracle's MySQL only where the machine can have it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from integration.mysql.oracle import NoServer, start_mysql
from integration.servers import MysqlServer


@pytest.fixture(scope="session")
def mysql9_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """One MySQL for the whole run; what needs it is skipped where it can't be had (see test_oracle.py)."""
    try:
        server = start_mysql(tmp_path_factory.mktemp("mysql"))
    except NoServer as why:
        pytest.skip(f"no Oracle MySQL on this machine: {why}")
    yield server
    server.stop()


@pytest.fixture(scope="session", params=["mariadb", "mysql"])
def either_server(request: pytest.FixtureRequest) -> MysqlServer:
    """Each test that takes it runs on MariaDB and on MySQL."""
    server: MysqlServer = request.getfixturevalue({"mariadb": "mysql_server", "mysql": "mysql9_server"}[request.param])
    return server
