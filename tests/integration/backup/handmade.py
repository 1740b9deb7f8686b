# SPDX-License-Identifier: GPL-3.0-or-later
"""A bank with events and a ledger, and backups of it made by hand, so that a test can forge any of their parts."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.finaegis.runbook.plugins.module_utils.backup import contents
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.manifest import SUFFIX, Manifest, Part, parse
from ansible_collections.finaegis.runbook.plugins.module_utils.core.times import iso
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import connection as mysql
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.login import Login
from integration.servers import MysqlServer

UUID = "CONCAT('00000000-0000-4000-8000-', LPAD({}, 12, '0'))"
META = (
    'CONCAT(\'{{"aggregate-root-uuid":"\', {uuid}, \'","created-at":"2026-01-01T00:00:00.000000Z",'
    "\"aggregate-root-version\":', {version}, ',\"stored-event-id\":', {id}, '}}')"
)
SCHEMA = f"""
CREATE TABLE accounts (id BIGINT PRIMARY KEY AUTO_INCREMENT, uuid CHAR(36) NOT NULL, owner VARCHAR(60), balance DECIMAL(20,4) NOT NULL,
  doubled DECIMAL(20,4) AS (balance * 2) STORED, UNIQUE KEY (uuid), KEY (owner)) DEFAULT CHARSET=utf8mb4;
CREATE TABLE stored_events (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, aggregate_uuid CHAR(36), aggregate_version BIGINT UNSIGNED,
  event_version TINYINT UNSIGNED NOT NULL DEFAULT 1, event_class VARCHAR(255) NOT NULL, event_properties JSON NOT NULL,
  meta_data JSON NOT NULL, created_at TIMESTAMP NOT NULL, KEY (event_class), UNIQUE KEY (aggregate_uuid, aggregate_version));
CREATE TABLE journal_lines (id BIGINT PRIMARY KEY AUTO_INCREMENT, account BIGINT NOT NULL, debit_amount DECIMAL(20,4) NOT NULL,
  credit_amount DECIMAL(20,4) NOT NULL, currency CHAR(3) NOT NULL, proof BLOB, KEY (account),
  CONSTRAINT fk_account FOREIGN KEY (account) REFERENCES accounts (id));
CREATE TABLE `we``ird name` (a INT, b TEXT) DEFAULT CHARSET=utf8mb4;
CREATE VIEW rich AS SELECT owner FROM accounts WHERE balance > 100;
CREATE PROCEDURE one() SELECT 1;
CREATE TRIGGER keep BEFORE DELETE ON accounts FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no; never';
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM journal_lines;
INSERT INTO accounts (uuid, owner, balance) SELECT {UUID.format("seq")}, CONCAT('Ωwner; 😀 ', seq), seq FROM seq_1_to_100;
INSERT INTO stored_events SELECT seq, {UUID.format("1 + (seq - 1) % 100")}, 1 + (seq - 1) DIV 100, 1, 'money_added',
  CONCAT('{{"amount":', seq, ',"note":"a;\\\\nb"}}'),
  {META.format(uuid=UUID.format("1 + (seq - 1) % 100"), version="1 + (seq - 1) DIV 100", id="seq")},
  '2026-01-01 00:00:00' + INTERVAL seq SECOND FROM seq_1_to_2000;
INSERT INTO journal_lines (account, debit_amount, credit_amount, currency, proof)
  SELECT 1 + seq DIV 2 % 100, IF(seq % 2, 0, seq), IF(seq % 2, seq - 1, 0), 'EUR', UNHEX(SHA2(seq, 256)) FROM seq_2_to_2001;
INSERT INTO `we``ird name` VALUES (1, 'line\\none;\\nline two;\\n'), (2, NULL), (3, '-- no comment')
"""


def sql(server: MysqlServer, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def make_bank(server: MysqlServer, database: str) -> None:
    sql(server, f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database}")
    sql(server, *filter(str.strip, SCHEMA.split(";\n")), database=database)


def login(server: MysqlServer) -> Login:
    return Login("localhost", 0, server.user, server.password, unix_socket=server.unix_socket)


def dump(server: MysqlServer, database: str) -> bytes:
    argv = [
        "mariadb-dump",
        "--no-defaults",
        "-S",
        server.unix_socket,
        "-u",
        server.user,
        "--single-transaction",
        "--routines",
    ]
    argv += ["--triggers", "--events", "--hex-blob", "--skip-lock-tables", database]
    environment = {**os.environ, "MYSQL_PWD": server.password}
    return subprocess.run(argv, env=environment, capture_output=True, check=True).stdout


def describe(server: MysqlServer, database: str, file: str, **more: Any) -> Manifest:
    """The manifest of the database as it is now, but for the parts."""
    with mysql.login(login(server)) as connection:
        dialect = mysql.server(connection)
        found = contents.read(connection, dialect, database)
        position = connection.rows("SHOW MASTER STATUS")[0]
    now = iso(time.time())
    facts: dict[str, Any] = {
        "engine": "dump",
        "database": database,
        "environment": "test",
        "file": file,
        "compression": "zstd",
        "server": {"flavor": dialect.flavor, "version": dialect.text},
        "program": "mariadb-dump",
        "started": now,
        "taken": now,
        "finished": now,
        "tables": {name: dict(table, consistent=True) for name, table in found.tables.items()},
        "event_stores": found.event_stores,
        "objects": found.objects,
        "checksum_method": contents.METHOD,
        "consistent": True,
        "position": {"file": position["File"], "position": int(position["Position"]), "gtid": None},
    }
    return Manifest(**{**facts, **more})


def write(directory: Path, manifest: Manifest, text: bytes) -> Path:
    """Store a dump and its manifest, which fits it."""
    stored = subprocess.run(["zstd", "-qc"], input=text, capture_output=True, check=True).stdout
    part = Part(manifest.file, "whole", hashlib.sha256(stored).hexdigest(), len(stored), len(text))
    whole = dataclasses.replace(manifest, parts=[part], size_bytes=len(stored), uncompressed_bytes=len(text))
    path = directory / manifest.file
    path.write_bytes(stored)
    (directory / (manifest.file + SUFFIX)).write_text(whole.render())
    return path


def take(server: MysqlServer, database: str, directory: Path, file: str = "", **more: Any) -> Path:
    """A good backup of the database, named as ours are."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    manifest = describe(server, database, file or f"{database}-{stamp}.sql.zst", **more)
    return write(directory, manifest, dump(server, database))


def reforge(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the text of a backup and make its manifest fit the new bytes: what only a restore can find."""
    text = subprocess.run(["zstd", "-qdc", str(path)], capture_output=True, check=True).stdout
    manifest = parse(Path(f"{path}{SUFFIX}").read_text(), str(path))
    changed = change(text)
    assert changed != text, "the change changed nothing"
    write(path.parent, manifest, changed)


def remanifest(path: Path, **changes: Any) -> None:
    """Change what the manifest says."""
    manifest = parse(Path(f"{path}{SUFFIX}").read_text(), str(path))
    Path(f"{path}{SUFFIX}").write_text(dataclasses.replace(manifest, **changes).render())


def without_row(table: str, number: int) -> Callable[[bytes], bytes]:
    """Takes one row out of the INSERT of a table."""

    def change(text: bytes) -> bytes:
        found = re.search(rb"INSERT INTO `%s` VALUES\n?(.*?);\n" % table.encode(), text, re.DOTALL)
        assert found
        rows = re.split(rb",\n|(?<=\)),(?=\()", found.group(1))
        del rows[number]
        return text[: found.start(1)] + b",".join(rows) + text[found.end(1) :]

    return change
