# SPDX-License-Identifier: GPL-3.0-or-later
"""event_archive on the captured store: round trip to the byte, what may go and what stays, refusals, kills."""

from __future__ import annotations

import gzip
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pymysql
import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import (
    BadInput,
    Failed,
    Refused,
    RunbookError,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.events import archive as archive_run
from ansible_collections.finaegis.runbook.plugins.module_utils.events import (
    archive_rows,
    archive_store,
    archive_task,
    verify_task,
)
from ansible_collections.finaegis.runbook.plugins.modules import event_archive, event_store_verify
from integration.events.direct import options
from integration.events.stores import Captured
from integration.runner import CHECKOUT, run_tasks
from integration.servers import MysqlServer

#: The capture has 200 aggregates; 50 of them have snapshots, at versions 10 and 20.
AGED = "UPDATE stored_events SET created_at = created_at - INTERVAL 400 DAY WHERE id <= 905"


@pytest.fixture
def store(captured: Captured) -> str:
    return captured.copy(captured.server, "archive_store")


def move(captured: Captured, database: str, dest: Path | str, check: bool = False, **more: Any) -> dict[str, Any]:
    asked = {
        "tables": ["stored_events"],
        "dest": str(dest),
        "keep_latest": 1,
        "segment_rows": 100,
        "chunk_rows": 40,
        **more,
    }
    return archive_task.run(options(event_archive, captured.server, database, **asked), check)


def rows(captured: Captured, database: str, table: str = "stored_events") -> tuple[Any, ...]:
    return captured.run(captured.server, database, f"SELECT * FROM {table} ORDER BY id")


def checksum(captured: Captured, database: str) -> Any:
    return captured.run(captured.server, database, "CHECKSUM TABLE stored_events EXTENDED")[0][1]


def verdict(captured: Captured, database: str) -> str:
    return str(verify_task.run(options(event_store_verify, captured.server, database), True)["verdict"])


def covered(captured: Captured, database: str) -> set[int]:
    """The ids that may go, said in another way than the code does: one statement."""
    return {
        int(row[0])
        for row in captured.run(
            captured.server,
            database,
            "SELECT e.id FROM stored_events e JOIN snapshots s ON s.id = (SELECT MAX(id) FROM snapshots n WHERE n.aggregate_uuid = "
            "e.aggregate_uuid) WHERE e.aggregate_version <= s.aggregate_version AND e.aggregate_version < "
            "(SELECT MAX(m.aggregate_version) FROM stored_events m WHERE m.aggregate_uuid = e.aggregate_uuid)",
        )
    }


def archived_ids(dest: Path) -> list[int]:
    found: list[int] = []
    for path in sorted(dest.glob("*/*.gz")):
        found += [int(json.loads(line)[0]) for line in gzip.decompress(path.read_bytes()).splitlines()]
    return found


@pytest.mark.timeout(240)
def test_a_round_trip_through_ansible(captured: Captured, store: str, dest: Path) -> None:
    before, sum_before, may_go = rows(captured, store), checksum(captured, store), covered(captured, store)
    task = {
        "finaegis.runbook.event_archive": {
            **captured.server.options,
            "schemas": [store],
            "tables": ["stored_events"],
            "dest": str(dest),
            "keep_latest": 1,
        }
    }
    back = {"finaegis.runbook.event_archive": {**task["finaegis.runbook.event_archive"], "state": "restored"}}
    (planned,) = run_tasks([task], check=True, diff=True)
    assert list(dest.iterdir()) == []
    assert checksum(captured, store) == sum_before
    done, again = run_tasks([task, task], diff=True)
    assert planned.keys() == done.keys()
    assert planned["changed"] is done["changed"] is True
    assert (
        planned["diff"]
        == done["diff"]
        == {
            "before": {f"{store}.stored_events": {"events_in_archive": 0}},
            "after": {f"{store}.stored_events": {"events_in_archive": len(may_go)}},
        }
    )
    assert (planned["tables"][0]["events"], done["moved"], again["moved"]) == (len(may_go), len(may_go), 0)
    assert again["changed"] is False
    assert again["tables"][0]["kept"] == {
        "no_snapshot": 200 - done["tables"][0]["aggregates"],
        "nothing_old_enough": 50,
    }
    assert {row[0] for row in before} - {row[0] for row in rows(captured, store)} == may_go
    assert set(archived_ids(dest)) == may_go
    assert verdict(captured, store) == "ok", "a store whose snapshots cover what is gone is whole"
    files = list(dest.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600, 0o700}

    (will,) = run_tasks([back], check=True)
    assert (will["changed"], will["tables"][0]["events"], will["moved"]) == (True, len(may_go), 0)
    restored, nothing = run_tasks([back, back], diff=True)
    assert (restored["moved"], nothing["moved"], nothing["changed"]) == (len(may_go), 0, False)
    assert rows(captured, store) == before
    assert checksum(captured, store) == sum_before
    assert captured.server.password not in done.output + restored.output + "".join(
        path.read_text(errors="replace") for path in files if path.is_file()
    )


def test_only_what_is_old_enough_and_not_among_the_latest(captured: Captured, store: str, dest: Path) -> None:
    captured.run(captured.server, store, AGED)
    may_go = {number for number in covered(captured, store) if number <= 905}
    old = move(captured, store, dest, older_than_days=365, keep_latest=None)
    assert set(archived_ids(dest)) == may_go
    assert (old["moved"], len(rows(captured, store))) == (len(may_go), 3398 - len(may_go))
    latest = captured.run(
        captured.server,
        store,
        "SELECT id FROM (SELECT id, ROW_NUMBER() OVER (PARTITION BY aggregate_uuid ORDER BY aggregate_version DESC) AS place "
        "FROM stored_events) r WHERE place <= 8",
    )
    compacted = move(captured, store, dest, keep_latest=8)
    assert {row[0] for row in latest} <= {row[0] for row in rows(captured, store)}
    assert compacted["moved"] > 0
    assert verdict(captured, store) == "ok"
    assert move(captured, store, dest, state="restored")["moved"] == old["moved"] + compacted["moved"]
    assert len(rows(captured, store)) == 3398


UUID = "(SELECT * FROM (SELECT aggregate_uuid FROM snapshots ORDER BY id LIMIT 1) x)"
STAYS = {
    "empty_snapshot": ["UPDATE snapshots SET state = '[]' WHERE id = 1"],
    "empty_object": ["UPDATE snapshots SET state = '{}' WHERE id = 1"],
    "null_state": ["UPDATE snapshots SET state = 'null' WHERE id = 1"],
    "newest_is_empty": [
        "INSERT INTO snapshots (aggregate_uuid, aggregate_version, state) SELECT aggregate_uuid, 10, '[]' FROM snapshots WHERE id = 1"
    ],
    "snapshot_ahead": ["UPDATE snapshots SET aggregate_version = 999 WHERE id = 1"],
    "version_gap": [f"DELETE FROM stored_events WHERE aggregate_uuid = {UUID} AND aggregate_version = 4"],
    "no_events": [f"DELETE FROM stored_events WHERE aggregate_uuid = {UUID}"],
    "broken_snapshot": [
        "ALTER TABLE snapshots MODIFY state longtext NOT NULL",
        "UPDATE snapshots SET state = '{\"balance\":1' WHERE id = 1",
    ],
}


@pytest.mark.parametrize("name", STAYS)
def test_an_aggregate_that_no_snapshot_covers_stays_whole(
    captured: Captured, store: str, dest: Path, name: str
) -> None:
    captured.run(captured.server, store, *STAYS[name])
    reason = name if name in archive_task.KEPT else "empty_snapshot"
    own = f"SELECT COUNT(*) FROM stored_events WHERE aggregate_uuid = {UUID}"
    before = captured.run(captured.server, store, own)
    result = move(captured, store, dest)
    assert result["tables"][0]["kept"][reason] == 1
    assert result["tables"][0]["aggregates"] == 49
    assert captured.run(captured.server, store, own) == before
    assert archive_task.KEPT[reason] in result["message"]


def test_the_capture_with_empty_snapshots_loses_nothing(captured: Captured, store: str, dest: Path) -> None:
    """What the real package wrote for an aggregate without public properties (captures: app-empty-snapshot-state)."""
    captured.run(captured.server, store, "UPDATE snapshots SET state = '[]'")
    result = move(captured, store, dest)
    assert (result["changed"], result["moved"], len(rows(captured, store))) == (False, 0, 3398)


def test_the_newest_snapshot_counts_not_the_highest(captured: Captured, store: str, dest: Path) -> None:
    captured.run(
        captured.server,
        store,
        "DELETE FROM snapshots WHERE id > 6 OR id < 5",  # one aggregate, at 10 and 20
        "INSERT INTO snapshots (aggregate_uuid, aggregate_version, state) SELECT aggregate_uuid, 5, state FROM snapshots WHERE id = 5",
    )
    assert move(captured, store, dest)["moved"] == 5


def test_all_columns_come_back_whatever_they_hold(captured: Captured, store: str, dest: Path) -> None:
    odd = json.dumps({"text": 'é\n"\\ 😀\u2028', "n": 1.50})
    captured.run(
        captured.server,
        store,
        "ALTER TABLE stored_events ADD updated_at timestamp(6) NULL, ADD blob_1 varbinary(20), ADD local_time_1 datetime(3), "
        "ADD latin varchar(20) CHARACTER SET latin1, ADD made varchar(40) AS (CONCAT(event_class, '!')) STORED, ADD amount decimal(20,4)",
        "UPDATE stored_events SET updated_at = '2026-03-29 01:30:00.123456', blob_1 = x'00ff0a22', local_time_1 = '0000-00-00 00:00:00',"
        "latin = CONCAT('caf', CHAR(233 USING latin1), CHAR(10), CHAR(31)), amount = 0.1000 WHERE id % 2",
        f"UPDATE stored_events SET event_properties = '{odd.replace(chr(92), chr(92) * 2)}' WHERE id % 3 = 0",
        "UPDATE stored_events SET event_properties = CONCAT(' ', event_properties, '  ') WHERE id % 3 = 1",
    )
    before = rows(captured, store)
    assert move(captured, store, dest)["moved"] > 0
    assert len(rows(captured, store)) < 3398
    # Restored by a session of another time zone, on another day.
    move(captured, store, dest, state="restored", time_zone="+05:30")
    assert rows(captured, store) == before


def test_events_found_in_another_order_are_compared_one_by_one(
    captured: Captured, store: str, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, may_go, lock = rows(captured, store), covered(captured, store), archive_rows.lock
    monkeypatch.setattr(archive_rows, "lock", lambda *args: (lock(*args)[0], "another"))
    assert move(captured, store, dest)["moved"] == len(may_go)
    monkeypatch.setattr(archive_store.Archive, "save", lambda self: None)
    assert move(captured, store, dest, state="restored")["moved"] == len(may_go)
    assert move(captured, store, dest, state="restored")["moved"] == 0, (
        "the catalogue does not say so, but all are there"
    )
    assert rows(captured, store) == before


def test_what_a_second_table_may_lose_is_decided_when_its_turn_comes(
    captured: Captured, store: str, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go, move_one = covered(captured, store), archive_run.Mover.archive
    captured.run(
        captured.server,
        store,
        "CREATE TABLE ledger LIKE stored_events",
        "CREATE TABLE ledger_states LIKE snapshots",
        "INSERT INTO ledger SELECT * FROM stored_events",
        "INSERT INTO ledger_states SELECT * FROM snapshots",
    )

    def emptied(self: Any, planner: Any, decide: bool) -> None:
        move_one(self, planner, decide)
        captured.run(captured.server, store, "UPDATE snapshots SET state = '[]'")

    monkeypatch.setattr(archive_run.Mover, "archive", emptied)
    names = {"snapshots": "stored_events", "ledger_states": "ledger"}
    both = {"tables": ["ledger", "stored_events"], "snapshots": names}
    done = move(captured, store, dest, **both)
    assert [(one["table"], one["moved"]) for one in done["tables"]] == [("ledger", len(may_go)), ("stored_events", 0)]
    monkeypatch.undo()
    captured.run(captured.server, store, "UPDATE snapshots s JOIN ledger_states l USING (id) SET s.state = l.state")
    assert move(captured, store, dest, **both)["moved"] == len(may_go)


def test_events_that_came_back_can_go_again(captured: Captured, store: str, dest: Path) -> None:
    before = rows(captured, store)
    first = move(captured, store, dest)
    move(captured, store, dest, state="restored")
    second = move(captured, store, dest)
    assert first["moved"] == second["moved"]
    move(captured, store, dest, state="restored")
    assert rows(captured, store) == before


def test_what_is_refused_changes_nothing(captured: Captured, store: str, dest: Path, tmp_path: Path) -> None:
    server, stop = captured.server, tmp_path / "stop"
    two = captured.copy(server, "archive_two", "CREATE TABLE ledgers LIKE stored_events")
    none = captured.copy(server, "archive_none", "DROP TABLE snapshots")
    trigger = captured.copy(
        server, "archive_trigger", "CREATE TRIGGER t BEFORE DELETE ON stored_events FOR EACH ROW SET @x = 1"
    )
    child = captured.copy(
        server,
        "archive_child",
        "CREATE TABLE child (event bigint unsigned, FOREIGN KEY (event) REFERENCES stored_events (id) ON DELETE CASCADE)",
    )
    engine = captured.copy(server, "archive_engine", "ALTER TABLE stored_events ENGINE=Aria")
    index = captured.copy(
        server,
        "archive_index",
        "ALTER TABLE stored_events DROP INDEX stored_events_aggregate_uuid_aggregate_version_unique",
    )
    bits = captured.copy(server, "archive_bits", "ALTER TABLE stored_events ADD flags bit(3)")
    stop.write_text("")
    blind = {"login_user": "blind_archive", "login_password": "canary-blind"}
    captured.run(
        server,
        "",
        "CREATE OR REPLACE USER blind_archive@'127.0.0.1' IDENTIFIED BY 'canary-blind'",
        f"GRANT SELECT, DELETE ON {store}.* TO blind_archive@'127.0.0.1'",
    )
    wrong: list[tuple[str, dict[str, Any], type[RunbookError], str]] = [
        (store, {"keep_latest": None}, BadInput, "Which events are to be archived is not said"),
        (store, {"keep_latest": 0}, BadInput, "keep_latest must be 1 or more"),
        (store, {"tables": []}, BadInput, f"Those of {store} are {store}.stored_events"),
        (store, {"tables": ["accounts"]}, BadInput, "accounts is no event table"),
        (store, {"dest": str(dest / "no")}, BadInput, "is no directory this user can write to"),
        (store, {"state": "restored"}, BadInput, "holds no archive of"),
        (store, {"stop_file": str(stop)}, Refused, "The stop file"),
        (store, {"max_events": 10}, Refused, "events would be archived, max_events is 10"),
        (store, {"replicas": [{"login_host": "127.0.0.1", "login_port": server.port}]}, Refused, "is no replica"),
        (store, blind, Refused, "can't be seen without the PROCESS privilege"),
        (two, {}, Refused, "Say so with the option snapshots"),
        (none, {}, Refused, "every event is needed"),
        (trigger, {}, Refused, "has the trigger t"),
        (child, {}, Refused, f"{child}.child has a foreign key"),
        (engine, {}, Refused, "no transactions"),
        (index, {}, Refused, "no unique index"),
        (bits, {}, Refused, "the column flags of the type bit"),
    ]
    before = {name: checksum(captured, name) for name in {database for database, *_ in wrong}}
    for database, more, error, words in wrong:
        with pytest.raises(error, match=words.replace("(", "\\(")):
            move(captured, database, **{"dest": dest, **more})
    assert before == {name: checksum(captured, name) for name in before}
    assert list(dest.iterdir()) == []
    assert move(captured, two, dest, snapshots={"snapshots": "stored_events"})["moved"] > 0


def test_a_backup_stops_it(captured: Captured, store: str, dest: Path) -> None:
    with captured.server.connect(database=store) as dump, dump.cursor() as cursor:
        cursor.execute("CREATE OR REPLACE USER backup_nightly@'127.0.0.1' IDENTIFIED BY 'x'")
    with captured.server.connect() as one, one.cursor() as cursor:
        cursor.execute("GRANT SELECT ON *.* TO backup_nightly@'127.0.0.1'")
    login = {"host": "127.0.0.1", "port": captured.server.port, "user": "backup_nightly", "password": "x"}
    with pymysql.connect(**login), pytest.raises(Refused, match=r"A backup runs on .* of backup_nightly"):
        move(captured, store, dest)
    assert len(rows(captured, store)) == 3398
    assert move(captured, store, dest)["complete"] is True


def test_a_stop_file_and_the_end_of_the_time_stop_between_transactions(
    captured: Captured, store: str, dest: Path, tmp_path: Path
) -> None:
    none = move(captured, store, dest, max_seconds=0)
    assert (none["moved"], none["complete"], none["stopped"]) == (0, False, "max_seconds is over")
    assert len(rows(captured, store)) == 3398


def test_two_at_once_are_refused(captured: Captured, store: str, dest: Path) -> None:
    from ansible_collections.finaegis.runbook.plugins.module_utils.events import archive_guard
    from ansible_collections.finaegis.runbook.plugins.module_utils.events.session import open_session
    from ansible_collections.finaegis.runbook.plugins.module_utils.events.stores import discover

    one, _server = open_session(options(event_archive, captured.server, store, dest=str(dest)))
    with one:
        archive_guard.take_lock(one, discover(one, [store]).events[0])
        with pytest.raises(Refused, match="Another run moves events"):
            move(captured, store, dest)
    assert move(captured, store, dest)["moved"] > 0


def test_a_file_that_is_no_longer_what_was_written_is_never_used(captured: Captured, store: str, dest: Path) -> None:
    move(captured, store, dest)
    path = sorted(dest.glob("*/*.gz"))[0]
    whole = path.read_bytes()
    text = gzip.decompress(whole)
    faults = {
        "truncated": whole[:-20],
        "flipped": whole[:200] + bytes([whole[200] ^ 1]) + whole[201:],
        "a line less": gzip.compress(text[: text.rindex(b"\n", 0, -1) + 1]),
        "one amount": gzip.compress(text.replace(b"amount", b"Amount", 1)),
        "empty": b"",
    }
    left = checksum(captured, store)
    for name, content in faults.items():
        path.write_bytes(content)
        with pytest.raises(Failed, match="is not the file that was archived"):
            move(captured, store, dest, state="restored")
        assert checksum(captured, store) == left, name
    path.unlink()
    with pytest.raises(BadInput, match="There is no .*jsonl.gz"):
        move(captured, store, dest, state="restored")
    path.write_bytes(whole)
    move(captured, store, dest, state="restored")
    assert len(rows(captured, store)) == 3398


def test_an_id_that_is_somebody_elses_now_is_left_alone(captured: Captured, store: str, dest: Path) -> None:
    move(captured, store, dest)
    number, left = archived_ids(dest)[0], len(rows(captured, store)) + 1
    captured.run(
        captured.server,
        store,
        f"INSERT INTO stored_events SELECT {number}, NULL, NULL, 1, 'X', '{{}}', '{{}}', NOW() FROM DUAL",
    )
    with pytest.raises(Failed, match=f"the first has the id {number}") as failed:
        move(captured, store, dest, state="restored")
    # What was done before is told: a role must not take it for a refusal.
    assert failed.value.data["tables"][0]["moved"] == len(rows(captured, store)) - left
    assert captured.run(captured.server, store, f"SELECT event_class FROM stored_events WHERE id = {number}") == (
        ("X",),
    )
    captured.run(captured.server, store, f"DELETE FROM stored_events WHERE id = {number}")
    move(captured, store, dest, state="restored")
    assert len(rows(captured, store)) == 3398


KILLED = textwrap.dedent(
    """
    import json, os, signal, sys
    from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
    from ansible_collections.finaegis.runbook.plugins.module_utils.events import archive_task
    from ansible_collections.finaegis.runbook.plugins.modules import event_archive

    left, code = int(sys.argv[1]), "/module_utils/events/archive"

    def count(frame, event, _argument):
        global left
        if code in frame.f_code.co_filename and event in ("call", "return"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    import threading
    options = ArgumentSpecValidator(event_archive.argument_spec()).validate(json.load(sys.stdin)).validated_parameters
    threading.setprofile(count)
    sys.setprofile(count)
    archive_task.run(options, False)
    """
)


def killed(server: MysqlServer, moment: int, asked: dict[str, Any]) -> bool:
    """Whether it was killed, at the nth call or return of a function of ours; or came to its end before."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(moment)],
        input=json.dumps({**server.options, **asked}),
        text=True,
        env={"PYTHONPATH": str(CHECKOUT / ".collections"), "PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("state", ["archived", "restored"])
def test_killed_at_many_moments_then_gone_on_with(captured: Captured, dest: Path, state: str) -> None:
    """kill -9 inside of our own code, again and again on the same store; nothing is lost or doubled and the end is the same."""
    store = captured.copy(captured.server, "archive_killed")
    before, may_go = rows(captured, store), covered(captured, store)
    asked = {
        "login_db": store,
        "tables": ["stored_events"],
        "dest": str(dest),
        "keep_latest": 1,
        "segment_rows": 100,
        "chunk_rows": 40,
    }
    if state == "restored":
        move(captured, store, dest)
    kills = 0
    for moment in (250, 600, 900, 1300, 1700, 2300, 3100, 4300):
        kills += killed(captured.server, moment, {**asked, "state": state})
        in_files = catalogued_ids(dest)
        assert {row[0] for row in rows(captured, store)} | in_files == {row[0] for row in before}, "nothing is lost"
    move(captured, store, dest, state=state)
    assert kills >= 5
    if state == "archived":
        assert {row[0] for row in before} - {row[0] for row in rows(captured, store)} == may_go
        assert sorted(archived_ids(dest)) == sorted(may_go), "each is in one file"
        assert not list(dest.rglob(".*"))
        move(captured, store, dest, state="restored")
    assert rows(captured, store) == before


def catalogued_ids(dest: Path) -> set[int]:
    """The events of the files that the catalogue has."""
    found: set[int] = set()
    for catalogue in dest.glob("*/catalogue.json"):
        for segment in json.loads(catalogue.read_text())["segments"]:
            lines = gzip.decompress((catalogue.parent / segment["file"]).read_bytes()).splitlines()
            found |= {int(json.loads(line)[0]) for line in lines}
    return found
