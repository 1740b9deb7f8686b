# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_restore: into an empty database, proven before it says done; never over data that nobody named; killed is recognised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import restore_run, restore_state
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed, RunbookError
from ansible_collections.finaegis.runbook.plugins.module_utils.events.restored import event_rules
from ansible_collections.finaegis.runbook.plugins.modules import backup_restore
from integration.backup import handmade
from integration.backup.handmade import sql
from integration.runner import CHECKOUT, run_tasks
from integration.servers import MysqlServer, start_mariadb

MODULE = "finaegis.runbook.backup_restore"
OWN = {"innodb_flush_log_at_trx_commit": "2", "sync_binlog": "7"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """One of our own: its settings are changed and looked at."""
    found = start_mariadb(
        tmp_path_factory.mktemp("restored"),
        "--innodb-flush-log-at-trx-commit=2",
        "--sync-binlog=7",
        "--log-bin-trust-function-creators=1",
    )
    handmade.make_bank(found, "origin")
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def as_before(server: MysqlServer) -> Iterator[None]:
    """Whatever happens, the settings are the server's own again, and nothing half-restored is left."""
    sql(
        server,
        "SET GLOBAL innodb_flush_log_at_trx_commit = 2",
        "SET GLOBAL sync_binlog = 7",
        "DROP DATABASE IF EXISTS copy",
    )
    yield
    assert restore_state.read_settings(handmade.login(server)) == OWN
    assert (
        sql(server, "SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_NAME = %r" % restore_state.MARKER)
        == []
    )


@pytest.fixture
def backup(server: MysqlServer, tmp_path: Path) -> Path:
    return handmade.take(server, "origin", tmp_path)


def options(server: MysqlServer, backup: Path, **more: Any) -> dict[str, Any]:
    return {**server.options, "src": str(backup), "target_database": "copy", "scratch_dir": str(backup.parent), **more}


def restore(server: MysqlServer, backup: Path, **more: Any) -> dict[str, Any]:
    found = ArgumentSpecValidator(backup_restore.argument_spec()).validate(options(server, backup, **more))
    assert not found.error_messages
    return restore_run.run(found.validated_parameters, False, event_rules({}))


def tables(server: MysqlServer, database: str) -> dict[str, Any]:
    names = [row[0] for row in sql(server, "SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'", database=database)]
    return {
        name: sql(server, "SELECT * FROM `%s` ORDER BY 1" % name.replace("`", "``"), database=database)
        for name in names
    }


def test_restored_is_the_same_to_the_row_and_refused_when_there_is_something(
    server: MysqlServer, backup: Path, tmp_path: Path
) -> None:
    args = options(server, backup, progress_file=str(tmp_path / "progress"))
    again = {**args, "overwrite": True}
    planned, done, refused, unnamed, misnamed, overwritten = run_tasks(
        [
            {MODULE: args, "check_mode": True},
            {MODULE: args},
            {MODULE: args},
            {MODULE: again},
            {MODULE: {**again, "overwrite_database": "origin"}},
            {MODULE: {**again, "overwrite_database": "copy"}},
        ],
        diff=True,
    )
    assert (
        set(planned) == set(done) and planned["changed"] and planned["level"] == "L1" and planned["before"] == "missing"
    )
    assert planned["diff"] == done["diff"] and planned["backup"] == done["backup"]
    assert done["level"] == "L4" and done["verdict"] == "ok" and done["rto"]["seconds"] > 0, done
    assert tables(server, "copy") == tables(server, "origin")
    for result in (refused, unnamed, misnamed):
        assert result["failed"] and "is not empty" in result["msg"] and "Nothing was done" in result["msg"]
    assert not overwritten.get("failed") and overwritten["before"] == "full" and overwritten["level"] == "L4", (
        overwritten
    )
    assert tables(server, "copy") == tables(server, "origin")


BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"src": "/nowhere/b"}, "/nowhere does not exist"),
    ({"database": "shop"}, "it is of the database 'origin', not 'shop'"),
    ({"until": "latest"}, "is broken"),
    ({"until": "noon"}, "until is 'noon'"),
    ({"proven": True, "src": ""}, "no such proven backup"),
    ({"login_password": "wrong"}, "Access denied"),
]


@pytest.mark.parametrize("wrong", BAD_INPUT, ids=[said for _, said in BAD_INPUT])
def test_bad_input_is_clear_and_changes_nothing(
    server: MysqlServer, backup: Path, wrong: tuple[dict[str, Any], str]
) -> None:
    more, said = wrong
    with pytest.raises(RunbookError, match=said):
        restore(server, backup, **{**more, "src": more.get("src", str(backup)) or f"{backup.parent}/"})
    assert sql(server, "SHOW DATABASES LIKE 'copy'") == []


def test_a_physical_backup_is_refused(server: MysqlServer, backup: Path) -> None:
    handmade.remanifest(backup, engine="physical")
    with pytest.raises(RunbookError, match="copy of a whole server"):
        restore(server, backup)
    assert sql(server, "SHOW DATABASES LIKE 'copy'") == []


