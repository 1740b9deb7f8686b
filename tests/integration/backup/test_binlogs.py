# SPDX-License-Identifier: GPL-3.0-or-later
"""binlog_archive against a real MariaDB: the chain is whole, gaps are seen, a kill costs nothing; and what it archived can be replayed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import binlog_file, binlog_ship, catalogue
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Failed, Refused
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.files import FileStorage
from ansible_collections.finaegis.runbook.plugins.modules import binlog_archive
from integration.backup.handmade import sql
from integration.runner import run_tasks
from integration.servers import MysqlServer, start_mariadb

MODULE = "finaegis.runbook.binlog_archive"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    """One of our own: its binary logs must hold what these tests wrote and nothing else."""
    found = start_mariadb(tmp_path_factory.mktemp("binlogs"))
    yield found
    found.stop()


@pytest.fixture
def fresh(server: MysqlServer) -> MysqlServer:
    sql(
        server,
        "DROP DATABASE IF EXISTS logged",
        "CREATE DATABASE logged",
        "CREATE TABLE logged.t (a INT)",
        "RESET MASTER",
    )
    return server


def options(server: MysqlServer, dest: Path, **more: Any) -> dict[str, Any]:
    return {**server.options, "dest": str(dest), **more}


def ship(server: MysqlServer, dest: Path, **more: Any) -> dict[str, Any]:
    found = ArgumentSpecValidator(binlog_archive.argument_spec()).validate(
        options(server, dest, work_dir=str(dest.parent), **more)
    )
    assert not found.error_messages
    return binlog_ship.run(found.validated_parameters, False)


def archived(dest: Path) -> list[catalogue.Binlog]:
    return catalogue.read(FileStorage(str(dest))).binlogs


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    (tmp_path / "dest").mkdir()
    return tmp_path / "dest"


def test_logs_are_shipped_byte_for_byte_and_only_when_there_is_something_new(fresh: MysqlServer, dest: Path) -> None:
    sql(fresh, "INSERT INTO logged.t VALUES (1)")
    common = {MODULE: options(fresh, dest)}
    insert = [
        "mariadb",
        "--no-defaults",
        "-S",
        fresh.unix_socket,
        "-u",
        fresh.user,
        "-e",
        "INSERT INTO logged.t VALUES (2)",
    ]
    write = {"ansible.builtin.command": {"argv": insert}, "environment": {"MYSQL_PWD": fresh.password}}
    planned, first, idle, _, young, due = run_tasks(
        [
            {**common, "check_mode": True},
            common,
            common,
            write,
            common,
            {MODULE: options(fresh, dest, max_age_seconds=1)},
        ],
        diff=True,
    )
    assert set(planned) == set(first)
    for key in ("changed", "rotated", "shipped", "diff", "verdict"):
        assert planned[key] == first[key], key
    assert first["shipped"] == ["binlog.000001"] and first["verdict"] == "ok", first
    assert not idle["changed"] and idle["covered_until"] >= first["covered_until"] and idle["verdict"] == "ok"
    assert not young["changed"] and not young["rotated"], "300 seconds are not over yet"
    assert due["rotated"] and due["shipped"] == ["binlog.000002"]
    for one in archived(dest):
        plain = subprocess.run(["zstd", "-qdc", str(dest / one.file)], capture_output=True, check=True).stdout
        assert plain == (fresh.directory / "data" / one.name).read_bytes()
        assert (one.end_position, one.closed, one.server) == (len(plain), True, "1")
    assert [one.name for one in archived(dest)] == ["binlog.000001", "binlog.000002"]
    assert archived(dest)[1].last_event and archived(dest)[1].last_gtid
    assert not any(
        path.name.startswith("finaegis-")
        for path in Path("/var/tmp").iterdir()
        if path.stat().st_mtime > time.time() - 1
    )


def test_logs_that_were_purged_before_they_were_shipped_are_a_gap_for_ever(fresh: MysqlServer, dest: Path) -> None:
    ship(fresh, dest, max_age_seconds=1)
    sql(fresh, "FLUSH BINARY LOGS", "FLUSH BINARY LOGS", "INSERT INTO logged.t VALUES (1)")
    until = time.monotonic() + 30
    while sql(fresh, "PURGE BINARY LOGS TO 'binlog.000004'", "SHOW BINARY LOGS")[0][0] != "binlog.000004":
        assert time.monotonic() < until  # the server keeps them until its next checkpoint
        time.sleep(0.1)
    result = ship(fresh, dest, max_age_seconds=1)
    assert result["verdict"] == "critical" and result["findings"][0]["check"] == "chain", result
    assert "between binlog.000001 and binlog.000004 2 are missing" in result["findings"][0]["message"]
    again = ship(fresh, dest)
    assert again["verdict"] == "critical"


def test_another_history_is_not_mixed_in(fresh: MysqlServer, dest: Path) -> None:
    sql(fresh, "INSERT INTO logged.t VALUES (1)")
    ship(fresh, dest, max_age_seconds=1)
    before = {path: path.stat().st_mtime_ns for path in dest.rglob("*")}
    sql(fresh, "RESET MASTER", "FLUSH BINARY LOGS")
    with pytest.raises(Refused, match="another log of the same name"):
        ship(fresh, dest)
    sql(fresh, "RESET MASTER")
    with pytest.raises(Refused, match="began anew|another log"):
        ship(fresh, dest)
    sql(fresh, "SET GLOBAL server_id = 7")
    try:
        with pytest.raises(Refused, match="server with id 1; this one has id 7"):
            ship(fresh, dest)
    finally:
        sql(fresh, "SET GLOBAL server_id = 1")
    assert {path: path.stat().st_mtime_ns for path in dest.rglob("*")} == before


def test_killed_between_a_log_and_its_record_it_ships_that_log_again(
    fresh: MysqlServer, dest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(fresh, "INSERT INTO logged.t VALUES (1)", "FLUSH BINARY LOGS", "INSERT INTO logged.t VALUES (2)")
    with monkeypatch.context() as patch:
        patch.setattr(binlog_ship.catalogue, "write_binlog", lambda *_: os._exit(9))
        child = os.fork()
        if not child:
            ship(fresh, dest, max_age_seconds=1)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert archived(dest) == [] and (dest / "binlog" / "binlog.000001.zst").exists()
    assert list(dest.parent.glob("finaegis-scratch-*")), "the killed run left its private directory"
    result = ship(fresh, dest, max_age_seconds=1)
    assert result["shipped"][:2] == ["binlog.000001", "binlog.000002"] and result["verdict"] == "ok"
    assert not list(dest.parent.glob("finaegis-scratch-*"))


def test_what_is_not_archived_grows_old(fresh: MysqlServer, dest: Path) -> None:
    sql(fresh, "INSERT INTO logged.t VALUES (1)")
    ship(fresh, dest)
    covered = json.loads((dest / binlog_ship.COVERED).read_text())
    covered["until"] = "2026-01-01T00:00:00Z"
    (dest / binlog_ship.COVERED).write_text(json.dumps(covered))
    sql(fresh, "INSERT INTO logged.t VALUES (2)")
    result = ship(fresh, dest, max_age_seconds=10**9)
    assert result["verdict"] == "ok" and not result["rotated"]
    result = ship(fresh, dest)
    assert result["rotated"] and result["covered_until"] > "2026-01-01T00:00:00Z" and result["verdict"] == "ok"


def test_a_log_that_arrives_damaged_is_not_archived(
    fresh: MysqlServer, dest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(fresh, "INSERT INTO logged.t VALUES (123456)")
    directory = tmp_path / "bin"
    directory.mkdir()
    real = shutil.which("mariadb-binlog")
    fake = directory / "mariadb-binlog"
    fake.write_text(
        f'#!/bin/bash\n{real} "$@" || exit\nfor last; do :; done\nfor one; do [[ $one == --result-file=* ]] && dir=${{one#*=}}; done\n'
        'printf x | dd of="$dir$last" bs=1 seek=400 conv=notrunc 2>/dev/null\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)
    with pytest.raises(BadInput, match="does not fit its checksum|ends in the middle"):
        ship(fresh, dest)
    assert archived(dest) == [] and not list((dest / "binlog").glob("*")) if (dest / "binlog").exists() else True


def test_rights_that_are_missing_are_named(fresh: MysqlServer, dest: Path) -> None:
    sql(
        fresh,
        "CREATE OR REPLACE USER poor@'127.0.0.1' IDENTIFIED BY 'x'",
        "GRANT BINLOG MONITOR, RELOAD ON *.* TO poor@'127.0.0.1'",
    )
    with pytest.raises(Failed, match="REPLICATION SLAVE"):
        ship(fresh, dest, login_user="poor", login_password="x")
    assert archived(dest) == []


def test_every_moment_of_a_log_can_be_found(fresh: MysqlServer) -> None:
    sql(fresh, *[f"INSERT INTO logged.t VALUES ({number})" for number in range(5)], "FLUSH BINARY LOGS")
    path = fresh.directory / "data" / "binlog.000001"
    with path.open("rb") as handle:
        found = [event for event in binlog_file.events(handle, "x") if event.starts_transaction]
    assert [event.gtid for event in found[-5:]] == [f"0-1-{number}" for number in range(1, 6)]
    with path.open("rb") as handle:
        assert binlog_file.cut_after_gtid(handle, "x", found[1].gtid) == found[2].position
    with path.open("rb") as handle:
        assert binlog_file.cut_at_time(handle, "x", found[0].time) == found[0].position
    with path.open("rb") as handle:
        assert binlog_file.cut_at_time(handle, "x", found[-1].time + 1) is None
    data = bytearray(path.read_bytes())
    data[found[2].position + 30] ^= 1
    damaged = path.parent.parent / "damaged"
    damaged.write_bytes(data)
    with (
        damaged.open("rb") as handle,
        pytest.raises(BadInput, match=f"at {found[2].position} does not fit its checksum"),
    ):
        binlog_file.span(handle, "x")
    damaged.write_bytes(data[: found[3].position + 5])
    with damaged.open("rb") as handle, pytest.raises(BadInput, match="does not fit|ends in the middle"):
        binlog_file.span(handle, "x")
