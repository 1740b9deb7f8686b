# SPDX-License-Identifier: GPL-3.0-or-later
"""A database with a table of every kind that matters to rebuilding, and helpers to look at the server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import Any

import pymysql
from integration.servers import MysqlServer

#: Name, columns and what follows them; ``{name}`` stands for the table, so that tests see which kinds there are.
KINDS = {
    "plain": "(id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200), KEY (a))",
    "no_key": "(a INT)",
    "partitioned": "(id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200)) PARTITION BY HASH (id) PARTITIONS 3",
    "compressed": "(id INT PRIMARY KEY, a VARCHAR(200)) ROW_FORMAT=COMPRESSED",
    "words": "(id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200), FULLTEXT (a))",
    "places": "(id INT PRIMARY KEY, g POINT NOT NULL, SPATIAL INDEX (g))",
    "computed": "(id INT PRIMARY KEY, a INT, b INT AS (a + 1) VIRTUAL, KEY (b))",
    "child": "(id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES plain (id))",
    "Ünï-x.y`z": "(id INT PRIMARY KEY)",
    "old_engine": "(id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(200)) ENGINE=MyISAM",
    "in_memory": "(id INT PRIMARY KEY) ENGINE=MEMORY",
}


def quote(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def ask(server: MysqlServer, sql: str, *args: object) -> list[tuple[Any, ...]]:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(sql, args or None)
        return list(cursor.fetchall())


def fresh(server: MysqlServer, database: str) -> None:
    """An empty database of that name."""
    ask(server, f"DROP DATABASE IF EXISTS {quote(database)}")
    ask(server, f"CREATE DATABASE {quote(database)}")


def fill(server: MysqlServer, table: str, doublings: int) -> None:
    """A table of 2 ** ``doublings`` rows of about 1 kB, ids from 1 up, written by the server itself."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (id INT PRIMARY KEY, a VARCHAR(1000), k INT, KEY (k))")
        cursor.execute(f"INSERT INTO {table} VALUES (1, REPEAT('x', 950), 1)")
        for step in range(doublings):
            cursor.execute(f"INSERT INTO {table} SELECT id + {2**step}, a, k + {2**step} FROM {table}")


def wait_for(look: Callable[[], object], seconds: float = 60) -> None:
    """Until ``look()`` is true; fails the test when it does not become so."""
    until = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < until, "what was waited for did not come"
        time.sleep(0.05)


def free_bytes(server: MysqlServer, table: str) -> int:
    database, name = table.split(".")
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        if "MariaDB" not in connection.server_version:
            cursor.execute("SET SESSION information_schema_stats_expiry = 0")
        cursor.execute(
            "SELECT data_free FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
            (database, name),
        )
        return int(cursor.fetchone()[0])


def fragment(server: MysqlServer, table: str) -> None:
    """A table of 16 MB most of whose rows were deleted; back when InnoDB has purged them, so that their space is free."""
    fill(server, table, 14)
    ask(server, f"DELETE FROM {table} WHERE id > 1000")
    wait_for(lambda: free_bytes(server, table) > 12 * 2**20)


@contextmanager
def session(server: MysqlServer, *statements: str, **more: object) -> Iterator[pymysql.connections.Connection]:
    """A connection in which these statements were run; closed at the end."""
    with closing(server.connect(**more)) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        yield connection


def running(stack: ExitStack, server: MysqlServer, *statements: str, **more: Any) -> int:
    """A connection in whose thread the last statement runs; its id. It is killed when the stack ends."""
    connection = stack.enter_context(session(server, *statements[:-1], **more))
    identity = connection.thread_id()

    def work() -> None:
        with suppress(pymysql.err.Error), connection.cursor() as cursor:
            cursor.execute(statements[-1])

    thread = threading.Thread(target=work)
    thread.start()
    stack.callback(thread.join)
    stack.callback(ask, server, f"KILL {identity}")
    at_work = f"SELECT 1 FROM information_schema.processlist WHERE id = {identity} AND command = 'Query'"
    wait_for(lambda: ask(server, at_work))
    return identity
