# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_create on Oracle's MySQL: the position comes from under our own lock, whichever dialect the dump program speaks."""

from __future__ import annotations

from pathlib import Path

from integration.runner import run_module
from integration.servers import MysqlServer


def test_a_backup_of_mysql_is_counted_and_placed_in_the_same_state(mysql9_server: MysqlServer, tmp_path: Path) -> None:
    with mysql9_server.connect() as connection, connection.cursor() as cursor:
        for statement in (
            "CREATE DATABASE saved",
            "CREATE TABLE saved.rows_of (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(50))",
            "INSERT INTO saved.rows_of (note) VALUES ('one'), ('Ω 😀')",
            "CREATE TABLE saved.kinds (id INT PRIMARY KEY, p POINT, b BIT(3), j JSON, t TIMESTAMP(6) NULL, g INT AS (id + 1) STORED, "
            "d INT DEFAULT (1 + 1))",
            "INSERT INTO saved.kinds (id, b, j) VALUES (1, b'101', '{\"a\": 1}')",
            "CREATE PROCEDURE saved.nothing() SELECT 1",
        ):
            cursor.execute(statement)
        options = {**mysql9_server.options, "database": "saved", "dest": str(tmp_path), "compression": "none"}
        result = run_module("backup_create", {**options, "min_free_bytes": 0})
        cursor.execute("SHOW BINARY LOG STATUS")
        (status,) = cursor.fetchall()
    assert result["changed"], result
    manifest = result["manifest"]
    assert manifest["consistent"], manifest
    assert manifest["tables"]["rows_of"]["rows"] == 2 and all(one["checksum"] for one in manifest["tables"].values())
    assert "unseen" not in manifest["objects"].values()
    assert (manifest["position"]["file"], manifest["position"]["position"]) == status[:2]
    dump = Path(result["path"]).read_text()
    assert "Ω 😀" in dump and "nothing" in dump
    assert {one["check"]: one["verdict"] for one in result["findings"]}["rights"] == "ok"
