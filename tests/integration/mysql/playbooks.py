# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of the collection run as users run them, on a private server and with its lock in a private Redis."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.runner import BIN, CHECKOUT, environment
from integration.servers import MysqlServer, RedisServer


@dataclass
class Environment:
    """An inventory of one database host and two application hosts, all this machine, in ``directory``."""

    directory: Path
    mysql: MysqlServer
    redis: RedisServer
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def records(self) -> Path:
        return self.directory / "records"

    def run(self, playbook: str, *arguments: str, **inputs: Any) -> tuple[dict[str, Any], str, int]:
        """What it handed to AWX under its own name (empty without), all it printed, and the exit code."""
        hosts = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        inventory = {
            "all": {
                "vars": {
                    "runbook_environment": "test",
                    "runbook_records_dir": str(self.records),
                    "runbook_mysql": self.mysql.options,
                    "runbook_redis": self.redis.options,
                    **self.more,
                },
                "children": {
                    "app": {"hosts": {"web-1": hosts, "web-2": hosts}},
                    "database": {"hosts": {"db-1": hosts}},
                },
            }
        }
        path = self.directory / "inventory.json.yml"
        path.write_text(json.dumps(inventory))
        argv = [str(BIN / "ansible-playbook"), f"playbooks/{playbook}.yml", "-i", str(path), *arguments]
        settings = {
            **environment(),
            "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.default",
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
        }
        done = subprocess.run(
            [*argv, "-e", json.dumps(inputs)], cwd=CHECKOUT, env=settings, capture_output=True, text=True, check=False
        )
        output = done.stdout + done.stderr
        told = [line[line.index("{") :] for line in output.splitlines() if "RUN: {" in line]
        return (json.loads(told[-1]).get(playbook, {}) if told else {}), output, done.returncode
