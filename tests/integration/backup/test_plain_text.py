# SPDX-License-Identifier: GPL-3.0-or-later
"""A dump whose bytes are taken as they are is the same dump, and is only made where it is."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import source
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.engines.dump import Dump, argv, as_utf8
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import connection as mysql
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import option_file
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.login import Login, client_options
from integration.servers import MysqlServer

DATABASE = "plain_text"
SCHEMA = [
    "CREATE TABLE `täble €` (id INT PRIMARY KEY AUTO_INCREMENT, `cölumn` VARCHAR(200) DEFAULT 'défault €😀' COMMENT 'cömment',"
    " e ENUM('ä', '€') DEFAULT '€', s SET('x', 'ü'), t MEDIUMTEXT, a VARCHAR(50) CHARACTER SET ascii,"
    " o VARCHAR(50) CHARACTER SET utf8mb3, j JSON, u UUID, i INET6, d DOUBLE, at DATETIME(6), n DECIMAL(30, 10),"
    " twice VARCHAR(420) AS (CONCAT(`cölumn`, 'ä')) STORED) DEFAULT CHARSET=utf8mb4 COMMENT 'täble'",
    r"INSERT INTO `täble €` (`cölumn`, e, s, t, a, o, j, u, i, d, at, n) VALUES ('a\'b\"c\\d\n\r\t\0\Z😀ä€', 'ä', 'x,ü',"
    r" '--\n;\n-- Dump completed\n/*!40101 SET NAMES binary */;', 'asc', 'ü€', '{\"k\": \"ä😀\"}', UUID(), '::1', 1e300,"
    " '2024-01-01 00:00:00.123456', -1.5)",
    "INSERT INTO `täble €` () VALUES ()",
    "CREATE VIEW `vièw` AS SELECT id, CONCAT(`cölumn`, '€😀') AS `ü` FROM `täble €`",
    "CREATE TRIGGER `trïgger` BEFORE INSERT ON `täble €` FOR EACH ROW SET NEW.t = CONCAT(NEW.t, 'ä😀')",
    "CREATE PROCEDURE `pröcedure`() COMMENT 'ö' SELECT 'ä😀€' AS `ß`",
]
#: Of each of these the bytes are no UTF-8, or not safe in a literal.
OTHERS = [
    "VARCHAR(9) CHARACTER SET latin1",
    "ENUM('ä') CHARACTER SET latin2",
    "BLOB",
    "BINARY(16)",
    "VARBINARY(9)",
    "BIT(9)",
    "POINT",
    "TEXT CHARACTER SET ucs2",
]


@pytest.fixture(scope="module")
def server(mysql_server: MysqlServer) -> Iterator[MysqlServer]:
    with mysql_server.connect() as connection, connection.cursor() as cursor:
        for statement in (
            f"DROP DATABASE IF EXISTS {DATABASE}",
            f"CREATE DATABASE {DATABASE}",
            f"USE {DATABASE}",
            *SCHEMA,
        ):
            cursor.execute(statement)
        yield mysql_server
        cursor.execute(f"DROP DATABASE {DATABASE}")


def login(server: MysqlServer) -> Login:
    return Login(host="127.0.0.1", port=server.port, user=server.user, password=server.password)


def dumped(server: MysqlServer, plain_text: bool) -> bytes:
    with mysql.login(login(server)) as connection:
        program = Dump().program(mysql.server(connection), "auto")
    with option_file.descriptor("client", client_options(login(server), True)) as fd:
        command = argv(program, fd, DATABASE, False, plain_text)
        made = subprocess.run(
            command, pass_fds=[fd], capture_output=True, check=True, env={**os.environ, "LC_ALL": "C"}
        )
    assert not made.stderr
    text = b"".join(as_utf8([made.stdout])) if plain_text else made.stdout
    return re.sub(rb"-- Dump completed on .*", b"", text)


def test_it_is_the_same_to_the_byte(server: MysqlServer) -> None:
    with mysql.login(login(server)) as connection:
        assert source.plain_text(connection, DATABASE)
    text = dumped(server, True)
    assert text == dumped(server, False)
    assert "défault €😀".encode() in text and b"/*!40101 SET NAMES utf8mb4 */" in text


def test_whatever_is_no_utf8_is_seen(server: MysqlServer) -> None:
    with mysql.login(login(server)) as connection:
        for kind in OTHERS:
            connection.rows(f"CREATE TABLE {DATABASE}.other (id INT, c {kind})")
            assert not source.plain_text(connection, DATABASE), kind
            connection.rows(f"DROP TABLE {DATABASE}.other")
        assert source.plain_text(connection, DATABASE)
