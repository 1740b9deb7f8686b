# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks disaster_recovery and backup_verify: a drill from nothing to verdict with S3, and a recovery for real."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import catalogue, verify_judge
from ansible_collections.finaegis.runbook.plugins.module_utils.core.times import iso
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import open_storage
from integration.backup.handmade import sql
from integration.backup.test_pitr import History
from integration.mysql.playbooks import Environment
from integration.servers import MysqlServer, RedisServer, start_mariadb
from moto.server import ThreadedMotoServer

SECRET = "c4n4ry-s3cret"
LEDGER = {
    "table": "journal_lines",
    "debit_column": "debit_amount",
    "credit_column": "credit_amount",
    "group_columns": ["currency"],
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MysqlServer]:
    found = start_mariadb(tmp_path_factory.mktemp("production"))
    yield found
    found.stop()


@pytest.fixture(scope="module")
def history(origin: MysqlServer, tmp_path_factory: pytest.TempPathFactory) -> History:
    directory = tmp_path_factory.mktemp("history") / "dest"
    directory.mkdir()
    return History(origin, directory)


@pytest.fixture
def s3(history: History) -> Iterator[dict[str, str]]:
    """The options that reach a bucket with the same backups and binary logs."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {
        "endpoint_url": f"http://{host}:{port}",
        "access_key": "key",
        "secret_key": SECRET,
        "region": "us-east-1",
    }
    client = boto3.client(
        "s3",
        endpoint_url=options["endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key=SECRET,
    )
    client.create_bucket(Bucket="backups")
    for path in (one for one in history.dest.rglob("*") if one.is_file()):
        client.put_object(Bucket="backups", Key=f"test/{path.relative_to(history.dest)}", Body=path.read_bytes())
    yield {**options, "bucket": "backups"}
    client.close()
    server.stop()


@pytest.fixture
def place(mysql_server: MysqlServer, clean_redis: RedisServer, tmp_path: Path) -> Environment:
    more = {"runbook_database": "pitr", "disaster_recovery_scratch_dir": str(tmp_path)}
    sql(mysql_server, "DROP DATABASE IF EXISTS pitr")
    return Environment(tmp_path, mysql_server, clean_redis, more)


def covered(history: History) -> float:
    return verify_judge.moment(json.loads((history.dest / "binlog/covered.json").read_text())["until"], "")


def test_a_drill_from_nothing_to_verdict_with_s3(place: Environment, history: History, s3: dict[str, Any]) -> None:
    before = sql(history.server, "CHECKSUM TABLE pitr.accounts, pitr.stored_events, pitr.journal_lines")
    place.more["runbook_s3"] = s3
    done, output, code = place.run(
        "disaster_recovery",
        "-vvv",
        disaster_recovery_scenario="database_failure",
        disaster_recovery_drill=True,
        disaster_recovery_loss_at=iso(covered(history) + 137),
        disaster_recovery_ledgers=[LEDGER],
        disaster_recovery_assertions=history.balance(7),
    )
    assert code == 0, output
    assert (done["outcome"], done["verdict"], done["level"]) == ("completed", "ok", "L4"), done
    assert done["rpo"]["seconds"] == 137 and done["rpo"]["objective"] == 900 and done["rto"]["objective"] == 7200
    assert done["replayed"]["method"] == "replica" and done["steps"] == done["done"] == ["database", "verification"]
    assert json.loads(Path(done["record"]).read_text()) == done
    assert SECRET not in output and SECRET not in Path(done["record"]).read_text()
    assert sql(history.server, "CHECKSUM TABLE pitr.accounts, pitr.stored_events, pitr.journal_lines") == before
    assert sql(place.mysql, "SHOW DATABASES LIKE 'pitr'") == []
    assert not list(place.directory.glob("finaegis-*"))
    known = catalogue.read(open_storage("s3://backups/test/", s3))
    assert known.newest(proven=True) is not None, "the drill is a proof"


@pytest.mark.timeout(300)
def test_recovery_into_a_new_server_takes_proven_backups_only(
    place: Environment, history: History, tmp_path: Path
) -> None:
    dest = tmp_path / "backups"
    shutil.copytree(history.dest, dest)
    place.more["runbook_backup_dir"] = str(dest)
    inputs = {"disaster_recovery_scenario": "database_failure", "disaster_recovery_assertions": history.balance(7)}
    unproven, output, code = place.run("disaster_recovery", **inputs)
    assert code and "there is no such proven backup" in unproven["message"], output
    assert sql(place.mysql, "SHOW DATABASES LIKE 'pitr'") == []
    proven, output, code = place.run("backup_verify")
    assert code == 0 and not proven, output
    planned, output, code = place.run("disaster_recovery", "--check", **inputs)
    assert code == 0 and planned["check"] and planned["verdict"] == "ok", output
    assert sql(place.mysql, "SHOW DATABASES LIKE 'pitr'") == []
    done, output, code = place.run("disaster_recovery", **inputs)
    assert code == 0 and done["outcome"] == "completed" and done["level"] == "L4", output
    for table in ("accounts", "stored_events", "journal_lines"):
        rows = f"SELECT * FROM pitr.{table} ORDER BY id"
        assert sql(place.mysql, rows) == sql(history.server, rows), "equal to the source at the cut, to the row"
    again, output, code = place.run("disaster_recovery", **inputs)
    assert code and "is not empty" in again["message"], output


def test_a_gap_in_the_chain_fails_the_drill_before_anything_is_restored(
    place: Environment, history: History, tmp_path: Path
) -> None:
    dest = tmp_path / "backups"
    shutil.copytree(history.dest, dest)
    sorted((dest / "binlog").glob("*.zst"))[-2].unlink()
    place.more["runbook_backup_dir"] = str(dest)
    done, output, code = place.run(
        "disaster_recovery", disaster_recovery_scenario="complete_outage", disaster_recovery_drill=True
    )
    assert code and done["outcome"] == "failed" and done["verdict"] == "critical", output
    assert "missing" in done["message"] and "restore" not in done["rto"]["database"]
    assert "application" not in done["done"]
