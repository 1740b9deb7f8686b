# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers shared by the integration tests of one run. Tests that stop or starve a server start one of their own."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from integration.s3_server import Unwell, start_s3
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


@pytest.fixture
def unwell(bucket: dict[str, Any]) -> Iterator[tuple[type[Unwell], dict[str, Any]]]:
    """A way to that S3 on which things go wrong as the test sets ``fault`` and ``cut``; and the options for it."""
    handler = type("Handler", (Unwell,), {"upstream": bucket["endpoint_url"]})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield handler, {**bucket, "endpoint_url": f"http://127.0.0.1:{server.server_port}"}
    server.shutdown()
    thread.join()
    server.server_close()
