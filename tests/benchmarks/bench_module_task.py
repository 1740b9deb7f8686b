# SPDX-License-Identifier: GPL-3.0-or-later
"""What one task of ours costs on this host, against Ansible's own smallest module, in one play of each kind.

Usage: python tests/benchmarks/bench_module_task.py [TASKS]
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from integration.runner import run_tasks
from integration.servers import start_redis


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
            spent = {}
            for name, arguments in kinds.items():
                spent[name] = {}
                for tasks in (1, count + 1):
                    start = time.monotonic()
                    run_tasks([{name: arguments}] * tasks)
                    spent[name][tasks] = time.monotonic() - start
        finally:
            server.stop()
    each = {name: (times[count + 1] - times[1]) / count for name, times in spent.items()}
    print(f"One task, the mean of {count} in one play, without the start of ansible-playbook:")
    for name, seconds in each.items():
        print(f"  {name:36} {seconds * 1000:7.0f} ms   {seconds / each['ansible.builtin.ping']:5.2f} x ping")


if __name__ == "__main__":
    main()
