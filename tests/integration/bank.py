# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's bank, deployed for a test: a real Laravel application on the servers of the test."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from integration.runner import CHECKOUT
from integration.servers import MysqlServer, RedisServer, free_port

SOURCE = CHECKOUT / "roles" / "sandbox" / "files" / "bank"


@dataclass
class Bank:
    """One deployed copy. ``children`` are the processes the test started in it; ``stop`` ends them with their children."""

    home: Path
    name: str
    children: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def options(self) -> dict[str, object]:
        return {"app_dir": str(self.home)}

    @property
    def queue_prefix(self) -> str:
        return f"{self.name.replace('-', '_')}_database_"

    @property
    def horizon_prefix(self) -> str:
        return f"{self.name.replace('-', '_')}_horizon:"

    def artisan(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        argv = ["php", "artisan", *arguments, "--no-interaction", "--no-ansi"]
        done = subprocess.run(argv, cwd=self.home, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *argv: str) -> subprocess.Popen[bytes]:
        """Start a long-lived program in the application's directory."""
        child = subprocess.Popen(
            argv, cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.children.append(child)
        return child

    def horizon(self) -> subprocess.Popen[bytes]:
        return self.start("php", "artisan", "horizon", "--no-ansi")

    def web(self) -> str:
        """Serve the application; returns its URL."""
        port = free_port()
        self.start("php", "-S", f"127.0.0.1:{port}", "-t", "public", "public/index.php")
        return f"http://127.0.0.1:{port}"

    def pids(self) -> list[int]:
        """All processes that run in the application's directory."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "cwd") in (str(self.home), str(self.home / "public")):
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def stop(self) -> None:
        for child in self.children:
            child.terminate()
        until = time.monotonic() + 10
        while self.pids() and time.monotonic() < until:
            for child in self.children:
                child.poll()
            time.sleep(0.1)
        for pid in self.pids():
            os.kill(pid, 9)
        for child in self.children:
            child.wait()
        self.children.clear()


def deploy(
    directory: Path,
    redis: RedisServer,
    mysql: MysqlServer,
    name: str = "test-bank",
    database: str = "",
    hostname: str = "web-1",
) -> Bank:
    """Copy the bank to ``directory`` and install it in ``database`` (made when missing), all but its pending migration."""
    database = database or name.replace("-", "_")
    bank = Bank(directory, name)
    shutil.copytree(SOURCE, directory)
    for sub in ("app", "framework/cache/data", "framework/sessions", "framework/views", "logs"):
        (directory / "storage" / sub).mkdir(parents=True, exist_ok=True)
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS `{database}`")
    values = {
        "APP_NAME": name,
        "APP_ENV": "production",
        "APP_KEY": "base64:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "DB_HOST": "127.0.0.1",
        "DB_PORT": mysql.port,
        "DB_DATABASE": database,
        "DB_USERNAME": mysql.user,
        "DB_PASSWORD": mysql.password,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": redis.port,
        "REDIS_PASSWORD": redis.password,
        "BANK_HOSTNAME": hostname,
    }
    (directory / ".env").write_text("".join(f'{key}="{value}"\n' for key, value in values.items()))
    (directory / ".env").chmod(0o600)
    bank.artisan("bank:install", "--accounts=4")
    return bank
