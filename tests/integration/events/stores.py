# SPDX-License-Identifier: GPL-3.0-or-later
"""The captured event store (tests/fixtures/database/app.sql), copied into databases of a test's own on either kind of server."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Any

from integration.runner import CHECKOUT
from integration.servers import MysqlServer

CAPTURE = CHECKOUT / "tests/fixtures/database/app.sql"
#: The tables a copy has, and on MySQL how they look there: no type uuid, JSON of the server's own.
TABLES = {
    "stored_events": """id bigint unsigned AUTO_INCREMENT PRIMARY KEY, aggregate_uuid char(36), aggregate_version bigint unsigned,
        event_version tinyint unsigned NOT NULL DEFAULT 1, event_class varchar(255) NOT NULL, event_properties json NOT NULL,
        meta_data json NOT NULL, created_at timestamp NOT NULL,
        UNIQUE KEY stored_events_aggregate_uuid_aggregate_version_unique (aggregate_uuid, aggregate_version),
        KEY stored_events_event_class_index (event_class), KEY stored_events_aggregate_uuid_index (aggregate_uuid)""",
    "snapshots": """id bigint unsigned AUTO_INCREMENT PRIMARY KEY, aggregate_uuid char(36) NOT NULL,
        aggregate_version bigint unsigned NOT NULL, state json NOT NULL, created_at timestamp NULL, updated_at timestamp NULL,
        KEY snapshots_aggregate_uuid_index (aggregate_uuid)""",
    "accounts": """uuid char(36) NOT NULL PRIMARY KEY, owner varchar(255) NOT NULL, currency char(3) NOT NULL,
        balance bigint NOT NULL DEFAULT 0, last_event_id bigint unsigned NOT NULL DEFAULT 0, created_at timestamp NULL,
        updated_at timestamp NULL, xa varchar(255), xb varchar(255)""",
}


@dataclass
class Captured:
    """The capture as loaded into one MariaDB, and the databases made from it there and elsewhere."""

    server: MysqlServer
    name: str = "captured_store"
    _rows: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    def load(self) -> None:
        """Load it; the newest event is made one hour old, so that no clock makes its events young or of the future."""
        self.run(self.server, "", f"DROP DATABASE IF EXISTS {self.name}", f"CREATE DATABASE {self.name}")
        lines = CAPTURE.read_text().splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith(("CREATE DATABASE", "USE ")))
        client = shutil.which("mariadb") or "mysql"
        login = ["--no-defaults", "-S", self.server.unix_socket, "-u", self.server.user, f"-p{self.server.password}"]
        subprocess.run([client, *login, self.name], input=text, text=True, check=True, capture_output=True)
        self.run(
            self.server,
            self.name,
            "UPDATE stored_events e, (SELECT TIMESTAMPDIFF(SECOND, MAX(created_at), NOW()) - 3600 AS s FROM stored_events) d "
            "SET e.created_at = e.created_at + INTERVAL d.s SECOND",
        )

    @staticmethod
    def run(server: MysqlServer, database: str, *statements: str) -> tuple[Any, ...]:
        """Run statements; the rows of the last."""
        with server.connect(database=database or None) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())

    def copy(self, server: MysqlServer, database: str, *changes: str) -> str:
        """A database with the store, changed by further statements."""
        self.run(server, "", f"DROP DATABASE IF EXISTS `{database}`", f"CREATE DATABASE `{database}`")
        for table, columns in TABLES.items():
            if server is self.server:
                like = f"CREATE TABLE {table} LIKE {self.name}.{table}"
                self.run(server, database, like, f"INSERT INTO {table} SELECT * FROM {self.name}.{table}")
            else:
                self.run(server, database, f"CREATE TABLE {table} ({columns}) DEFAULT CHARSET utf8mb4")
                self._fill(server, database, table)
        self.run(server, database, *changes, "SELECT 1")
        return database

    def _fill(self, server: MysqlServer, database: str, table: str) -> None:
        if table not in self._rows:
            self._rows[table] = self.run(self.server, self.name, f"SELECT * FROM {table} ORDER BY 1")
        rows = self._rows[table]
        marks = ", ".join(["%s"] * len(rows[0]))
        with server.connect(database=database) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            cursor.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
