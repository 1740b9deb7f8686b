# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of contracts: every artisan command of the runbook, as recorded from the real ones on Laravel 8, 11 and 13.

Texts up to Laravel 9.20 end in ``!`` or differ otherwise; they stand in the same entry where they can't be mistaken for another.
"""

from __future__ import annotations

from typing import Tuple

from .contract import DONE, FAILED, NOTHING, REFUSED, Contract, Says, Version

_ROW_DONE = r" DONE$"
_ROW_FAIL = r" FAIL$"
#: A statement of --pretend: after an arrow, or up to Laravel 9.20 after the migration's name.
_STATEMENT = r"^(?:\u21c2|\w+:) (?i:alter|create|drop|rename|insert|update|delete|truncate|select|set) .*"
_PRETENDED_AND_WROTE = r"^Creating migration table .*DONE$\n(?:.*\n)*?\u21c2 "
_CACHE_CAVEAT = (
    "The default cache store also holds paused queues, restart signals, scheduler locks and, with the cache driver, maintenance "
    "mode itself; on Redis its whole database is emptied, queues included if they share it."
)
_FLUSHED = (Says(DONE, r"have been deleted|deleted successfully"),)
_FLUSH_CAVEAT = "How many were deleted is not said; Horizon's own list of failed jobs is not touched."
_SIGNAL_CAVEAT = (
    "Only processes of this host were signalled, by the pid found in Redis, and a sent signal is not yet an effect; "
    "finaegis.runbook.horizon_control acts on all hosts and observes."
)


def _signal(command: str, verb: str, changed_anyway: bool = False, caveat: str = _SIGNAL_CAVEAT) -> Contract:
    """``changed_anyway``: it writes something even when there is no process to signal."""
    return Contract(
        command,
        (
            Says(FAILED, r"Failed to kill|" + _ROW_FAIL, changed=True if changed_anyway else None),
            Says(NOTHING, r"No processes to %s" % verb, changed=changed_anyway),
            Says(DONE, _ROW_DONE, "The signal was sent to {count} master process(es) of this host."),
            Says(DONE, r"^Sending \w+ Signal To Process: \d+"),
        ),
        trust_rc=False,
        caveat=caveat,
    )


def _signal_supervisor(command: str) -> Contract:
    return Contract(
        command,
        (
            Says(FAILED, r"Failed to (kill|send|find)"),
            Says(DONE, r"Sending \w+ signal to process: \d+"),
        ),
        trust_rc=False,
        caveat="The name is matched by its ending among this host's supervisors. " + _SIGNAL_CAVEAT,
    )


CONTRACTS: Tuple[Contract, ...] = (
    # The framework: looking
    Contract(
        "about",
        writes=False,
        since=(9, 21),
        json_since=(9, 21),
        caveat="Maintenance mode as seen from this host alone.",
    ),
    Contract("list", writes=False),
    Contract("config:show", writes=False, since=(10, 17), secret_output=True),
    Contract("env", writes=False),
    Contract("db:show", writes=False, since=(9, 24), json_since=(9, 24), secret_output=True),
    Contract("schedule:list", writes=False, json_since=(11, 50)),
    Contract("route:list", writes=False),
    # Maintenance mode
    Contract(
        "down",
        (
            Says(FAILED, r"Failed to enter maintenance mode"),
            Says(NOTHING, r"already down", "Already down; the options given, a secret included, were not applied."),
            Says(DONE, r"Maintenance mode options updated", "Was down already; its options were replaced."),
            Says(DONE, r"now in maintenance mode"),
        ),
        trust_rc=False,
        secret_output=True,
        caveat="With the file driver only this host is down; finaegis.runbook.maintenance_mode checks from outside.",
    ),
    Contract(
        "up",
        (
            Says(FAILED, r"Failed to disable maintenance mode"),
            Says(NOTHING, r"already up"),
            Says(DONE, r"now live"),
        ),
        trust_rc=False,
        caveat="With the file driver only this host is up.",
    ),
    # Caches
    Contract(
        "cache:clear",
        (Says(FAILED, r"Failed to clear"), Says(DONE, r"cleared")),
        caveat=_CACHE_CAVEAT,
    ),
    Contract("config:clear", (Says(DONE, r"cache cleared"),)),
    Contract("config:cache", (Says(DONE, r"cached successfully"),)),
    Contract("view:clear", (Says(DONE, r"views cleared"),)),
    Contract("route:clear", (Says(DONE, r"cache cleared"),)),
    Contract("event:clear", (Says(DONE, r"events cleared"),)),
    Contract(
        "optimize",
        (
            Says(FAILED, _ROW_FAIL),
            Says(DONE, _ROW_DONE, "{count} caches built."),
            Says(DONE, r"Files cached successfully"),
        ),
        trust_rc=False,
    ),
    Contract(
        "optimize:clear",
        (
            Says(FAILED, _ROW_FAIL),
            Says(DONE, _ROW_DONE, "{count} caches cleared."),
            Says(DONE, r"Caches cleared successfully"),
        ),
        trust_rc=False,
        caveat=_CACHE_CAVEAT,
    ),
    # Migrations
    Contract(
        "migrate",
        (
            Says(FAILED, _ROW_FAIL, changed=True),
            Says(
                DONE,
                _PRETENDED_AND_WROTE,
                "The table of migrations was created although this was to be a preview.",
                changed=True,
            ),
            Says(DONE, _STATEMENT, "{count} statement(s) would run.", changed=False),
            Says(DONE, r"^\w+ \.+ \S.* DONE$|^Migrated: ", "{count} migration(s) run."),
            Says(NOTHING, r"Nothing to migrate"),
            Says(REFUSED, r"Operation cancelled. No database was created"),
            Says(FAILED, r"^Migrating: ", changed=True),
        ),
        trust_rc=False,
        preview="--pretend",
    ),
    Contract(
        "migrate:status",
        (
            Says(FAILED, r"Migration table not found|No migrations found"),
            Says(DONE, r" Pending$", "{count} migration(s) pending."),
            Says(DONE, r" (\[\d+\] )?Ran$", "No migration is pending."),
            Says(DONE, r"^\| No \|", "{count} migration(s) pending."),
            Says(DONE, r"^\| Yes \|", "No migration is pending."),
            Says(DONE, r"No pending migrations"),
        ),
        writes=False,
        rc_is_answer=True,
        caveat="A migration that ran and has no file any more is not listed.",
    ),
    Contract(
        "migrate:rollback",
        (
            Says(FAILED, _ROW_FAIL, changed=True),
            Says(FAILED, r"Migration not found", "{count} migration(s) have no file and were not rolled back."),
            Says(DONE, _STATEMENT, "{count} statement(s) would run.", changed=False),
            Says(DONE, r" DONE$|^Rolled back: ", "{count} migration(s) rolled back."),
            Says(NOTHING, r"Nothing to rollback"),
            Says(FAILED, r"Migration table not found"),
            Says(FAILED, r"^Rolling back: ", changed=True),
        ),
        trust_rc=False,
        preview="--pretend",
    ),
    # Queues
    Contract(
        "queue:failed",
        (
            Says(DONE, r"No failed jobs", "No failed jobs."),
            Says(DONE, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", "{count} failed job(s)."),
        ),
        writes=False,
        json_since=(13, 10),
    ),
    Contract(
        "queue:monitor",
        (
            Says(DONE, r" ALERT\b", "{count} queue(s) above the limit."),
            Says(DONE, r"\] OK$|\| OK +\|", "No queue is above the limit."),
        ),
        writes=False,
        json_since=(12, 16),
        caveat="The exit code is 0 even on ALERT, and a paused queue is OK.",
    ),
    Contract(
        "queue:retry",
        (
            Says(FAILED, r"^(ERROR )?Unable to find failed job with ID"),
            Says(NOTHING, r"Unable to find failed jobs for queue"),
            Says(NOTHING, r"No retryable jobs found"),
            Says(FAILED, _ROW_FAIL),
            Says(DONE, _ROW_DONE, "{count} job(s) pushed back onto their queue."),
            Says(DONE, r"has been pushed back onto the queue", "{count} job(s) pushed back onto their queue."),
        ),
        trust_rc=False,
        silent=NOTHING,
        caveat="Pushed is not processed: a job may fail again.",
    ),
    Contract("queue:flush", _FLUSHED, until=(13, 15), trust_rc=False, caveat=_FLUSH_CAVEAT),
    # From here on it can be prohibited, and then says nothing and exits 0.
    Contract("queue:flush", _FLUSHED, since=(13, 15), trust_rc=False, silent=REFUSED, caveat=_FLUSH_CAVEAT),
    Contract(
        "queue:forget",
        (Says(FAILED, r"No failed job matches"), Says(DONE, r"deleted successfully")),
        trust_rc=False,
    ),
    Contract("queue:restart", (Says(DONE, r"Broadcasting queue restart signal"),), trust_rc=False),
    Contract(
        "queue:clear",
        (
            Says(NOTHING, r"Cleared 0 jobs"),
            Says(DONE, r"Cleared \d+ jobs?"),
            Says(FAILED, r"not supported"),
        ),
        trust_rc=False,
    ),
    Contract(
        "queue:pause",
        (Says(DONE, r"has been paused|have been paused"),),
        since=(12, 40),
        trust_rc=False,
        caveat="A queue that does not exist is paused just as well. The pause is a cache entry: cache:clear resumes the queue.",
    ),
    Contract("queue:resume", (Says(DONE, r"ha(s|ve) been resumed"),), since=(12, 40), trust_rc=False),
    Contract("queue:continue", (Says(DONE, r"ha(s|ve) been resumed"),), since=(12, 40), trust_rc=False),
    # Horizon
    Contract("horizon", serves=True),
    Contract(
        "horizon:status",
        (Says(DONE, r"Horizon is (running|paused|inactive)"),),
        writes=False,
        rc_is_answer=True,
        trust_rc=False,
        caveat="One paused master anywhere is 'paused'; supervisors and workers are not looked at: finaegis.runbook.horizon_status does.",
    ),
    _signal("horizon:pause", "pause"),
    _signal("horizon:continue", "continue"),
    _signal(
        "horizon:terminate",
        "terminate",
        changed_anyway=True,
        caveat=_SIGNAL_CAVEAT
        + " The restart signal in the cache was written: every worker on every host ends after its job.",
    ),
    _signal_supervisor("horizon:pause-supervisor"),
    _signal_supervisor("horizon:continue-supervisor"),
    Contract(
        "horizon:supervisor-status",
        (Says(FAILED, r"Unable to find a supervisor"), Says(DONE, r" is (running|paused)")),
        writes=False,
        trust_rc=False,
        caveat="The name is matched by its ending among this host's supervisors.",
    ),
    Contract(
        "horizon:list",
        (Says(DONE, r"No machines are running"), Says(DONE, r"^\| (?!Name \|)", "{count} master(s) listed.")),
        writes=False,
        caveat="Only masters whose heartbeat is younger than 15 s by this host's clock.",
    ),
    Contract(
        "horizon:supervisors",
        (Says(DONE, r"No supervisors are running"), Says(DONE, r"^\| (?!Name \|)", "{count} supervisor(s) listed.")),
        writes=False,
        caveat="A dead supervisor is listed for 30 s.",
    ),
    Contract(
        "horizon:clear",
        (Says(NOTHING, r"Cleared 0 jobs"), Says(DONE, r"Cleared \d+ jobs?"), Says(FAILED, r"not supported")),
        trust_rc=False,
    ),
    Contract(
        "horizon:forget",
        (
            Says(FAILED, r"No failed job (ID provided|matches)"),
            Says(NOTHING, r"No failed jobs detected"),
            Says(DONE, r"deleted successfully"),
        ),
        trust_rc=False,
    ),
    Contract(
        "horizon:purge",
        (
            Says(FAILED, r"Failed to kill"),
            Says(DONE, r"^Process: \d+ .* DONE$", "{count} process(es) signalled."),
        ),
        trust_rc=False,
        silent=NOTHING,
    ),
    Contract(
        "horizon:snapshot",
        (Says(DONE, r"snapshot stored successfully"),),
        trust_rc=False,
        silent=NOTHING,
        caveat="Silent when another snapshot was taken in the last minutes (the lock metrics:snapshot).",
    ),
    # spatie/laravel-event-sourcing
    Contract(
        "event-sourcing:replay",
        (
            Says(NOTHING, r"There are no events to replay"),
            Says(REFUSED, r"No events replayed"),
            Says(DONE, r"^All done!$", "All events were replayed."),
            Says(FAILED, r"^Replaying \d+ events", changed=True),
        ),
        trust_rc=False,
        caveat="With catch_exceptions set, events whose projector threw are skipped silently; compare the projections.",
    ),
    Contract(
        "event-sourcing:list",
        (Says(DONE, r"^\| (?!Event )", "The event handlers are in stdout."),),
        writes=False,
        caveat="Lists event handlers, not events; from the cache if there is one.",
    ),
    Contract("event-sourcing:cache-event-handlers", (Says(DONE, r"^All done!$"),), trust_rc=False),
    Contract("event-sourcing:clear-event-handlers", (Says(DONE, r"Cached event handlers cleared"),), trust_rc=False),
    # Commands of the FinAegis platform whose exit code is always 0
    Contract(
        "reconciliation:daily", caveat="Exits 0 with discrepancies too; they are in storage/app/reconciliation/*.json."
    ),
    Contract("system:health-check", caveat="Exits 0 whatever it found; look at the table system_health_checks."),
    Contract(
        "projector:health", writes=False, caveat="Reads a table that no migration creates; its answer means nothing."
    ),
    Contract(
        "event:replay",
        (Says(REFUSED, r"cancel", changed=False),),
        caveat="Replays the whole default store whatever its options say; use event-sourcing:replay.",
    ),
    Contract("event:archive", caveat="Archives without a snapshot: aggregates may never be persisted again."),
    Contract("event:compact", caveat="Deletes events if any snapshot exists, however old."),
    Contract("tinker", caveat="The exit code says only that the code ran, not what it found; read stdout."),
)


def find(command: str, version: Version = ()) -> Tuple[Contract, ...]:
    """The entries for a command that cover a version of Laravel; all of them, the newest first, where none does or it is unknown.

    An application may have brought a command of a later version along.
    """
    entries = [entry for entry in reversed(CONTRACTS) if entry.command == command]
    return tuple([entry for entry in entries if entry.covers(version)] or entries)
