# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_create through Ansible against a real MariaDB, and against dump programs that lie, die or hang."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.runner import Result, call_module, call_modules, run_module, run_tasks
from integration.sandbox.contract import wait_until
from integration.servers import MysqlServer

MODULE = "finaegis.runbook.backup_create"
REAL = shutil.which("mariadb-dump") or "mariadb-dump"
SCHEMA = """
CREATE TABLE accounts (id INT PRIMARY KEY AUTO_INCREMENT, owner VARCHAR(60) NOT NULL, balance DECIMAL(20,4) NOT NULL,
  doubled DECIMAL(20,4) AS (balance * 2) STORED, UNIQUE (owner)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE transactions (id BIGINT PRIMARY KEY AUTO_INCREMENT, account INT NOT NULL, amount DECIMAL(20,4), proof BLOB,
  meta JSON, at DATETIME(6), FOREIGN KEY (account) REFERENCES accounts (id)) ENGINE=InnoDB;
CREATE TABLE `we``ird name` (a INT) ENGINE=InnoDB;
CREATE VIEW rich AS SELECT owner FROM accounts WHERE balance > 100;
CREATE PROCEDURE one() SELECT 1;
CREATE TRIGGER keep BEFORE DELETE ON accounts FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no';
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO SET @x = 1;
INSERT INTO accounts (owner, balance) SELECT CONCAT('Ωwner 😀 ', seq), seq FROM seq_1_to_500;
INSERT INTO transactions (account, amount, proof, meta, at)
  SELECT 1 + seq % 500, -0.0001 * seq, UNHEX(SHA2(seq, 512)), '{"k": "\\\\n'' \\\\u0000"}', '2026-01-31 02:00:00.000001' FROM seq_1_to_5000;
"""


