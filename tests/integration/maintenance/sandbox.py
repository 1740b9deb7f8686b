# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox of its own for a test or a benchmark, set up and removed with the collection's own playbook."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.runner import BIN, CHECKOUT


@dataclass
class Sandbox:
    home: Path
    #: For the modules; empty: the one that Ansible finds.
    python: str = ""

    def playbook(self, name: str, *arguments: str, **extra: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection on the sandbox's inventory; ``extra`` are extra variables."""
        argv = [str(BIN / "ansible-playbook"), f"playbooks/{name}.yml", "-i", "inventories/sandbox", *arguments]
        argv += ["-e", json.dumps({**extra, **({"ansible_python_interpreter": self.python} if self.python else {})})]
        environment = dict(
            os.environ,
            ANSIBLE_CONFIG=str(CHECKOUT / "ansible.cfg"),
            ANSIBLE_SHOW_CUSTOM_STATS="true",
            ANSIBLE_CALLBACK_RESULT_FORMAT="json",
            RUNBOOK_SANDBOX_DIR=str(self.home),
            LC_ALL="C.UTF-8",
        )
        return subprocess.run(argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)

    def set_up(self) -> None:
        done = self.playbook("sandbox", sandbox_state="present", sandbox_install_packages=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def remove(self) -> None:
        done = self.playbook("sandbox", sandbox_state="absent", sandbox_install_packages=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not self.home.exists()

    def window(self, *arguments: str, **extra: Any) -> tuple[dict[str, Any], str]:
        """Hold a window; returns what it handed to AWX, and all it printed."""
        settings = {
            "maintenance_reason": "a test",
            "maintenance_watch_seconds": 2,
            "maintenance_watch_interval": 1,
            "maintenance_smoke_commands": [{"command": "bank:smoke"}],
            # A busy test machine is not what is tested.
            "maintenance_probe_options": {"p95_warning_ms": 30000, "p95_critical_ms": 60000, "timeout_seconds": 60},
        }
        done = self.playbook("maintenance", *arguments, **{**settings, **extra})
        output = done.stdout + done.stderr
        for line in output.splitlines():
            if "RUN: {" in line:
                return dict(json.loads(line[line.index("{") :])["maintenance"]), output
        return {}, output

    @property
    def facts(self) -> dict[str, Any]:
        return dict(json.loads((self.home / "sandbox.json").read_text()))

    @property
    def urls(self) -> list[str]:
        return [host["url"] + "/" for host in self.facts["hosts"].values()]


def status(url: str) -> int:
    """The HTTP status a visitor gets; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return int(error.code)
    except OSError:
        return 0


@dataclass
class Witness:
    """Asks URLs all the time, to compare what a window says with what visitors saw."""

    urls: list[str]
    seen: list[tuple[float, str, int]] = field(default_factory=list)

    def __enter__(self) -> Witness:
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(url,)) for url in self.urls]
        for thread in self._threads:
            thread.start()
        return self

    def _watch(self, url: str) -> None:
        while not self._done.is_set():
            asked = time.time()
            self.seen.append((asked, url, status(url)))
            self._done.wait(0.1)

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def away(self) -> float:
        """Seconds from the first to the last answer that was not 200, over all URLs."""
        times = [asked for asked, _, code in self.seen if code != 200]
        return max(times) - min(times) if times else 0.0

    def codes(self) -> set[int]:
        return {code for _, _, code in self.seen}
