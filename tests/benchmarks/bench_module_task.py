# SPDX-License-Identifier: GPL-3.0-or-later
"""What one task of ours costs on this host, against Ansible's own smallest module, in one play of each kind.

"CPU" are the seconds of ansible-playbook and all it starts; busy neighbours do not change them much.

Usage: python tests/benchmarks/bench_module_task.py [TASKS]
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from integration.runner import run_tasks
from integration.servers import start_redis

ROUNDS = 3


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as directory:
        server = start_redis(Path(directory))
        try:
            kinds = {
                "ansible.builtin.debug": {"msg": "no module, only Ansible's own loop"},
                "ansible.builtin.ping": {},
                "finaegis.runbook.horizon_status": dict(server.options),
                "finaegis.runbook.environment_lock": {**server.options, "environment": "bench", "state": "queried"},
                "finaegis.runbook.laravel_info": {"app_dir": directory, "gather": ["workers"]},
            }
            each: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
            for _ in range(ROUNDS):
                for name, arguments in kinds.items():
                    one, all_of_them = (play({name: arguments}, tasks) for tasks in (1, count + 1))
                    each[name].append(tuple((more - less) / count for more, less in zip(all_of_them, one, strict=True)))
        finally:
            server.stop()
    found = {name: [statistics.median(column) for column in zip(*rounds, strict=True)] for name, rounds in each.items()}
    ping = found["ansible.builtin.ping"]
    print(
        f"One task: the mean of {count} in one play without the start of ansible-playbook, the median of {ROUNDS} rounds"
    )
    for name, (seconds, cpu) in found.items():
        print(
            f"  {name:36} {seconds * 1000:6.0f} ms {seconds / ping[0]:5.2f} x ping"
            f"   CPU {cpu * 1000:6.0f} ms {cpu / ping[1]:5.2f} x ping"
        )


def play(task: dict[str, Any], number: int) -> tuple[float, float]:
    """Seconds by the clock and of CPU of a play of so many tasks, by ansible-playbook itself."""
    start, used = time.monotonic(), sum(os.times()[:4])
    run_tasks([task] * number, own_process=True)
    return time.monotonic() - start, sum(os.times()[:4]) - used


if __name__ == "__main__":
    main()
