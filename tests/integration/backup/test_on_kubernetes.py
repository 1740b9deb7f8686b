# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles backup and disaster_recovery do on Kubernetes, on a real API server with its controllers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from integration.backup.kube import Kube, cluster, missing
from integration.mysql.playbooks import Environment
from integration.runner import ansible_playbook
from integration.servers import MysqlServer, RedisServer

pytestmark = [pytest.mark.skipif(bool(missing()), reason=missing()), pytest.mark.timeout(600)]
CANARY = "c4n4ry-0f-kubernetes"


@pytest.fixture(scope="module")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    with cluster(tmp_path_factory.mktemp("kubernetes")) as kube:
        yield kube


def schedule(kube: Kube, directory: Path, *arguments: str, **inputs: Any) -> tuple[dict[str, Any], int, str]:
    """The AWX artifact, how many tasks changed something, and all that was printed."""
    given = {
        "backup_hosts": "localhost",
        "runbook_environment": "test",
        "runbook_records_dir": str(directory / "records"),
        "runbook_database": "bank",
        "backup_dest": "s3://bank/test/",
        "backup_now": False,
        "backup_schedule": "kubernetes",
        "backup_mysql": {"config_file": "/run/finaegis-runbook/my.cnf", "login_user": "backup"},
        "backup_s3": {"endpoint_url": "http://127.0.0.1:9", "region": "x"},
        "backup_kubernetes": kube.options,
        "backup_image": "registry.k8s.io/pause:3.10",
        "backup_secret": "backup",
        **inputs,
    }
    done = ansible_playbook("playbooks/backup.yml", *arguments, "-e", json.dumps(given))
    output = done.stdout + done.stderr
    report = json.loads(done.stdout[done.stdout.index("{\n") :])
    return report["global_custom_stats"]["backup"], report["stats"]["localhost"]["changed"], output


def test_cron_jobs_are_applied_once_run_and_removed(kube: Kube, tmp_path: Path) -> None:
    done, changed, output = schedule(kube, tmp_path, "-vvv", backup_kubernetes={**kube.options, "api_key": None})
    assert done["outcome"] == "completed" and changed == 1, output
    assert "could not be looked at" in done["message"], "the bucket is reached from the pods only"
    jobs = {one["metadata"]["name"]: one for one in kube.get("cronjobs")}
    assert {name: one["spec"]["schedule"] for name, one in jobs.items()} == {
        "finaegis-backup-test": "0 2 * * *",
        "finaegis-binlogs-test": "*/1 * * * *",
    }
    zones = [one["spec"].get("timeZone") for one in jobs.values()]
    assert zones == ["Etc/UTC"] * 2 or "schedule_time_zone" in [one["check"] for one in done["findings"]], done
    (config,) = [one for one in kube.get("configmaps") if one["metadata"]["name"] == "finaegis-backup-test"]
    (play,) = yaml.safe_load(config["data"]["finaegis-backup.yml"])
    assert play["tasks"][0]["finaegis.runbook.backup_create"]["config_file"] == "/run/finaegis-runbook/my.cnf"
    container = jobs["finaegis-backup-test"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"] == [{"secretRef": {"name": "backup"}}] and "env" not in container
    _same, changed, output = schedule(kube, tmp_path)
    assert changed == 0, output
    jobs_of: list[str] = []
    until = time.monotonic() + 400
    while not jobs_of and time.monotonic() < until:  # every minute
        time.sleep(10)
        jobs_of = [owner["name"] for one in kube.get("jobs") for owner in one["metadata"]["ownerReferences"]]
    assert jobs_of[:1] == ["finaegis-binlogs-test"], "its time came, and the cluster ran it"
    _less, changed, output = schedule(kube, tmp_path, backup_binlogs=False)
    assert changed == 1 and [one["metadata"]["name"] for one in kube.get("cronjobs")] == ["finaegis-backup-test"], (
        output
    )
    gone, changed, output = schedule(kube, tmp_path, backup_schedule_state="absent")
    assert gone["outcome"] == "completed" and changed == 1 and kube.get("cronjobs") == [], output
    assert "finaegis-backup-test" not in str(kube.get("configmaps"))


def manifests(path: Path, image: str, behaviour: str = "run") -> str:
    """A Secret, a Deployment of two pods, and a Job, whose names end in the file's."""
    name = path.stem
    pod = {"containers": [{"name": "app", "image": image}], "terminationGracePeriodSeconds": 0}
    labels = {"app": name}
    job = {"containers": [{"name": "job", "image": "busybox", "command": ["true" if behaviour == "run" else "false"]}]}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Secret", "stringData": {"password": CANARY}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "spec": {
                "replicas": 2,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        },
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "metadata": {"annotations": {"fake-kubelet/behaviour": behaviour}},
                    "spec": {**job, "restartPolicy": "Never"},
                },
            },
        },
    ]
    for one in objects:
        one["metadata"] = {"name": name}
    path.write_text(yaml.safe_dump_all(objects))
    return str(path)


def test_manifests_come_up_or_the_reason_is_told(
    kube: Kube, mysql_server: MysqlServer, clean_redis: RedisServer, tmp_path: Path
) -> None:
    place = Environment(tmp_path, mysql_server, clean_redis, {"disaster_recovery_kubernetes": kube.options})
    web, broken, failing = (tmp_path / f"{name}.yml" for name in ("web", "broken", "failing"))
    good = manifests(web, "registry.k8s.io/pause:3.10")

    def recover(*files: str, **inputs: Any) -> tuple[dict[str, Any], str, int]:
        told, output, code = place.run(
            "disaster_recovery",
            "-vvv",
            disaster_recovery_scenario="application_failure",
            disaster_recovery_manifests=files,
            **inputs,
        )
        assert CANARY not in output
        return told, output, code

    done, output, code = recover(good)
    assert code == 0 and done["done"] == ["application"] and done["verdict"] == "warning", output
    assert kube.get("deployments")[0]["status"]["availableReplicas"] == 2

    manifests(web, "localhost/missing:2")
    failed, output, code = recover(str(web), disaster_recovery_rollout_seconds=5)
    assert code and failed["done"] == [] and failed["verdict"] == "critical", output
    assert "web.yml" in failed["message"] and "Pod web-" in failed["message"] and "missing:2" in failed["message"]

    failed, output, code = recover(manifests(failing, "registry.k8s.io/pause:3.10", "fail"), str(broken))
    assert code and failed["done"] == [] and "The job failing failed. Pod failing-" in failed["message"], output


def test_the_cluster_is_seen_before_anything_is_restored(
    kube: Kube, mysql_server: MysqlServer, clean_redis: RedisServer, tmp_path: Path
) -> None:
    more = {"runbook_database": "nothing", "runbook_backup_dir": str(tmp_path), "disaster_recovery_lock": False}
    place = Environment(tmp_path, mysql_server, clean_redis, more)
    inputs: dict[str, Any] = {"disaster_recovery_scenario": "region_failure"}
    seen, output, code = place.run("disaster_recovery", **inputs, disaster_recovery_kubernetes=kube.options)
    assert code and seen["done"] == ["infrastructure"] and "no such proven backup" in seen["message"], output
    away = tmp_path / "kubeconfig"
    away.write_text(Path(kube.kubeconfig).read_text().replace("https://127.0.0.1:", "https://127.0.0.1:1"))
    blind, output, code = place.run(
        "disaster_recovery", **inputs, disaster_recovery_kubernetes={"kubeconfig": str(away)}
    )
    assert code and blind["done"] == [] and "the cluster has nodes that are ready: " in blind["message"], output
