# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do when a command, an option or something it needs is not there; the runbook names many that do not exist."""

from __future__ import annotations

import re
from typing import Dict, Tuple

from .contract import Version
from .contracts import CONTRACTS

#: Of commands no version of Laravel, Horizon, spatie/laravel-event-sourcing or the FinAegis platform has.
INSTEAD: Dict[str, str] = {
    "accounts:list-blocked": "Read the frozen flags of the table accounts with SQL.",
    "backup:run": "Use finaegis.runbook.backup_create.",
    "backup:verify": "Restore the backup into a scratch database and compare it with the manifest beside it.",
    "cache:stats": "Read INFO of the Redis server of the cache store.",
    "compliance:daily-report": "The platform has compliance:generate-reports --type=all --date=...",
    "compliance:process-alerts": "The platform has regulatory:manage for filings; alerts have no command.",
    "db:optimize-connections": "Look at the process list of the database; Laravel has no connection pool to tune.",
    "db:slow-queries": "Read the server's slow query log or performance_schema.",
    "db:verify-integrity": "Check the invariants with SQL on a replica.",
    "event-sourcing:archive": "The platform's event:archive makes no snapshot and breaks aggregates; archive with SQL after a snapshot.",
    "event-sourcing:compact": "The platform's event:compact deletes events behind any snapshot; archive with SQL after a snapshot.",
    "event-sourcing:compensate": "A compensation is an event of the domain: record it with the application's own code.",
    "event-sourcing:errors": "Projection errors are failed jobs: queue:failed.",
    "event-sourcing:snapshot": "The platform has snapshot:create with fixed thresholds; else call snapshot() in code.",
    "event-sourcing:status": "The package stores no position of a projector: look at the depth of its queues and at failed jobs.",
    "event-sourcing:verify": "Check versions and gaps of the event table with SQL.",
    "health:check": "Use finaegis.runbook.health_gate on the health URLs; the platform has system:health-check (always exits 0).",
    "horizon:continue-queue": "Use queue:resume (Laravel 12.40 and later) or finaegis.runbook.horizon_control for a supervisor.",
    "horizon:failed": "Use queue:failed.",
    "horizon:pause-queue": "Use queue:pause (Laravel 12.40 and later) or finaegis.runbook.horizon_control for a supervisor.",
    "logs:error-summary": "Count the ERROR lines of storage/logs.",
    "metrics:api-performance": "The platform has performance:report; else use finaegis.runbook.health_gate or Prometheus.",
    "notifications:maintenance": "Announce with the announce hook of the maintenance role.",
    "notifications:maintenance-complete": "Announce with the announce hook of the maintenance role.",
    "payments:sync": "The platform has custodian:sync-balances, settlements:process and cgo:verify-payments.",
    "projections:rebuild": "Use event-sourcing:replay with the projector's class.",
    "reconcile:daily": "The platform has reconciliation:daily.",
    "reconcile:full": "The platform has reconciliation:daily --force; its report is storage/app/reconciliation/*.json.",
    "reconcile:report": "Read the report of reconciliation:daily, storage/app/reconciliation/*.json.",
    "webhooks:status": "The platform has webhooks:retry-failed.",
}

#: Of options a command does not have, by command and option.
OPTION_INSTEAD: Dict[Tuple[str, str], str] = {
    ("event-sourcing:list", "--after"): "It lists event handlers, not events; read the event table with SQL.",
    ("event-sourcing:list", "--aggregate-uuid"): "It lists event handlers, not events; read the event table with SQL.",
    ("event-sourcing:replay", "--aggregate-uuid"): "It came with version 7.2.4 of the package.",
    ("event-sourcing:replay", "--all"): "Name no projector to replay all of them.",
    (
        "event-sourcing:replay",
        "--force",
    ): "It came with version 7.7.0 of the package; before, --no-interaction alone is enough.",
    ("migrate", "--graceful"): "It came with Laravel 11.0.2.",
    ("migrate", "--isolated"): "It came with Laravel 9.38.",
    (
        "optimize:clear",
        "--except",
    ): "It came with Laravel 11.38; run config:clear, route:clear, view:clear and event:clear instead.",
    ("queue:failed", "--queue"): "Read the table failed_jobs, or filter the list by queue.",
}


#: What the first line of an error says -> what to do; the first that matches.
_ERRORS: Tuple[Tuple[str, str], ...] = (
    (
        r"vendor/autoload\.php",
        "The packages are not installed: run composer install, or check that app_dir is the current release.",
    ),
    (
        r"SQLSTATE\[\w+\] \[(2002|2003|2006)\]",
        "The database does not answer: check DB_HOST and DB_PORT, and that it runs.",
    ),
    (
        r"SQLSTATE\[\w+\] \[(1044|1045|1049)\]",
        "The database refuses: check DB_DATABASE, DB_USERNAME, DB_PASSWORD and its grants.",
    ),
    (r"Operation not permitted", "The process belongs to another user: run the task as that one (become_user)."),
    (r"Permission denied|not writable", "Run the task as the user the application runs as (become_user)."),
    (
        r"^Connection refused$|NOAUTH|WRONGPASS|php_network_getaddresses",
        "Redis does not answer: check the REDIS_* settings.",
    ),
    (r"Not enough arguments|arguments expected|Too many arguments", "'php artisan help COMMAND' shows its arguments."),
)
_ELSE = "storage/logs/laravel.log there may say more."


def error_advice(message: str) -> str:
    """What to do about the error in ``message``: a sentence."""
    return next((advice for pattern, advice in _ERRORS if re.search(pattern, message)), _ELSE)


def _since(found: Version, version: Version) -> str:
    here = "; this is Laravel %s" % ".".join(map(str, version)) if version else ""
    return "It came with Laravel %s%s." % (".".join(map(str, found)), here)


def command_advice(command: str, version: Version) -> str:
    """What to do without the command: a sentence, or an empty text when nothing is known of it."""
    if command in INSTEAD:
        return INSTEAD[command]
    starts = [entry.since for entry in CONTRACTS if entry.command == command]
    if starts and all(starts):
        return _since(min(starts), version)
    return "Its package may not be installed; 'php artisan list' shows what there is." if starts else ""


def option_advice(command: str, option: str, version: Version) -> str:
    """What to do without the option, a sentence or an empty text."""
    if option == "--json":
        starts = [entry.json_since for entry in CONTRACTS if entry.command == command and entry.json_since]
        if starts:
            return _since(min(starts), version)
    return OPTION_INSTEAD.get((command, option), "")
