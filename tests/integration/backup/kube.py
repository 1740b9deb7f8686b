# SPDX-License-Identifier: GPL-3.0-or-later
"""A Kubernetes for tests: the one that RUNBOOK_TEST_KUBECONFIG names, or a private one where a kit to start one lies beside the checkout.

Not KUBECONFIG: that may well be production, and a test suite has no business there. The kit is a directory with ``up.sh``,
``down.sh`` and the real API server, controllers and scheduler, on loopback; its nodes only pretend to run pods.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from integration.runner import CHECKOUT
from integration.servers import free_port

KIT = CHECKOUT.parent / "shared" / "tools" / "kube"
#: Python 3.13 refuses a certificate authority that does not say what its key is for.
OPENSSL = """[req]
distinguished_name = name
x509_extensions = authority
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


@dataclass
class Kube:
    """A namespace of its own in a cluster."""

    kubeconfig: str
    namespace: str

    @property
    def options(self) -> dict[str, str]:
        """For kubernetes.core."""
        return {"kubeconfig": self.kubeconfig, "namespace": self.namespace}

    def ctl(self, *arguments: str, stdin: str = "") -> str:
        argv = ["kubectl", "--kubeconfig", self.kubeconfig, "--namespace", self.namespace, *arguments]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True).stdout

    def get(self, kinds: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.ctl("get", kinds, "--output=json"))["items"]
        return found


def missing() -> str:
    """Why there is no cluster to test on; empty when there is one."""
    absent = [one for one in ("kubectl", "curl", "openssl") if not shutil.which(one)]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if "RUNBOOK_TEST_KUBECONFIG" in os.environ or (KIT / "up.sh").exists():
        return ""
    return "no cluster: RUNBOOK_TEST_KUBECONFIG is not set"


@contextmanager
def namespace(kubeconfig: str) -> Iterator[Kube]:
    kube = Kube(kubeconfig, f"runbook-test-{secrets.token_hex(4)}")
    kube.ctl("create", "namespace", kube.namespace)
    try:
        yield kube
    finally:
        kube.ctl("delete", "namespace", kube.namespace, "--wait=false")


@contextmanager
def cluster(directory: Path) -> Iterator[Kube]:
    """One with an empty namespace. Ask ``missing`` first."""
    if "RUNBOOK_TEST_KUBECONFIG" in os.environ:
        with namespace(os.environ["RUNBOOK_TEST_KUBECONFIG"]) as kube:
            yield kube
        return
    home, config = directory / "kube", directory / "openssl.cnf"
    shutil.copytree(KIT, home, ignore=shutil.ignore_patterns("*.xz"))
    subprocess.run(
        ["tar", "--extract", "--xz", "--file", str(KIT / "bin.tar.xz"), "--directory", str(home)], check=True
    )
    config.write_text(OPENSSL)
    names = ("KUBE_PORT", "ETCD_PORT", "ETCD_PEER_PORT", "KCM_PORT", "SCHED_PORT", "KUBELET_PORT")
    ports = {name: str(free_port()) for name in names}
    environment = {**os.environ, **ports, "KUBE_HOME": str(home), "OPENSSL_CONF": str(config)}
    try:
        for last in (False, True):  # it waits for its parts for a time that is short on a busy machine
            done = subprocess.run([home / "up.sh"], env=environment, capture_output=True, text=True, check=last)
            if done.returncode == 0:
                break
        with namespace(str(home / "kubeconfig")) as kube:
            yield kube
    finally:
        subprocess.run([home / "down.sh"], env=environment, capture_output=True, check=True)
        shutil.rmtree(home)
