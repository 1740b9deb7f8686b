# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup and the archived binary logs after it: any moment can be brought back, to the row, and a broken chain is never hidden."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import binlog_ship, catalogue, verify
from ansible_collections.finaegis.runbook.plugins.module_utils.events.restored import event_rules
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.files import FileStorage
from ansible_collections.finaegis.runbook.plugins.modules import backup_verify, binlog_archive
from integration.backup import handmade
from integration.backup.handmade import sql
from integration.servers import MysqlServer, start_mariadb


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    found = start_mariadb(tmp_path_factory.mktemp("pitr"))
    yield found
    found.stop()


class History:
    """A bank, a backup of it, three deposits a second apart, each in a binary log of its own, and all of them archived."""

    def __init__(self, server: MysqlServer, dest: Path) -> None:
        self.server, self.dest = server, dest
        sql(server, "RESET MASTER")
        handmade.make_bank(server, "pitr")
        sql(
            server, "DROP DATABASE IF EXISTS bystander", "CREATE DATABASE bystander", "CREATE TABLE bystander.t (a INT)"
        )
        self.backup = handmade.take(server, "pitr", dest)
        self.times: list[int] = []
        self.places: list[str] = []
        self.gtids: list[str] = []
        for number in (1, 2, 3):
            sql(
                server,
                f"UPDATE pitr.accounts SET balance = balance + {number} WHERE id = 1",
                f"INSERT INTO bystander.t VALUES ({number})",
            )
            self.times.append(int(time.time()))
            self.places.append("%s:%d" % sql(server, "SHOW MASTER STATUS")[0][:2])
            self.gtids.append(str(sql(server, "SELECT @@gtid_binlog_pos")[0][0]))
            sql(server, "FLUSH BINARY LOGS")
            while int(time.time()) <= self.times[-1]:
                time.sleep(0.02)  # the log's clock has whole seconds
        self.archive()

    def archive(self) -> dict[str, Any]:
        options = {
            **self.server.options,
            "dest": str(self.dest),
            "work_dir": str(self.dest.parent),
            "max_age_seconds": 1,
        }
        return binlog_ship.run(
            ArgumentSpecValidator(binlog_archive.argument_spec()).validate(options).validated_parameters, False
        )

    def verify(self, until: str, **more: Any) -> dict[str, Any]:
        options = {
            "src": str(self.backup),
            "until": until,
            "scratch_dir": str(self.dest.parent),
            "scratch_memory_bytes": 128 << 20,
        }
        spec = ArgumentSpecValidator(backup_verify.argument_spec())
        return verify.run(spec.validate({**options, **more}).validated_parameters, False, event_rules({}))

    def balance(self, expected: int) -> list[dict[str, str]]:
        return [{"name": "balance", "query": "SELECT balance FROM accounts WHERE id = 1", "expected": str(expected)}]


@pytest.fixture
def history(server: MysqlServer, tmp_path: Path) -> History:
    (tmp_path / "dest").mkdir()
    return History(server, tmp_path / "dest")


def finding(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in result["findings"] if one["check"] == name)


def test_every_kind_of_moment_is_brought_back(history: History) -> None:
    whens = [
        (verify.iso(history.times[1]), 2, "replica"),
        (history.places[1], 4, "replica"),
        (history.gtids[1], 4, "client"),  # GTID of the bystander's insert, just after the second deposit
        ("latest", 7, "replica"),
    ]
    for until, balance, method in whens:
        more: dict[str, Any] = {"assertions": history.balance(balance)}
        if method == "client":
            more.update(history.server.options, target="server", target_database="pitr_copy")
        result = history.verify(until, **more)
        assert result["level"] == "L4" and finding(result, "replay")["verdict"] == "ok", (until, result["findings"])
        assert result["replayed"]["method"] == method
    assert result["replayed"]["to"].startswith("binlog.") and result["replayed"]["transactions"] == 6
    assert sql(history.server, "SELECT COUNT(*) FROM bystander.t") == [(3,)], "only the backup's database is replayed"
    assert result["rpo"]["by"] == "binlog" and result["rpo"]["seconds"] <= 60
    assert not list(history.dest.parent.glob("finaegis-scratch-*"))
    covered = json.loads((history.dest / binlog_ship.COVERED).read_text())["until"]
    late = verify.judge.moment(covered, "") + 137
    told = history.verify("", loss_at=verify.iso(late), require_level="L0", proof=False)
    assert told["rpo"]["seconds"] == 137, "a known loss of N seconds is reported as N"


def test_a_chain_that_is_broken_is_found_before_anything_is_restored(history: History) -> None:
    logs = {one.name: one for one in catalogue.read(FileStorage(str(history.dest))).binlogs}
    broken = sorted(logs)[-2]
    (history.dest / logs[broken].file).unlink()
    result = history.verify("latest")
    assert result["level"] == "L0" and result["verdict"] == "critical" and "restore" not in result["rto"]["phases"]
    assert "missing" in finding(result, "replay")["message"]
    assert finding(result, "rpo")["observed"] is not None and "missing" in result["rpo"]["reason"]
    beyond = history.verify("2099-01-01T00:00:00Z")
    assert "reach to" in finding(beyond, "replay")["message"] or "broken" in finding(beyond, "replay")["message"]
    before = history.verify("binlog.000001:4")
    assert "lies before the backup" in finding(before, "replay")["message"]


def test_a_log_that_is_damaged_in_the_archive_stops_the_replay(history: History) -> None:
    last = max(catalogue.read(FileStorage(str(history.dest))).binlogs, key=lambda one: one.number)
    path = history.dest / last.file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    result = history.verify("latest")
    assert result["level"] == "L3" and result["verdict"] == "critical"
    assert "SHA-256" in finding(result, "replay")["message"] and last.name in finding(result, "replay")["message"]


def test_logs_that_do_not_fit_the_data_stop_the_replay(history: History) -> None:
    sql(history.server, "SET SESSION sql_log_bin = 0", "DELETE FROM pitr.journal_lines WHERE id = 5")
    sql(
        history.server,
        "INSERT INTO pitr.journal_lines (id, account, debit_amount, credit_amount, currency) VALUES (5, 1, 0, 0, 'EUR')",
        "FLUSH BINARY LOGS",
    )
    history.archive()
    result = history.verify("latest")
    assert result["level"] == "L3" and "Duplicate entry" in finding(result, "replay")["message"], result["findings"]
    assert not list(history.dest.parent.glob("finaegis-scratch-*"))
