# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A harmless job whose effect can be seen: proof that a worker takes jobs from a queue and runs them.

The job is the framework's own ``QueuedCommand`` running ``cache:forget MARK STORE``; the mark was put into a store that all hosts
share before, and the job is done when the mark is gone. So the proof needs neither code in the application nor Horizon.
"""

from __future__ import annotations

from typing import Any, Dict, List

from ..transport.base import Transport
from .php import ask

#: The store must be shared between the host that asks and the host whose worker takes the job.
_STORE = r"""
    $shared = ['redis', 'database', 'memcached', 'dynamodb'];
    $default = (string) config('cache.default');
    $stores = array_merge([$default], array_keys((array) config('cache.stores')));
    foreach ($stores as $name) {
        if (!in_array(config("cache.stores.$name.driver"), $shared, true)) { continue; }
        try { cache()->store($name)->get('finaegis-runbook-probe'); return $name; } catch (Throwable $e) { $last = $e->getMessage(); }
    }
    return null;
"""

_SEND = r"""
    $marks = [];
    foreach ($in['queues'] as $queue) {
        $mark = 'finaegis-runbook-probe-' . bin2hex(random_bytes(8));
        cache()->store($in['store'])->put($mark, 1, $in['seconds']);
        $pending = Illuminate\Support\Facades\Artisan::queue('cache:forget', ['key' => $mark, 'store' => $in['store']]);
        if ($in['connection']) { $pending->onConnection($in['connection']); }
        $pending->onQueue($queue);
        unset($pending);
        $marks[$queue] = $mark;
    }
    return $marks;
"""

_SEEN = r"""
    $left = [];
    $until = microtime(true) + $in['seconds'];
    do {
        $left = [];
        foreach ($in['marks'] as $queue => $mark) {
            if (cache()->store($in['store'])->get($mark) !== null) { $left[] = $queue; }
        }
        if (!$left) { break; }
        usleep(200000);
    } while (microtime(true) < $until);
    return $left;
"""


def shared_store(transport: Transport, target: str, app_dir: str, php: str) -> str:
    """Name of a cache store all hosts share, or an empty text when the application has none that answers."""
    return str(ask(transport, target, app_dir, php, _STORE, {}) or "")


def send(transport: Transport, target: str, app_dir: str, php: str, data: Dict[str, Any]) -> Dict[str, str]:
    """Put one job on each of ``data["queues"]``; returns the mark of each queue. Marks expire after ``data["seconds"]``."""
    return dict(ask(transport, target, app_dir, php, _SEND, data))


def unseen(
    transport: Transport, target: str, app_dir: str, php: str, store: str, marks: Dict[str, str], seconds: float
) -> List[str]:
    """Wait up to ``seconds`` and return the queues whose job did not run."""
    data = {"store": store, "marks": marks, "seconds": seconds}
    return list(ask(transport, target, app_dir, php, _SEEN, data, timeout=seconds + 60))
