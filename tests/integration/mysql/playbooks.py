# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks of the collection run as users run them, on a private server and with its lock in a private Redis."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from integration.bank import Bank
from integration.runner import ansible_playbook
from integration.servers import MysqlServer, RedisServer


@dataclass
class Environment:
    """An inventory of one database host and two application hosts, all this machine, in ``directory``."""

    directory: Path
    mysql: MysqlServer
    redis: RedisServer
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_bank(cls, bank: Bank, database: str, directory: Path, mysql: MysqlServer, redis: RedisServer) -> Environment:
        """With a bank's application on its application hosts."""
        more = {
            "runbook_database": database,
            "runbook_app_dir": str(bank.home),
            "runbook_queue_prefix": bank.queue_prefix,
        }
        return cls(directory, mysql, redis, more)

    @property
    def records(self) -> Path:
        return self.directory / "records"

    def run(self, playbook: str, *arguments: str, **inputs: Any) -> tuple[dict[str, Any], str, int]:
        """What it handed to AWX under its own name (empty without), all it printed, and the exit code."""
        hosts = {"ansible_connection": "local"}
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
        done = ansible_playbook(f"playbooks/{playbook}.yml", "-i", str(path), *arguments, "-e", json.dumps(inputs))
        output = done.stdout + done.stderr
        _, brace, report = done.stdout.partition("{\n")
        told = json.loads(brace + report)["global_custom_stats"] if report else {}
        return told.get(playbook, {}), output, done.returncode
