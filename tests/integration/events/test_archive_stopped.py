# SPDX-License-Identifier: GPL-3.0-or-later
"""event_archive stopped in the middle of its work: by a stop file, a backup that begins, a replica that stands still, a lost lock."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import RunbookError
from ansible_collections.finaegis.runbook.plugins.module_utils.events import archive_guard
from integration.events.stores import Captured
from integration.events.test_archive import archived_ids, catalogued_ids, covered, move, rows
from integration.mysql.playbooks import Environment
from integration.servers import RedisServer, start_mariadb

PATIENCE_SECONDS = 45


@pytest.fixture
def store(captured: Captured) -> str:
    return captured.copy(captured.server, "archive_stopped")


def until(seen: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not seen():
        assert time.monotonic() < end
        time.sleep(0.05)


def in_the_middle(
    captured: Captured, store: str, run: Callable[[], Any], then: Callable[[], object], table: str = "stored_events"
) -> Any:
    """Let ``run`` come to the lock of the first event that it deletes, do something, and let go of the lock."""
    first = min(covered(captured, store))
    with captured.server.connect(database=store) as holder, holder.cursor() as cursor, ThreadPoolExecutor(1) as pool:
        cursor.execute("START TRANSACTION")
        cursor.execute(f"SELECT id FROM {table} WHERE id = {first} FOR UPDATE")
        running = pool.submit(run)
        waits = "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'"
        try:
            until(lambda: running.done() or captured.run(captured.server, "", waits)[0][0])
            then()
        finally:
            cursor.execute("COMMIT")
        return running.result()


def test_a_stop_file_that_appears(captured: Captured, store: str, dest: Path, tmp_path: Path) -> None:
    may_go, stop = covered(captured, store), tmp_path / "stop"
    done = in_the_middle(captured, store, lambda: move(captured, store, dest, stop_file=str(stop)), stop.touch)
    assert (done["complete"], done["stopped"]) == (False, f"the stop file {stop} is there")
    assert 0 < done["moved"] < 100, "the transactions under way were finished, and no other begun"
    assert len(rows(captured, store)) == 3398 - done["moved"]
    stop.unlink()
    again = move(captured, store, dest, stop_file=str(stop))
    assert (again["complete"], again["moved"]) == (True, len(may_go) - done["moved"])
    assert again["tables"][0]["went_on"] == 100
    assert sorted(archived_ids(dest)) == sorted(may_go), "each is in one file"


def test_a_backup_that_begins(captured: Captured, store: str, dest: Path) -> None:
    captured.run(captured.server, "", "CREATE OR REPLACE USER backup_late@'127.0.0.1' IDENTIFIED BY 'x'")
    backup = pymysql.Connection(
        host="127.0.0.1", port=captured.server.port, user="backup_late", password="x", defer_connect=True
    )
    try:
        done = in_the_middle(captured, store, lambda: move(captured, store, dest), backup.connect)
    finally:
        backup.close()
    assert done["complete"] is False
    assert "a backup has begun (connection" in done["stopped"] and "backup_late" in done["stopped"]
    assert done["moved"] == 100, "the file under way left the table, the next did not"
    assert len(rows(captured, store)) == 3298


def test_a_replica_that_stands_still_is_waited_for(
    captured: Captured, store: str, dest: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    primary, may_go = captured.server, covered(captured, store)
    # It takes part in the replication and keeps nothing of it: other tests' databases are not there.
    replica = start_mariadb(tmp_path_factory.mktemp("replica"), "--server-id=2", "--replicate-do-db=none")
    try:
        (log,) = captured.run(primary, "", "SHOW MASTER STATUS")
        captured.run(
            primary,
            "",
            f"CREATE OR REPLACE USER repl@'127.0.0.1' IDENTIFIED BY '{primary.password}'",
            "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
        )
        captured.run(
            replica,
            "",
            f"SET PASSWORD FOR admin@'127.0.0.1' = PASSWORD('{primary.password}')",
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={primary.port}, MASTER_USER='repl', "
            f"MASTER_PASSWORD='{primary.password}', MASTER_LOG_FILE='{log[0]}', MASTER_LOG_POS={log[1]}",
        )
        watched = {"replicas": [{"login_host": "127.0.0.1", "login_port": replica.port}]}
        done = move(captured, store, dest, lag_timeout_seconds=1, **watched)
        assert (done["complete"], done["moved"], len(rows(captured, store))) == (False, 0, 3398)
        assert "the replica stayed stopped for" in done["stopped"]
        assert done["paused_seconds"] >= 1
        captured.run(replica, "", "START SLAVE")
        again = move(captured, store, dest, max_lag_seconds=3600, lag_timeout_seconds=PATIENCE_SECONDS, **watched)
        assert (again["complete"], again["moved"]) == (True, len(may_go)), again["stopped"]
    finally:
        replica.stop()


def test_a_lock_that_was_lost_stops_the_run(
    captured: Captured, store: str, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection with the lock was ended: another run may be at work, so no further file leaves the table."""
    before, see, looks = rows(captured, store), archive_guard.see_lock, iter([False, True])

    def ended(connection: Any, table: Any) -> None:
        if next(looks):
            captured.run(captured.server, "", f"KILL {connection.value('SELECT CONNECTION_ID()')}")
        see(connection, table)

    monkeypatch.setattr(archive_guard, "see_lock", ended)
    with pytest.raises(RunbookError, match="Lost connection|lock for moving|gone away|was killed"):
        move(captured, store, dest)
    gone = {row[0] for row in before} - {row[0] for row in rows(captured, store)}
    assert len(gone) == 100 and gone <= catalogued_ids(dest)


@pytest.mark.timeout(240)
def test_the_playbook_tells_what_it_left_to_the_next_run(
    captured: Captured, store: str, dest: Path, tmp_path: Path, clean_redis: RedisServer
) -> None:
    """Two tables: the first is in the middle of its only transaction when the file appears, the second is not begun."""
    captured.run(
        captured.server,
        store,
        *(
            f"CREATE TABLE {new} LIKE {old}"
            for new, old in (("ledger", "stored_events"), ("ledger_states", "snapshots"))
        ),
        "INSERT INTO ledger SELECT * FROM stored_events",
        "INSERT INTO ledger_states SELECT * FROM snapshots",
    )
    place = Environment(tmp_path, captured.server, clean_redis, {"runbook_database": store})
    may_go, stop = covered(captured, store), tmp_path / "stop"
    asked = {
        "tables": ["stored_events", "ledger"],
        "snapshots": {"snapshots": "stored_events", "ledger_states": "ledger"},
        "archive_dir": str(dest),
        "older_than_days": 0,
        "keep_latest": 1,
        "stop_file": str(stop),
    }
    inputs = {f"event_store_maintenance_{name}": value for name, value in asked.items()}
    done, output, code = in_the_middle(
        captured, store, lambda: place.run("event_store_maintenance", **inputs), stop.touch, table="ledger"
    )
    assert code == 0, output
    assert (done["outcome"], done["verdict"], done["complete"]) == ("stopped", "warning", False)
    assert [(one["table"], one["moved"]) for one in done["tables"]] == [("ledger", len(may_go)), ("stored_events", 0)]
    assert f"the stop file {stop} is there. Run it again to go on" in done["message"]
    assert len(rows(captured, store)) + len(rows(captured, store, "ledger")) == 2 * 3398 - done["moved"]
