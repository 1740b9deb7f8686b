# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's Laravel bank in a directory of its own, with masters of Horizon that really run, on any number of "hosts"."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from integration.runner import CHECKOUT
from integration.servers import RedisServer, spawn

HORIZON_PREFIX = "sandbox_bank_horizon:"
QUEUE_PREFIX = "sandbox_bank_database_"


def wait_for(what: Callable[[], object], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.1)


class Bank:
    def __init__(self, directory: Path, redis: RedisServer) -> None:
        self.directory, self.redis = directory / "bank", redis
        shutil.copytree(CHECKOUT / "roles/sandbox/files/bank", self.directory)
        (self.directory / ".env").write_text(
            "APP_NAME='Sandbox Bank'\nAPP_ENV=production\nAPP_KEY=base64:" + "A" * 43 + "=\n"
            f"REDIS_PORT={redis.port}\nREDIS_PASSWORD={redis.password}\nQUEUE_CONNECTION=redis\nCACHE_STORE=redis\n"
        )
        self.masters: list[subprocess.Popen[bytes]] = []

    def artisan(self, *arguments: str, host: str = "web-1") -> str:
        done = subprocess.run(
            ["php", "artisan", *arguments],
            cwd=self.directory,
            env=dict(os.environ, BANK_HOSTNAME=host),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def dispatch(self, queue: str, count: int = 1, seconds: float = 0) -> list[str]:
        """Put jobs on a queue; their uuids."""
        return self.artisan("bank:dispatch", queue, f"--count={count}", f"--seconds={seconds}").split()

    def start(self, *hosts: str) -> list[str]:
        """Start a master on each host and wait until all their supervisors run; the masters' names, in the hosts' order."""
        for host in hosts:
            argv = ["env", f"BANK_HOSTNAME={host}", "sh", "-c", f"cd {self.directory} && exec php artisan horizon"]
            self.masters.append(spawn(argv, self.directory / "horizon.log"))
        wait_for(lambda: len(self.records("supervisor:")) == 2 * len(self.running()))
        names = self.records("master:")
        return [next(name for name in names if name[:-5] == host) for host in hosts]

    def running(self) -> list[subprocess.Popen[bytes]]:
        return [master for master in self.masters if master.poll() is None]

    def records(self, kind: str) -> dict[str, dict[str, str]]:
        """The hashes of masters or supervisors by name, as Redis has them."""
        client = self.redis.client()
        found = {}
        for key in client.scan_iter(match=f"{HORIZON_PREFIX}{kind}*", count=1000):
            record = {name.decode(): value.decode() for name, value in client.hgetall(key).items()}
            if record:
                found[key.decode()[len(HORIZON_PREFIX + kind) :]] = record
        client.close()
        return found

    def reserved(self, queue: str) -> int:
        client = self.redis.client()
        count = int(client.zcard(f"{QUEUE_PREFIX}queues:{queue}:reserved"))
        client.close()
        return count

    def stop(self) -> None:
        """End all masters with their children, whom the terminal's session of each holds together."""
        for master in self.masters:
            for number in (signal.SIGCONT, signal.SIGKILL):
                try:
                    os.killpg(master.pid, number)
                except ProcessLookupError:
                    break
            master.wait()
        self.masters.clear()
