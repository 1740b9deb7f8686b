# SPDX-License-Identifier: GPL-3.0-or-later
"""One of several processes that take and release the same lock: options of environment_lock on stdin, own fences on stdout."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ansible_collections.finaegis.runbook.plugins.module_utils.environment import lock, locking

given = json.load(sys.stdin)
shared, rounds = Path(given.pop("shared")), given.pop("rounds")
store = locking.make(given)
fences: list[int] = []
while True:
    try:
        taken = locking.perform(given, store, False)
    except lock.Held:
        time.sleep(0.002)
        continue
    # Read and write apart from each other: whoever is here at the same time loses a line of the other.
    seen = json.loads(shared.read_text())
    time.sleep(0.001)
    shared.write_text(json.dumps([*seen, taken["fence"]]))
    fences.append(taken["fence"])
    locking.perform({**given, "state": "released", "token": taken["token"]}, store, False)
    if len(seen) + 1 >= rounds:
        break
json.dump(fences, sys.stdout)
