# SPDX-License-Identifier: GPL-3.0-or-later
"""The bank with what a replay needs: its options, what its tables hold, projectors of every kind."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.finaegis.runbook.plugins.module_utils.core import options
from ansible_collections.finaegis.runbook.plugins.module_utils.events import replay_options, replay_task
from integration.bank import Bank
from integration.bank import deploy as deploy_bank
from integration.servers import MysqlServer, RedisServer

CANARY = "c4n4ry-0f-replay"
TABLES = {
    "accounts": "SELECT * FROM accounts ORDER BY uuid",
    "transactions": "SELECT account_uuid, type, amount, reference, event_id, created_at FROM transactions ORDER BY event_id, type",
    "daily_totals": "SELECT * FROM daily_totals ORDER BY day",
}
PROJECTORS = ["AccountProjector", "TransactionProjector", "DailyTotalsProjector"]


@dataclass
class ReplayBank(Bank):
    mysql: MysqlServer | None = None
    redis: RedisServer | None = None

    @classmethod
    def deploy(cls, directory: Path, redis: RedisServer, mysql: MysqlServer, name: str) -> ReplayBank:
        bank = deploy_bank(directory, redis, mysql, name)
        return cls(bank.home, bank.name, mysql=mysql, redis=redis)

    @property
    def database(self) -> str:
        return self.name.replace("-", "_")

    def arguments(self, **more: Any) -> dict[str, Any]:
        """The module's options: all three projectors of the bank, unless told otherwise."""
        assert self.mysql
        assert self.redis
        return {
            **self.options,
            **self.mysql.options,
            **self.redis.options,
            "login_db": self.database,
            "projectors": [f"App\\Projectors\\{name}" for name in PROJECTORS],
            "projection_tables": list(TABLES),
            "ignore_columns": {"transactions": ["id"]},
            "key_columns": {"transactions": ["event_id"]},
            "queues": ["events"],
            "queue_prefix": self.queue_prefix,
            "settle_seconds": 0,
            **more,
        }

    def task(self, **more: Any) -> dict[str, Any]:
        return {"finaegis.runbook.event_replay": self.arguments(**more)}

    def parameters(self, **more: Any) -> dict[str, Any]:
        """The options as Ansible would hand them on, with every default."""
        spec = {**options.mysql(), **options.redis(), **options.transport(), **replay_options.replay_spec()}
        return {**{name: one.get("default") for name, one in spec.items()}, **self.arguments(**more)}

    def replay(self, check_mode: bool = False, **more: Any) -> dict[str, Any]:
        """The module's work without Ansible around it."""
        return replay_task.run(self.parameters(**more), check_mode)

    def alone(self, projector: str, table: str, **more: Any) -> dict[str, Any]:
        """One projector and its table."""
        columns = (
            {"ignore_columns": {}, "key_columns": {}}
            if table != "transactions"
            else {
                "ignore_columns": {"transactions": ["id"]},
                "key_columns": {"transactions": ["event_id"]},
            }
        )
        return self.replay(
            projectors=[f"App\\Projectors\\{projector}"], projection_tables=[table], **{**columns, **more}
        )

    def run(self, *statements: str, database: str | None = None) -> tuple[Any, ...]:
        """Run statements; the rows of the last."""
        assert self.mysql
        place = self.database if database is None else database or None
        with self.mysql.connect(database=place) as connection, connection.cursor() as cursor:
            cursor.execute("SET time_zone = '+00:00'")
            for statement in statements:
                cursor.execute(statement)
            return tuple(cursor.fetchall())

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """What the projections hold, without numbers that a replay may give otherwise."""
        return {table: self.run(query) for table, query in TABLES.items()}

    def checksums(self) -> tuple[Any, ...]:
        """Of all tables of the live database, to the byte."""
        tables = [row[0] for row in self.run("SHOW TABLES")]
        return self.run("CHECKSUM TABLE " + ", ".join(f"`{table}`" for table in tables))

    def counted(self) -> dict[str, int]:
        return dict(self.run("SELECT event_class, COUNT(*) FROM stored_events GROUP BY event_class"))

    def databases(self) -> list[str]:
        return [row[0] for row in self.run(f"SHOW DATABASES LIKE '{self.database.replace('_', chr(92) + '_')}%'")]

    def users(self) -> list[str]:
        return [row[0] for row in self.run("SELECT user FROM mysql.user WHERE user LIKE 'runbook%'")]

    def waiting(self) -> int:
        """Jobs of the queued projector, waiting or in hand."""
        assert self.redis
        client, key = self.redis.client(), f"{self.queue_prefix}queues:events"
        return int(client.llen(key)) + int(client.zcard(f"{key}:reserved"))

    def restore(self) -> None:
        """The read model as the events say."""
        self.artisan("event-sourcing:replay", "--force")

    def add_projectors(self) -> None:
        """Those of projectors.php, each in a file of its own, as they are found by."""
        text = Path(__file__).with_name("projectors.php").read_text()
        head, *classes = re.split(r"(?=^/\*\* .*\*/\nclass )", text, flags=re.MULTILINE)
        for one in classes:
            name = re.search(r"^class (\w+)", one, re.MULTILINE)
            assert name
            (self.home / "app/Projectors" / f"{name.group(1)}.php").write_text(head + one)

    def seed(self, accounts: int, movements: int) -> None:
        """Another, larger history."""
        for table in ("stored_events", "snapshots", *TABLES, "journal_lines", "journal_entries", "ledger_accounts"):
            self.run("SET FOREIGN_KEY_CHECKS = 0", f"DELETE FROM {table}")
        self.artisan("bank:seed", f"--accounts={accounts}", f"--events={movements}")
