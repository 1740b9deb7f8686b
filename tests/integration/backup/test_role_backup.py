# SPDX-License-Identifier: GPL-3.0-or-later
"""The role backup as users run it, its playbook, on a private server; what the timers run is run too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.runner import ansible_playbook
from integration.servers import MysqlServer

CANARY = "c4n4ry"


@pytest.fixture(scope="module")
def server(mysql_server: MysqlServer) -> MysqlServer:
    with mysql_server.connect() as connection, connection.cursor() as cursor:
        for statement in (
            "CREATE OR REPLACE DATABASE nightly",
            "CREATE TABLE nightly.t (a INT PRIMARY KEY)",
            "INSERT INTO nightly.t VALUES (1), (2)",
            f"CREATE OR REPLACE USER nightly@'127.0.0.1' IDENTIFIED BY '{CANARY}'",
            "GRANT ALL ON *.* TO nightly@'127.0.0.1'",
        ):
            cursor.execute(statement)
    return mysql_server


def run(directory: Path, server: MysqlServer, *arguments: str, **inputs: Any) -> tuple[dict[str, Any], str, int]:
    """The record of the run (empty without one), all it printed, and the exit code."""
    options = directory / "backup.cnf"
    options.touch(0o600)
    options.write_text(f'[client]\nuser=nightly\npassword="{CANARY}"\nport={server.port}\n')
    (directory / "dest").mkdir(exist_ok=True)
    (directory / "units").mkdir(exist_ok=True)
    given = {
        "backup_hosts": "localhost",
        "runbook_environment": "test",
        "runbook_records_dir": str(directory / "records"),
        "runbook_backup_dir": str(directory / "dest"),
        "runbook_database": "nightly",
        "backup_activate": False,
        "runbook_mysql": {"config_file": str(options)},
        "backup_unit_dir": str(directory / "units"),
        "backup_config_dir": str(directory / "config"),
        **inputs,
    }
    done = ansible_playbook("playbooks/backup.yml", *arguments, "-e", json.dumps(given))
    records = sorted((directory / "records").glob("test-backup-*.json"))
    return json.loads(records[-1].read_text()) if records else {}, done.stdout + done.stderr, done.returncode


def test_a_backup_the_logs_and_timers_whose_work_can_be_done(server: MysqlServer, tmp_path: Path) -> None:
    planned, output, code = run(tmp_path, server, "--check", backup_schedule="systemd")
    assert code == 0, output
    assert planned == {} and list((tmp_path / "dest").iterdir()) == list((tmp_path / "units").iterdir()) == []
    record, output, code = run(tmp_path, server, backup_schedule="systemd")
    assert code == 0, output
    assert record["outcome"] == "completed" and record["verdict"] == "ok" and record["shipped"], record
    assert record["loss_seconds"] < 300 and "none was ever proven" in record["message"]
    assert Path(record["path"]).is_file() and (tmp_path / "dest/binlog").is_dir()
    units = sorted((tmp_path / "units").iterdir())
    assert [one.name for one in units] == [
        f"finaegis-{what}-test.{kind}" for what in ("backup", "binlogs") for kind in ("service", "timer")
    ]
    checked = subprocess.run(
        ["systemd-analyze", "verify", *map(str, units)], capture_output=True, text=True, check=False
    )
    ours = [line for line in checked.stderr.splitlines() if "finaegis" in line]
    assert ours == [], checked.stderr
    playbooks = sorted((tmp_path / "config").iterdir())
    assert [one.stat().st_mode & 0o777 for one in playbooks] == [0o600, 0o600]
    assert not any(CANARY in one.read_text() for one in [*units, *playbooks]) and CANARY not in output
    before = len(list((tmp_path / "dest").glob("*.manifest.json")))
    for playbook in playbooks:
        done = ansible_playbook(str(playbook))
        assert "failed=0" in done.stdout or '"failures": 0' in done.stdout, done.stdout + done.stderr
    assert len(list((tmp_path / "dest").glob("*.manifest.json"))) == before + 1


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"backup_database": "", "backup_dest": "s3://bank/x"}, "backup_database must be given"),
        (
            {"backup_schedule": "systemd", "backup_mysql": {"login_user": "x", "login_password": CANARY}},
            "A schedule keeps no passwords",
        ),
        ({"backup_schedule": "kubernetes"}, "backup_image, backup_secret"),
        ({"backup_database": "nowhere"}, "There is no database"),
    ],
)
def test_what_can_not_be_meant_is_refused(
    server: MysqlServer, tmp_path: Path, inputs: dict[str, Any], message: str
) -> None:
    record, output, code = run(tmp_path, server, **inputs)
    assert code != 0 and message in output and CANARY not in output
    assert record["outcome"] == "failed" and message in record["message"]
    assert list((tmp_path / "dest").iterdir()) == [] and not (tmp_path / "config").exists()


def test_the_cron_jobs_are_what_kubernetes_understands(tmp_path: Path) -> None:
    """Rendered only: no cluster is asked."""
    template = Path(__file__).parents[3] / "roles/backup/templates/cronjobs.yml.j2"
    play = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "connection": "local",
            "vars": {
                "backup_environment": "test",
                "backup_cron": "0 2 * * *",
                "backup_binlogs": True,
                "backup_binlog_interval_seconds": 120,
                "backup_mysql": {"config_file": "/run/finaegis-runbook/my.cnf"},
                "__backup_s3": {"region": "x"},
                "__backup_api": "batch/v1",
                "backup_image": "ee:1",
                "backup_secret": "backup",
                "backup_kubernetes": {"namespace": "bank"},
                "__backup_create": {"database": "nightly"},
                "__backup_archive": {"dest": "s3://bank/x/"},
            },
            "tasks": [
                {"ansible.builtin.template": {"src": str(template), "dest": str(tmp_path / "out.yml"), "mode": "0600"}}
            ],
        }
    ]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    done = ansible_playbook(str(tmp_path / "play.yml"))
    assert (tmp_path / "out.yml").exists(), done.stdout + done.stderr
    config, *jobs = yaml.safe_load_all((tmp_path / "out.yml").read_text())
    assert [(one["kind"], one["spec"]["schedule"]) for one in jobs] == [
        ("CronJob", "0 2 * * *"),
        ("CronJob", "*/2 * * * *"),
    ]
    for job in jobs:
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        playbook = pod["containers"][0]["command"][1].rpartition("/")[2]
        (task,) = yaml.safe_load(config["data"][playbook])[0]["tasks"]
        arguments = next(value for key, value in task.items() if key.startswith("finaegis.runbook."))
        assert arguments["config_file"].startswith(pod["containers"][0]["volumeMounts"][1]["mountPath"])
        assert pod["restartPolicy"] == "Never" and job["spec"]["concurrencyPolicy"] == "Forbid"


def test_where_there_is_no_backup_the_verdict_says_so(server: MysqlServer, tmp_path: Path) -> None:
    record, output, code = run(tmp_path, server, backup_now=False)
    assert code == 0, output
    assert (record["outcome"], record["verdict"]) == ("completed", "critical"), record
    assert record["message"] == "There is no whole backup." and record["path"] is None
