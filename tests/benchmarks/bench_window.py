# SPDX-License-Identifier: GPL-3.0-or-later
"""A maintenance window against a shell script of the runbook's own lines, one after the other on the same sandbox.

Both start with the same pending migration (it is rolled back in between). A witness asks both hosts all the time. The script is
what RUNBOOK.md says, run on one host as the runbook does; what it got wrong is counted from what the witness and the servers saw.

Usage: python tests/benchmarks/bench_window.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests")]

from integration.maintenance.sandbox import Sandbox, Witness

SCRIPT = r"""
mysqldump --defaults-extra-file="$CLIENT" "$DB_NAME" | gzip > "$BACKUPS/backup_pre_maintenance.sql.gz"
php artisan about > "$BACKUPS/system_state_before.txt"
php artisan horizon:status >> "$BACKUPS/system_state_before.txt"
php artisan down --secret="maintenance-bypass-token" --render="errors::503"
php artisan horizon:terminate
php artisan migrate --force
php artisan optimize:clear
php artisan optimize
php artisan horizon > /dev/null 2>&1 &
extra=$!
php artisan bank:smoke
php artisan up
kill $extra
"""


def shell(sandbox: Sandbox) -> float:
    facts = sandbox.facts
    client = sandbox.home / "bench.cnf"
    client.touch(mode=0o600)
    login = facts["mysql"]["admin"]
    client.write_text(
        f"[client]\nhost={facts['mysql']['host']}\nport={facts['mysql']['port']}\nuser={login['user']}\npassword={login['password']}\n"
    )
    environment = dict(
        os.environ, CLIENT=str(client), DB_NAME=facts["mysql"]["database"], BACKUPS=str(sandbox.home / "backups")
    )
    start = time.monotonic()
    subprocess.run(
        ["bash", "-c", SCRIPT], cwd=facts["hosts"]["app1"]["current"], env=environment, capture_output=True, check=False
    )
    return time.monotonic() - start


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        sandbox = Sandbox(Path(directory, "sandbox"))
        sandbox.set_up()
        try:
            first = sandbox.facts["hosts"]["app1"]["current"]
            with Witness(sandbox.urls) as by_hand:
                hand_seconds = shell(sandbox)
            hosts_down = {url for _, url, code in by_hand.seen if code == 503}
            subprocess.run(
                ["php", "artisan", "migrate:rollback", "--step=1", "--force", "-n"],
                cwd=first,
                capture_output=True,
                check=True,
            )
            with Witness(sandbox.urls) as by_window:
                start = time.monotonic()
                result, output = sandbox.window(maintenance_watch_seconds=0)
                window_seconds = time.monotonic() - start
            if result.get("outcome") != "completed":
                sys.exit(output)
            ours_down = {url for _, url, code in by_window.seen if code == 503}
        finally:
            sandbox.remove()
    says = result["downtime_seconds"]
    print("A window of two hosts: the runbook's lines by hand on one of them, and playbooks/maintenance.yml (no watch)")
    print(
        f"  total      by hand {hand_seconds:6.1f} s   window {window_seconds:6.1f} s   {window_seconds / hand_seconds:5.2f} x"
    )
    print(f"  site away  by hand {by_hand.away():6.1f} s   window {by_window.away():6.1f} s (it says {says} s)")
    print(f"  hosts seen down while it migrated   by hand {len(hosts_down)} of 2   window {len(ours_down)} of 2")


if __name__ == "__main__":
    main()
