# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the application says of itself: version, stores, migrations; and which of its worker processes run on this host."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

from ..transport.base import Transport
from .php import ask

#: Passwords are never read; a Redis or database URL is cut down to its host, port and database inside PHP already.
_APPLICATION = r"""
    $redis = function ($name) {
        $c = config("database.redis.$name");
        if (!is_array($c)) { return null; }
        if (!empty($c['url'])) { $c = array_merge($c, (new Illuminate\Support\ConfigurationUrlParser)->parseConfiguration($c)); }
        return ['connection' => $name, 'host' => (string) ($c['host'] ?? ''), 'port' => (int) ($c['port'] ?? 6379),
                'db' => (int) ($c['database'] ?? 0), 'prefix' => (string) ($c['prefix'] ?? config('database.redis.options.prefix', ''))];
    };
    $store = (string) config('cache.default', config('cache.stores') ? array_key_first(config('cache.stores')) : '');
    $cache = (array) config("cache.stores.$store");
    $conn = (string) config('queue.default');
    $queue = (array) config("queue.connections.$conn");
    $use = config('horizon.use', 'default');
    return [
        'name' => (string) config('app.name'), 'environment' => $app->environment(), 'debug' => (bool) config('app.debug'),
        'timezone' => (string) config('app.timezone'), 'laravel_version' => $app->version(), 'php_version' => PHP_VERSION,
        'hostname' => gethostname(),
        'maintenance' => ['driver' => (string) config('app.maintenance.driver', 'file'),
            'store' => config('app.maintenance.store'), 'down' => $app->isDownForMaintenance()],
        'caches' => ['config' => $app->configurationIsCached(), 'routes' => $app->routesAreCached(),
            'events' => method_exists($app, 'eventsAreCached') && $app->eventsAreCached()],
        'cache' => ['store' => $store, 'driver' => (string) ($cache['driver'] ?? ''), 'prefix' => (string) config('cache.prefix'),
            'redis' => ($cache['driver'] ?? '') === 'redis' ? $redis($cache['connection'] ?? 'default') : null],
        'queue' => ['connection' => $conn, 'driver' => (string) ($queue['driver'] ?? ''), 'queue' => $queue['queue'] ?? null,
            'redis' => ($queue['driver'] ?? '') === 'redis' ? $redis($queue['connection'] ?? 'default') : null],
        'horizon' => config('horizon') ? ['prefix' => (string) config('horizon.prefix', 'horizon:'), 'redis' => $redis($use)] : null,
    ];
"""

_MIGRATIONS = r"""
    $migrator = $app->make('migrator');
    $exists = $migrator->repositoryExists();
    $ran = $exists ? $migrator->getRepository()->getRan() : [];
    $files = array_keys($migrator->getMigrationFiles(array_merge($migrator->paths(), [database_path('migrations')])));
    return ['table_exists' => $exists, 'ran' => array_values($ran), 'pending' => array_values(array_diff($files, $ran)),
            'missing_files' => array_values(array_diff($ran, $files))];
"""


def application(transport: Transport, target: str, app_dir: str, php: str, timeout: float) -> Dict[str, Any]:
    """Versions, drivers and stores, as the running code sees them (a cached configuration included)."""
    facts: Dict[str, Any] = ask(transport, target, app_dir, php, _APPLICATION, {}, timeout)
    facts["cache_clear"] = cache_clear_harm(facts)
    return facts


def migrations(transport: Transport, target: str, app_dir: str, php: str, timeout: float) -> Dict[str, Any]:
    """Migrations that ran, are pending, or ran and have no file any more; asked of the framework's own migrator."""
    found: Dict[str, Any] = ask(transport, target, app_dir, php, _MIGRATIONS, {}, timeout)
    return found


def _same_database(one: Optional[Dict[str, Any]], other: Optional[Dict[str, Any]]) -> bool:
    return bool(one and other) and all((one or {})[k] == (other or {})[k] for k in ("host", "port", "db"))


def cache_clear_harm(facts: Dict[str, Any]) -> Dict[str, Any]:
    """What ``cache:clear`` would take with it. On Redis it is FLUSHDB of the store's whole database, prefix or not.

    ``destroys`` lists ``jobs`` and ``horizon`` (queues or Horizon's data live in that database) and ``maintenance`` (the marker of
    maintenance mode lives in that store). Paused queues, restart signals and scheduler locks live in the default store in any case.
    """
    cache, destroys = facts["cache"], []
    if cache["driver"] == "redis":
        if _same_database(cache["redis"], facts["queue"]["redis"]):
            destroys.append("jobs")
        if facts["horizon"] and _same_database(cache["redis"], facts["horizon"]["redis"]):
            destroys.append("horizon")
    maintenance = facts["maintenance"]
    if maintenance["driver"] == "cache" and (maintenance["store"] or cache["store"]) == cache["store"]:
        destroys.append("maintenance")
    return {"safe": not destroys, "destroys": destroys}


#: Artisan commands that take jobs from queues.
WORKER_COMMANDS = ("horizon", "horizon:supervisor", "horizon:work", "queue:work", "queue:listen")


def workers(app_dir: str, proc: str = "/proc") -> Dict[str, List[Dict[str, Any]]]:
    """Worker processes on this host, from /proc, each with pid, artisan command and age in seconds.

    ``own`` belong to the application in ``app_dir``: their working directory is ``app_dir`` (its real path, so a release directory
    behind a symbolic link counts) or their artisan file lies there. ``undetermined`` are workers of which only the command line
    could be read, because they are another user's: theirs may be any application. A zombie has ended and is not listed.
    """
    home = os.path.realpath(app_dir)
    with open(os.path.join(proc, "uptime"), encoding="ascii") as handle:
        uptime = float(handle.read().split()[0])
    found: Dict[str, List[Dict[str, Any]]] = {"own": [], "undetermined": []}
    for pid in sorted(filter(str.isdigit, os.listdir(proc)), key=int):
        try:
            with open(os.path.join(proc, pid, "cmdline"), "rb") as handle:
                argv = handle.read().decode("utf-8", "replace").split("\0")
            at = next((i for i, word in enumerate(argv[:6]) if os.path.basename(word) == "artisan"), None)
            if at is None or len(argv) <= at + 1 or argv[at + 1] not in WORKER_COMMANDS:
                continue
            with open(os.path.join(proc, pid, "stat"), encoding="utf-8", errors="replace") as handle:
                started = float(handle.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
            process = {"pid": int(pid), "command": argv[at + 1], "age_seconds": round(max(uptime - started, 0.0), 1)}
            try:
                directory: Optional[str] = os.readlink(os.path.join(proc, pid, "cwd"))
            except PermissionError:
                directory = None
        except OSError:
            continue  # gone since the listing
        if directory is None and not os.path.isabs(argv[at]):
            found["undetermined"].append(process)
        elif directory == home or os.path.dirname(os.path.realpath(os.path.join(directory or "/", argv[at]))) == home:
            found["own"].append(process)
    return found
