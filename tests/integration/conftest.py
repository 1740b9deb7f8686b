# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers shared by the integration tests of one run. Tests that stop or starve a server start one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from integration.s3_server import start_s3
from integration.servers import MysqlServer, RedisServer, start_mariadb, start_redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for the whole run; see ``clean_redis``."""
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def clean_redis(redis_server: RedisServer) -> RedisServer:
    """The shared Redis, emptied."""
    redis_server.client().flushall()
    return redis_server


@pytest.fixture(scope="session")
def mysql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """One MariaDB for the whole run; tests make databases of their own in it."""
    server = start_mariadb(tmp_path_factory.mktemp("mariadb"))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The options that reach one S3 server for the whole run, which has the bucket ``bank``; tests take prefixes of their own."""
    process, options = start_s3(tmp_path_factory.mktemp("s3") / "log")
    yield options
    process.terminate()
    process.wait()