def test_a_bad_backup_changes_nothing(server: MysqlServer, backup: Path) -> None:
    sql(server, "CREATE DATABASE copy", "CREATE TABLE copy.precious (a INT)", "INSERT INTO copy.precious VALUES (1)")
    data = bytearray(backup.read_bytes())
    data[len(data) // 2] ^= 1
    backup.write_bytes(data)
    with pytest.raises(Failed, match="SHA-256"):
        restore(server, backup, overwrite=True, overwrite_database="copy")
    assert sql(server, "SELECT a FROM copy.precious") == [(1,)]


BAD = [
    ("the server refuses a row", b"(2,'00000000-0000", b"(1,'00000000-0000", "Duplicate entry"),
    ("a row differs", b",77.0000,", b",78.0000,", "table accounts checksum"),
]


@pytest.mark.parametrize(("old", "new", "said"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_what_is_not_proven_is_not_left(server: MysqlServer, backup: Path, old: bytes, new: bytes, said: str) -> None:
    sql(server, "CREATE DATABASE copy")
    handmade.reforge(backup, lambda text: text.replace(old, new, 1))
    with pytest.raises(Failed, match=said):
        restore(server, backup)
    assert sql(server, "SHOW TABLES", database="copy") == []


def test_rules_that_are_broken_empty_it_unless_l3_is_enough(server: MysqlServer, backup: Path) -> None:
    rule = [{"name": "none", "query": "SELECT COUNT(*) FROM accounts", "expected": "0"}]
    with pytest.raises(Failed, match="none is 100, expected is 0"):
        restore(server, backup, assertions=rule)
    assert sql(server, "SHOW DATABASES LIKE 'copy'") == []
    kept = restore(server, backup, assertions=rule, require_level="L3")
    assert (
        kept["level"] == "L3" and kept["verdict"] == "critical" and tables(server, "copy") == tables(server, "origin")
    )


def test_killed_in_the_middle_it_is_recognised_and_started_over(
    server: MysqlServer, backup: Path, tmp_path: Path
) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "import json, os, sys\nsys.path[:0] = ['.collections', 'tests']\n"
        "from integration.backup import test_backup_restore as t\n"
        "t.restore_run.verify_data.read_contents = lambda *_: os.kill(os.getpid(), 9)\n"
        f"options = json.loads({json.dumps(json.dumps(options(server, backup)))})\n"
        "found = t.ArgumentSpecValidator(t.backup_restore.argument_spec()).validate(options)\n"
        "t.restore_run.run(found.validated_parameters, False, t.event_rules({}))\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=CHECKOUT, capture_output=True, check=False)
    assert done.returncode == -9, done.stderr
    login = handmade.login(server)
    assert restore_state.look(login, "copy").state == restore_state.UNFINISHED
    assert restore_state.read_settings(login) == restore_state.FAST, "the killed run left them"
    result = restore(server, backup)
    assert result["before"] == "unfinished" and result["verdict"] == "warning" and result["level"] == "L4"
    assert tables(server, "copy") == tables(server, "origin")
    assert not [one for one in os.listdir(tmp_path) if one.startswith("finaegis-")]


def test_a_user_who_may_not_change_settings_restores_all_the_same(server: MysqlServer, backup: Path) -> None:
    sql(
        server,
        "CREATE OR REPLACE USER own@'127.0.0.1' IDENTIFIED BY 'x'",
        "GRANT ALL ON copy.* TO own@'127.0.0.1'",
        "GRANT SET USER ON *.* TO own@'127.0.0.1'",
        "GRANT SELECT ON mysql.proc TO own@'127.0.0.1'",
    )
    assert restore(server, backup, login_user="own", login_password="x")["level"] == "L4"


def test_progress_is_told(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    tell = restore_run._progress(str(path), 200)
    tell(restore_run.Loaded(tables=["a"], rows=0))
    restore_run._PROGRESS_SECONDS, before = 0.0, restore_run._PROGRESS_SECONDS
    try:
        tell(restore_run.Loaded(tables=["a"], rows=100))
    finally:
        restore_run._PROGRESS_SECONDS = before
    told = json.loads(path.read_text())
    assert (told["rows"], told["of_rows"], told["tables"]) == (100, 200, 1) and told["seconds_left"] >= 0


@pytest.fixture
def short_path() -> Iterator[Path]:
    """pytest's own may be too long for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="restore-") as directory:
        yield Path(directory)


def test_another_moment_is_restored_beside_the_live_data(server: MysqlServer, short_path: Path) -> None:
    from integration.backup.test_pitr import History

    history = History(server, short_path)
    result = restore(server, history.backup, until=history.places[1], assertions=history.balance(4))
    assert result["replayed"]["method"] == "client" and result["level"] == "L4" and result["verdict"] == "ok", result
    assert sql(server, "SELECT balance FROM copy.accounts WHERE id = 1") == [(4,)]
    assert sql(server, "SELECT balance FROM pitr.accounts WHERE id = 1") == [(7,)]
    with pytest.raises(RunbookError, match="reach to"):
        restore(server, history.backup, until="2099-01-01T00:00:00Z", target_database="other")
    assert sql(server, "SHOW DATABASES LIKE 'other'") == []
