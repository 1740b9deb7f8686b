# SPDX-License-Identifier: GPL-3.0-or-later
"""One bank a test file, called as the recorded application was: "Ref Bank" on a host named "vm"."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from integration.bank import Bank, deploy
from integration.sandbox.contract import Horizon
from integration.servers import MysqlServer, RedisServer


@pytest.fixture(scope="module")
def bank(
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: RedisServer,
    mysql_server: MysqlServer,
    request: pytest.FixtureRequest,
) -> Iterator[Bank]:
    redis_server.client().flushall()
    database = request.module.__name__.rpartition(".")[2]
    home = tmp_path_factory.mktemp("bank") / "app"
    deployed = deploy(home, redis_server, mysql_server, "ref-bank", database, hostname="vm")
    yield deployed
    deployed.stop()


@pytest.fixture(scope="module")
def horizon(bank: Bank, redis_server: RedisServer) -> Horizon:
    """Not started yet."""
    return Horizon(bank, redis_server.client())