def sql(server: MysqlServer, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


@pytest.fixture(scope="module")
def bank(mysql_server: MysqlServer) -> MysqlServer:
    sql(mysql_server, "DROP DATABASE IF EXISTS bank", "CREATE DATABASE bank")
    sql(mysql_server, *filter(str.strip, SCHEMA.split(";\n")), database="bank")
    return mysql_server


@pytest.fixture
def program(tmp_path: Path) -> Any:
    """Makes a dump program out of a line of shell; it knows its version, like the real one."""

    def make(line: str, name: str = "") -> str:
        path = tmp_path / f"fake-mariadb-dump{name}"
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {REAL} --version\n{line}\n')
        path.chmod(0o755)
        return str(path)

    return make


def args(server: MysqlServer, dest: Path, **more: object) -> dict[str, Any]:
    return {**server.options, "database": "bank", "dest": str(dest), "min_free_bytes": 0, **more}


def names(directory: Path) -> list[str]:
    return sorted(one.name for one in directory.iterdir() if not one.name.startswith("fake-mariadb-dump"))


def restored(server: MysqlServer, dump: bytes, database: str) -> None:
    sql(server, f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database}")
    subprocess.run(
        ["mariadb", "--no-defaults", "-S", server.unix_socket, "-u", server.user, database],
        input=dump,
        env={**os.environ, "MYSQL_PWD": server.password},
        check=True,
    )


def unpacked(path: str, compression: str) -> bytes:
    return subprocess.run(
        [*{"zstd": ["zstd", "-dc"], "gzip": ["gzip", "-dc"], "none": ["cat"]}[compression], path],
        capture_output=True,
        check=True,
    ).stdout


def finding(result: Result, check: str) -> dict[str, Any]:
    return next(one for one in result["findings"] if one["check"] == check)


def test_what_is_restored_equals_what_was_dumped(bank: MysqlServer, tmp_path: Path) -> None:
    kinds = ("zstd", "gzip", "none")
    results = call_modules([{MODULE: args(bank, tmp_path, compression=kind, environment="test")} for kind in kinds])
    for kind, result in zip(kinds, results, strict=True):
        assert result["changed"] and result["verdict"] == "ok", result
        path, manifest = Path(result["path"]), result["manifest"]
        assert json.loads(Path(result["manifest_path"]).read_text()) == manifest
        assert manifest["parts"][0]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        dump = unpacked(str(path), kind)
        assert (manifest["size_bytes"], manifest["uncompressed_bytes"]) == (path.stat().st_size, len(dump))
        assert {name: table["rows"] for name, table in manifest["tables"].items()} == {
            "accounts": 500,
            "transactions": 5000,
            "we`ird name": 0,
        }
        assert manifest["consistent"] and manifest["lock"]["held"]
        assert path.stat().st_mode & 0o777 == 0o600
        restored(bank, dump, "copy")
        # Not by CHECKSUM TABLE: in MariaDB 10.11 it differs between equal tables with a stored generated DECIMAL.
        for table in ("accounts", "transactions", "`we``ird name`"):
            assert sql(bank, f"SELECT * FROM copy.{table}") == sql(bank, f"SELECT * FROM bank.{table}")
        for what, where in (("VIEWS", "TABLE"), ("ROUTINES", "ROUTINE"), ("TRIGGERS", "TRIGGER"), ("EVENTS", "EVENT")):
            count = sql(bank, f"SELECT COUNT(*) FROM information_schema.{what} WHERE {where}_SCHEMA = 'copy'")
            assert count == [(1,)], what
    assert len(names(tmp_path)) == 6


def test_check_mode_is_the_plan_and_writes_nothing(bank: MysqlServer, tmp_path: Path) -> None:
    (tmp_path / ".x.finaegis-partial-1").touch()
    planned = run_module("backup_create", args(bank, tmp_path / "b.sql.zst"), check=True, diff=True)
    assert names(tmp_path) == [".x.finaegis-partial-1"]
    done = run_module("backup_create", args(bank, tmp_path / "b.sql.zst"), diff=True)
    about_the_file = {"uid", "gid", "owner", "group", "mode", "state", "size"}  # Ansible's own, of every existing path
    assert set(planned) == set(done) - about_the_file
    assert set(planned["manifest"]) == set(done["manifest"])
    # Not the estimate: it follows the server's statistics, which InnoDB renews when it likes.
    same = ("changed", "path", "manifest_path", "removed_leftovers", "diff")
    assert {key: planned[key] for key in same} == {key: done[key] for key in same}
    assert planned["size_bytes"] is None and planned["manifest"]["parts"] == []
    assert set(planned["manifest"]["tables"]) == set(done["manifest"]["tables"])
    assert names(tmp_path) == ["b.sql.zst", "b.sql.zst.manifest.json"]


def test_an_existing_backup_is_refused_reused_or_replaced(bank: MysqlServer, tmp_path: Path) -> None:
    dest = tmp_path / "b.sql"
    first, refused, reused, other, replaced = run_tasks(
        [
            {MODULE: args(bank, dest, compression="none", **more)}
            for more in ({}, {}, {"reuse": True}, {"reuse": True, "environment": "x"}, {"overwrite": True})
        ]
    )
    assert refused["failed"] and "exists already; it is a complete backup" in refused["msg"]
    assert not reused["changed"] and reused["manifest"] == first["manifest"] and reused["verdict"] == "ok"
    assert set(reused) == set(first)
    assert other["failed"] and "in environment 'None'" in other["msg"]
    assert replaced["changed"]
    dest.write_bytes(dest.read_bytes()[:-1])
    damaged = run_module("backup_create", args(bank, dest, compression="none", reuse=True))
    assert damaged["failed"] and "size or checksum differ" in damaged["msg"]


def test_rows_are_those_of_the_dump_while_others_write(bank: MysqlServer, tmp_path: Path) -> None:
    sql(
        bank,
        "DROP DATABASE IF EXISTS busy",
        "CREATE DATABASE busy",
        "USE busy",
        "CREATE TABLE busy.a (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
        "CREATE TABLE busy.b LIKE busy.a",
        "INSERT INTO busy.a (v) SELECT 1 FROM seq_1_to_20000",
    )
    stop = threading.Event()

    def write() -> None:
        with bank.connect() as connection, connection.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("BEGIN")
                cursor.execute("INSERT INTO busy.a (v) VALUES (2)")
                cursor.execute("INSERT INTO busy.b (v) VALUES (2)")
                cursor.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        result = call_module("backup_create", args(bank, tmp_path / "b.sql", database="busy", compression="none"))
    finally:
        stop.set()
        writer.join()
    assert result["manifest"]["consistent"], result
    restored(bank, Path(result["path"]).read_bytes(), "copy")
    counts = {table: int(sql(bank, f"SELECT COUNT(*) FROM copy.{table}")[0][0]) for table in "ab"}
    assert counts == {name: table["rows"] for name, table in result["manifest"]["tables"].items()}
    assert 0 < counts["b"] == counts["a"] - 20000
    # The position belongs to the same state: the binary log has exactly these transactions before it.
    position = result["manifest"]["position"]
    before = subprocess.run(
        [
            "mariadb-binlog",
            f"--stop-position={position['position']}",
            "-vv",
            str(bank.directory / "data" / position["file"]),
        ],
        capture_output=True,
        text=True,
        errors="replace",
        check=True,
    ).stdout
    assert before.count("### INSERT INTO `busy`.`b`") == counts["b"]
    assert position["gtid"]


def test_a_lock_that_can_not_be_had_is_given_up_in_time_and_the_binary_log_decides(
    bank: MysqlServer, tmp_path: Path, program: Any
) -> None:
    sql(bank, "DROP DATABASE IF EXISTS held", "CREATE DATABASE held", "CREATE TABLE held.t (a INT)")
    late = program(
        f'mariadb --no-defaults -S {bank.unix_socket} -u late -e "INSERT INTO held.t VALUES (1)"\nexec {REAL} "$@"'
    )
    sql(bank, "CREATE OR REPLACE USER late@localhost", "GRANT INSERT ON held.* TO late@localhost")
    with bank.connect() as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLES held.t WRITE")
        still = call_module("backup_create", args(bank, tmp_path / "b.sql", compression="none", lock_timeout_seconds=1))
    common = {"database": "held", "compression": "none", "lock_timeout_seconds": 0}
    written = call_module("backup_create", args(bank, tmp_path / "c.sql", program=late, **common))
    assert still["changed"] and not still["manifest"]["lock"]["held"]
    assert "Lock wait timeout" in still["manifest"]["lock"]["reason"]
    assert still["manifest"]["consistent"] and still["verdict"] == "ok", "nobody wrote between the two snapshots"
    assert not written["manifest"]["consistent"] and written["verdict"] == "warning"
    assert "somebody wrote between the two" in finding(written, "contents")["message"]
    assert written["manifest"]["position"], "MariaDB's program reads it with its snapshot, without a lock"
    assert "VALUES\n(1)" in Path(written["path"]).read_text() and written["manifest"]["tables"]["t"]["rows"] == 0


def test_a_lock_is_not_held_longer_than_allowed(bank: MysqlServer, tmp_path: Path, program: Any) -> None:
    slow = program(f'sleep 3\nexec {REAL} "$@"')
    result = call_module(
        "backup_create", args(bank, tmp_path / "b.sql", compression="none", program=slow, lock_timeout_seconds=1)
    )
    assert "did not open its snapshot" in result["manifest"]["lock"]["reason"]
    assert 1 <= result["manifest"]["lock"]["seconds"] < 3


def test_missing_rights_are_said_because_a_dump_is_silent_about_them(bank: MysqlServer, tmp_path: Path) -> None:
    sql(
        bank,
        "CREATE OR REPLACE USER low@'127.0.0.1' IDENTIFIED BY 'x'",
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON bank.* TO low@'127.0.0.1'",
        "CREATE OR REPLACE USER none@'127.0.0.1' IDENTIFIED BY 'x'",
        "CREATE OR REPLACE USER part@'127.0.0.1' IDENTIFIED BY 'x'",
        "GRANT SELECT, SHOW VIEW, TRIGGER ON bank.* TO part@'127.0.0.1'",
    )
    low, none, part = call_modules(
        [
            {MODULE: args(bank, tmp_path / f"{user}.sql", compression="none", login_user=user, login_password="x")}
            for user in ("low", "none", "part")
        ]
    )
    assert low["verdict"] == "unknown" and b"one()" not in Path(low["path"]).read_bytes()
    assert len(finding(low, "rights")["observed"]) == 1
    assert "RELOAD" in low["manifest"]["lock"]["reason"] and low["manifest"]["position"]
    assert "procedure:one" not in low["manifest"]["objects"]
    assert none["failed"] and "There is no database 'bank'" in none["msg"]
    assert part["failed"] and "show events" in part["msg"].lower() and "1044" in part["msg"]
    assert names(tmp_path) == ["low.sql", "low.sql.manifest.json"]


def test_a_table_without_snapshots_is_named(bank: MysqlServer, tmp_path: Path) -> None:
    sql(bank, "DROP DATABASE IF EXISTS mixed", "CREATE DATABASE mixed", "CREATE TABLE mixed.old (a INT) ENGINE=MyISAM")
    result = call_module("backup_create", args(bank, tmp_path, database="mixed"))
    assert finding(result, "engines")["observed"] == {"old": "MyISAM"} and result["verdict"] == "warning"
    assert not result["manifest"]["tables"]["old"]["consistent"]


BAD_INPUT: list[tuple[dict[str, Any], str]] = [
    ({"login_password": "wrong"}, "Access denied"),
    ({"database": "nowhere"}, "There is no database 'nowhere'"),
    ({"login_port": 1}, "Connection refused"),
    ({"dest": "/nowhere/b.sql"}, "directory /nowhere does not exist"),
    ({"compression": "gzip"}, "dest ends in .zst"),
    ({"compression_level": 20}, "zstd takes 1 to 19"),
    ({"program": "no-such-program"}, "There is no no-such-program"),
    ({"program": "/bin/false"}, "/bin/false can't be run"),
    ({"min_free_bytes": 1 << 60}, "Free space"),
]


@pytest.mark.parametrize("check", [True, False])
def test_bad_input_is_clear_and_leaves_nothing(bank: MysqlServer, tmp_path: Path, check: bool) -> None:
    tasks = [{MODULE: {**args(bank, tmp_path / "b.sql.zst"), **wrong}} for wrong, _ in BAD_INPUT]
    for result, (wrong, message) in zip(call_modules(tasks, check=check), BAD_INPUT, strict=True):
        assert result["failed"] and message in result["msg"], (wrong, result)
        assert not result["changed"] and "defect of the module" not in result["msg"]
    assert names(tmp_path) == []


def test_a_directory_that_takes_no_files_is_said(bank: MysqlServer) -> None:
    result = call_module("backup_create", args(bank, Path("/proc/b.sql"), min_free_bytes=-(1 << 40)))
    assert result["failed"] and "/proc" in result["msg"] and "defect of the module" not in result["msg"]


BAD_DUMPS = [
    ("""printf -- "-- MariaDB dump\\nINSERT INTO" """, "instead of '-- Dump completed'"),
    (f'{REAL} "$@" 2>/dev/null | head -c 9000', "instead of '-- Dump completed'"),
    (f'{REAL} "$@"; exit 2', "ended with 2"),
    (f'{REAL} "$@"; echo "Couldn\'t read a view" >&2', "warned: Couldn't read a view"),
    ("kill -9 $$", "ended with -9"),
    ("exec sleep 60", "longer than timeout_seconds"),
]


def test_a_dump_that_fails_or_lies_leaves_nothing(bank: MysqlServer, tmp_path: Path, program: Any) -> None:
    dest = tmp_path / "b.sql"
    dest.write_text("the one before")
    common = {"compression": "none", "overwrite": True, "timeout_seconds": 4, "lock_timeout_seconds": 0}
    tasks = [
        {MODULE: args(bank, dest, **common, program=program(line, str(number)))}
        for number, (line, _) in enumerate(BAD_DUMPS)
    ]
    for result, (line, message) in zip(call_modules(tasks), BAD_DUMPS, strict=True):
        assert result["failed"] and message in result["msg"], (line, result)
    assert names(tmp_path) == ["b.sql"] and dest.read_text() == "the one before"


def test_a_compressor_that_fails_leaves_nothing(
    bank: MysqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "zstd").write_text("#!/bin/sh\nhead -c 1000\necho out of memory >&2\nexit 1\n")
    (directory / "zstd").chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    (result,) = run_tasks([{MODULE: args(bank, tmp_path / "b.sql.zst")}], own_process=True)
    assert result["failed"] and "zstd ended with 1: out of memory" in result["msg"]
    assert names(tmp_path) == ["bin"]


def test_a_full_disk_leaves_nothing(bank: MysqlServer, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the write fails in the same way, with another number."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    try:
        (result,) = run_tasks([{MODULE: args(bank, tmp_path / "b.sql", compression="none")}], own_process=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result["failed"] and "the backup can't be written: File too large" in result["msg"], result
    assert names(tmp_path) == []


@contextlib.contextmanager
def running(arguments: dict[str, Any], note: Path) -> Iterator[int]:
    """The module at work in another thread; gives the pid of its process, which the fake program notes."""

    def work() -> None:
        with contextlib.suppress(AssertionError):  # a killed module gives no result
            run_module("backup_create", arguments)

    task = threading.Thread(target=work)
    task.start()
    until = time.monotonic() + 60
    while not (note.exists() and note.read_text().endswith("\n")):
        assert time.monotonic() < until, "the dump was never started"
        time.sleep(0.05)
    yield int(note.read_text())
    task.join(60)
    assert not task.is_alive()


def test_killed_in_the_middle_it_leaves_no_backup_and_the_next_run_cleans_up(
    bank: MysqlServer, tmp_path: Path, program: Any
) -> None:
    note, dest = tmp_path / "note", tmp_path / "b.sql"
    endless = program(f"echo $PPID > {note}\nexec yes")
    with running(args(bank, dest, compression="none", program=endless, lock_timeout_seconds=0), note) as pid:
        until = time.monotonic() + 30
        while not any(one.stat().st_size for one in tmp_path.glob(".b.sql.*")):
            assert time.monotonic() < until
        os.kill(pid, signal.SIGKILL)
    assert not dest.exists()
    (left,) = [name for name in names(tmp_path) if "partial" in name]
    again = call_module("backup_create", args(bank, dest, compression="none"))
    assert again["changed"] and again["removed_leftovers"] == [str(tmp_path / left)]
    assert names(tmp_path) == ["b.sql", "b.sql.manifest.json", "note"]


def test_asked_to_end_it_cleans_up_itself(bank: MysqlServer, tmp_path: Path, program: Any) -> None:
    note = tmp_path / "note"
    endless = program(f"echo $PPID > {note}\nexec yes")
    with running(args(bank, tmp_path, compression="gzip", program=endless, lock_timeout_seconds=0), note) as pid:
        os.kill(pid, signal.SIGTERM)
    assert names(tmp_path) == ["note"]
    wait_until("gone", lambda: not Path(f"/proc/{pid}").exists())


PASSWORDS = ["p#1 \"q\" \\ 'x' ;", " ünï 😀 \\n\\s", "%s%%{{x}}`$(id)", "[client]=!"]


def test_weird_passwords_get_through_and_are_seen_nowhere(bank: MysqlServer, tmp_path: Path) -> None:
    canary = "c4n4ry"
    with bank.connect() as connection, connection.cursor() as cursor:
        for number, password in enumerate(PASSWORDS):
            cursor.execute(f"CREATE OR REPLACE USER odd{number}@'127.0.0.1' IDENTIFIED BY %s", [password + canary])
            cursor.execute(f"GRANT ALL ON *.* TO odd{number}@'127.0.0.1'")
    seen: set[str] = set()
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for file in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        if canary.encode() in (process / file).read_bytes():
                            seen.add(f"{process}/{file}")
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    tasks = [
        {
            MODULE: args(
                bank,
                tmp_path / f"{number}.sql.zst",
                login_user=f"odd{number}",
                login_password="{% raw %}" + password + canary + "{% endraw %}",
            )
        }
        for number, password in enumerate(PASSWORDS)
    ]
    try:
        results = run_tasks(tasks, verbose=True)
        failed = run_module("backup_create", args(bank, tmp_path / "w.sql.zst", login_password=canary), verbose=True)
    finally:
        stop.set()
        watcher.join()
    assert [result.get("verdict") for result in results] == ["ok"] * len(PASSWORDS), results
    assert failed["failed"] and "Access denied" in failed["msg"]
    assert canary not in results[0].output and canary not in failed.output
    assert seen == set()
    assert not any(canary.encode() in one.read_bytes() for one in tmp_path.iterdir())
