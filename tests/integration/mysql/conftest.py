# SPDX-License-Identifier: GPL-3.0-or-later
"""Both kinds of server; Oracle's MySQL only where the machine can have it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from integration.mysql.bank import ask
from integration.mysql.oracle import NoServer, start_mysql
from integration.mysql.plugin import plugin_directory
from integration.servers import MysqlServer, free_port, start_mariadb


@pytest.fixture(scope="session")
def mysql9_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """One MySQL for the whole run; what needs it is skipped where it can't be had (see test_oracle.py)."""
    port = free_port()
    try:
        server = start_mysql(tmp_path_factory.mktemp("mysql"), "--admin-address=127.0.0.1", f"--admin-port={port}")
    except NoServer as why:
        pytest.skip(f"no Oracle MySQL on this machine: {why}")
    server.admin = {"admin_address": "127.0.0.1", "admin_port": port}
    yield server
    server.stop()


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """A MariaDB with an extra port, a certificate for 127.0.0.1, and thirty ordinary slots besides the one in reserve."""
    place, extra = tmp_path_factory.mktemp("small"), free_port()
    key, certificate = str(place / "key.pem"), str(place / "cert.pem")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            key,
            "-out",
            certificate,
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    plugins = plugin_directory()
    server = start_mariadb(
        place / "server",
        *("--max-connections=30", f"--extra-port={extra}", "--extra-max-connections=2"),
        *(f"--ssl-cert={certificate}", f"--ssl-key={key}"),
        *([f"--plugin-dir={plugins}"] if plugins else []),
    )
    server.extra_port, server.certificate = extra, certificate
    for statement in (
        "CREATE USER app@'%' IDENTIFIED BY 'x'",
        "CREATE USER seer@'%' IDENTIFIED BY 'x'",
        "GRANT PROCESS ON *.* TO seer@'%'",
        "CREATE USER killer@'%' IDENTIFIED BY 'x'",
        "GRANT PROCESS, CONNECTION ADMIN ON *.* TO killer@'%'",
    ):
        ask(server, statement)
    yield server
    server.stop()


@pytest.fixture(scope="session", params=["mariadb", "mysql"])
def either_server(request: pytest.FixtureRequest) -> MysqlServer:
    """Each test that takes it runs on MariaDB and on MySQL."""
    server: MysqlServer = request.getfixturevalue({"mariadb": "mysql_server", "mysql": "mysql9_server"}[request.param])
    return server
