# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of real artisan commands: how each one was called, and what it is expected to be judged as, by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
LARAVEL_11 = (11, 52, 0)
LARAVEL_13 = (13, 26, 1)


@dataclass(frozen=True)
class Run:
    """One artisan command of a recording, which may hold several."""

    name: str
    command: str
    arguments: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str

    @property
    def version(self) -> tuple[int, ...]:
        return LARAVEL_13 if self.name.startswith("l13-") else LARAVEL_11


def names() -> list[str]:
    return sorted(
        path.stem for folder in ("commands", "commands-laravel13") for path in (FIXTURES / folder).glob("*.json")
    )


def recording(name: str) -> dict[str, object]:
    folder = "commands-laravel13" if name.startswith("l13-") else "commands"
    return json.loads((FIXTURES / folder / f"{name}.json").read_text())


def runs(name: str) -> list[Run]:
    """The commands of one recording. Where a shell ran several, ``PARTS`` says which text and exit code belong to which."""
    found = recording(name)
    if "args" in found:
        command, *arguments = found["args"]
        return [Run(name, command, tuple(arguments), found["rc"], found["stdout"], found["stderr"])]
    parts = PARTS.get(name)
    if parts:
        return [
            Run(name, words.split()[0], tuple(words.split()[1:]), rc, _between(found["stdout"], start, end), "")
            for words, rc, start, end in parts
        ]
    command, *arguments = found["cmd"].partition("php artisan ")[2].strip('"').split()
    return [Run(name, command, tuple(arguments), found["rc"], found["stdout"], found["stderr"])]


def _between(text: str, start: str, end: str) -> str:
    """From the line that has ``start`` (empty: the beginning) up to the line that has ``end`` (empty: the end)."""
    begin = text.index(start) if start else 0
    begin = text.rindex("\n", 0, begin) + 1 if "\n" in text[:begin] else 0
    stop = text.index(end, begin + 1) if end else len(text)
    return text[begin : text.rindex("\n", 0, stop) + 1 if end else stop]


_FORGET = "horizon:forget 374befb7-3cec-4196-979a-36b6538babeb"
#: command line, exit code, first line, line after the last
PARTS: dict[str, list[tuple[str, int, str, str]]] = {
    "24-pause-prefix-hostname": [
        ("horizon:pause", 0, "", "WARN"),
        ("horizon:status", 1, "WARN", ""),
    ],
    "24-status-other-hostname": [("horizon:status", 0, "", "+---"), ("horizon:list", 0, "+---", "")],
    "27-horizon-forget": [(_FORGET, 1, "", "rc=1")],
    "27-queue-forget": [
        ("queue:forget 374befb7-3cec-4196-979a-36b6538babeb", 0, "", "ERROR"),
        ("queue:forget 374befb7-3cec-4196-979a-36b6538babeb", 1, "ERROR", "rc2="),
    ],
    "29-queue-clear": [
        ("queue:clear redis --queue=payments --force", 0, "", "APPLICATION"),
        ("queue:clear redis --queue=payments", 1, "APPLICATION", ""),
    ],
    "30-es-list-broken-class": [("event-sourcing:list", 1, "", "rc=1")],
    "30-es-list-stale-cache": [
        ("event-sourcing:replay App\\Projectors\\NewProjector --no-interaction", 1, "In Replay", "rc=1"),
        ("event-sourcing:clear-event-handlers", 0, "Cached event", ""),
    ],
    "30-supervisor-status-suffix": [
        ("horizon:supervisor-status default", 0, "", "rc=0"),
        ("horizon:supervisor-status vm-etst:supervisor-default", 0, "vm-etst", ""),
    ],
}

#: outcome, changed, judged_by -> recordings; "name/2" is the second command of a recording.
EXPECTED: dict[tuple[str, bool, str], str] = {
    # Answers
    ("done", False, "text"): """
        01-never-started-event-sourcing_list 01-never-started-horizon_list 01-never-started-horizon_status
        01-never-started-horizon_supervisors 01-never-started-queue_failed
        01-never-started-queue_monitor_redis_default_redis_payments 03-running-2-supervisors-backlog-horizon_list
        03-running-2-supervisors-backlog-horizon_status
        03-running-2-supervisors-backlog-horizon_supervisor-status_supervisor-default
        03-running-2-supervisors-backlog-horizon_supervisors 04-paused-horizon_list 04-paused-horizon_status
        04-paused-horizon_supervisor-status_supervisor-default 04-paused-horizon_supervisors 04b-continued-horizon_list
        04b-continued-horizon_status 04b-continued-horizon_supervisor-status_supervisor-default
        04b-continued-horizon_supervisors 07-master-kill9-after-expiry-horizon_list
        07-master-kill9-after-expiry-horizon_status 07-master-kill9-after-expiry-horizon_supervisors
        08-all-kill9-supervisors 08-all-kill9-supervisors-after15 09-queue-failed 09-queue-failed-after-retry-one
        10-queue-failed 12-queue-monitor 13-status-timing-1 13-status-timing-2 13-status-timing-3 13-status-timing-4
        13-status-timing-5 14-horizon-status-while-down 17-migrate-pretend 17-migrate-status 17-migrate-status2
        17-migrate-status-pending 17-migrate-status-pending-value 17-rollback-step1-pretend 18-migrate-status
        18-migrate-status-file-missing 18-migrate-status-missing-none 18-migrate-status-none-pending
        24-pause-prefix-hostname/2 24-status-after 24-status-other-hostname 24-status-other-hostname/2
        25-supervisors-wide 27-queue-failed 30-supervisor-status-suffix 30-supervisor-status-suffix/2
        l13-event-sourcing_list l13-horizon_list l13-horizon_supervisors l13-migrate_status_--pending=3 l13-queue-failed
        l13-queue_failed l13-running-status l13-running-supervisors migrate-status migrate-status-pending""",
    ("done", False, "json"): """
        01-never-started-list_--format=json_--raw 14-about-while-down 15-about-after-optimize-clear
        15-about-cache-driver 16-about-only 16-about-optimized about-before-migrate l13-about_--json
        l13-queue-failed-json l13-queue-monitor-paused l13-queue_failed_--json
        l13-queue_monitor_redis_default_redis_payments_--json list-json""",
    ("done", False, "exit_code"): """
        01-never-started-config_show_database 01-never-started-config_show_horizon 01-never-started-config_show_queue
        16-about-plain help-down help-event-sourcing_list help-event-sourcing_replay help-horizon_clear
        help-horizon_forget help-horizon_purge help-horizon_status help-horizon_supervisor-status
        help-horizon_terminate help-migrate help-migrate_rollback help-migrate_status help-optimize help-queue_failed
        help-queue_monitor help-queue_retry l13-config_show_database.redis l13-config_show_queue l13-help-down
        l13-help-horizon_status l13-help-migrate l13-help-queue_failed l13-help-queue_monitor l13-help-queue_pause
        l13-help-queue_retry""",
    # Acts
    ("done", True, "text"): """
        01-never-started-horizon_snapshot 01-never-started-queue_flush 01-never-started-queue_restart 04-continue
        04-pause 04-pause-again 06-continue 06-pause 09-queue-retry-all 09-queue-retry-one 11-snapshot 12-snapshot
        14-down-plain 14-down-redirect 14-down-secret-render 14-down-with-secret 14-up 14-up2 14-up3 14-up4
        15-down-cache-driver 15-up-cache-driver 16-config-cache 16-config-clear 16-event-sourcing-cache
        16-event-sourcing-clear 16-event-sourcing-clear-again 16-optimize 16-optimize-again 16-optimize-clear
        16-optimize-except 17-migrate-again 17-migrate-step 17-rollback-batch2 17-rollback-step1 18-migrate-later
        21-replay-projector 21-replay-projector-leading-slash 21-replay-tx 22-replay-force 22-replay-from
        22-replay-model 22-replay-noargs-nointeraction 22-replay-noargs-notty 22-replay-two 22-replay-uuid
        23-replay-poison-catch 23-replay-resume-from 23-replay-with-live-write 23-replay-with-live-write2 24-cont
        24-pause-prefix-hostname 24b-replay-queued-projector 27-horizon-forget-all 27-queue-flush 27-queue-flush-hours
        27-queue-forget 27-queue-restart 28-cache-clear-shared-db 29-queue-clear 30-es-cache 30-es-list-stale-cache/2
        l13-cache-clear l13-down_--secret=x l13-migrate_--force l13-optimize l13-optimize_clear l13-pause-again
        l13-pause-unknown l13-pause2 l13-queue_continue_redis_payments l13-queue_pause_default
        l13-queue_pause_redis_payments l13-queue_resume_default l13-resume l13-terminate l13-up migrate-force""",
    # The preview that writes: there was no table of migrations before.
    ("done", True, "text", "preview"): "migrate-pretend",
    # No contract for the reference application's own commands
    ("done", True, "exit_code"): "06-dispatch 20-seed dispatch-delayed dispatch-fast dispatch-slow dispatch-slow2",
    ("nothing_to_do", False, "text"): """
        01-never-started-event-sourcing_replay_--no-interaction 01-never-started-horizon_clear_--force
        01-never-started-horizon_continue 01-never-started-horizon_pause 01-never-started-horizon_purge
        01-never-started-queue_retry_all 09-queue-retry-queue 09-queue-retry-queue-nope 11-snapshot-again 14-down-again
        14-up-again 14-up5 17-migrate-graceful 17-migrate-isolated 17-rollback-batch99 22-replay-from-beyond
        22-replay-uuid-malformed 22-replay-uuid-unknown 24-pause-other-hostname migrate-force-again""",
    # It signalled nobody, and wrote the restart signal for all queue workers.
    ("nothing_to_do", True, "text"): "01-never-started-horizon_terminate 24-terminate-other-hostname",
    ("refused", False, "text"): """
        01-never-started-horizon_clear 17-rollback-noforce 29-queue-clear/2 migrate-noforce
        migrate-noforce-nointeraction""",
    # The first of them with exit code 12, the second with 0
    ("locked", False, "text"): "18-migrate-isolated-concurrent-code 18-migrate-isolated-concurrent",
    ("unavailable", False, "text"): """
        01-never-started-nonexistent_command 01-never-started-queue_continue_default
        01-never-started-queue_failed_--json 01-never-started-queue_pause_default 01-never-started-queue_resume_default""",
    # Several of these exited 0: a dead or foreign process signalled, an unknown id retried, a migration without its file.
    ("failed", False, "text"): """
        01-never-started-horizon_continue-supervisor_supervisor-default 01-never-started-horizon_forget
        01-never-started-horizon_pause-supervisor_supervisor-default 01-never-started-horizon_supervisor-status_nope
        01-never-started-horizon_supervisor-status_supervisor-default
        01-never-started-queue_retry_00000000-0000-0000-0000-000000000000
        03-running-2-supervisors-backlog-horizon_supervisor-status_nope 04-paused-horizon_supervisor-status_nope
        04b-continued-horizon_supervisor-status_nope 07-master-kill9-after-expiry-horizon_supervisor-status_nope
        07-master-kill9-after-expiry-horizon_supervisor-status_supervisor-default 08-all-kill9-pause
        08-all-kill9-pausesup 09-queue-retry-numeric-id 14-down-bad-render 18-rollback-file-missing
        24-pause-as-other-user 24-pause-supervisor-as-other-user 25-status-no-vendor 27-horizon-forget 27-queue-forget/2
        l13-retry-unknown migrate-status-before""",
    # Part of it was done, or may have been.
    ("failed", True, "text"): """
        08-all-kill9-terminate 10-queue-retry-mixed 18-migrate-again 18-migrate-failing-isolated 22-replay-from1
        23-replay-poison 24-terminate-as-other-user""",
    ("failed", False, "exit_code"): """
        01-never-started-config_show_nope 21-replay-reactor 21-replay-short-name 21-replay-unknown 21-replay-unknown-v
        22-replay-model-nope 22-replay-model-wrong 25-about-php-parse-error 25-migrate-db-down 25-migrate-no-database
        25-migrate-status-db-down 25-migrate-status-db-down-wide 25-pause-redis-down 25-status-php-parse-error
        25-status-redis-down 25-status-wide 29-horizon-clear-payments 30-es-list-broken-class 30-es-list-stale-cache""",
    # Horizon itself runs until stopped; here it ended because Redis was away.
    ("failed", False, "exit_code", "serves"): "30-horizon-start-redis-down",
}


def expected() -> dict[str, tuple[str, bool, str]]:
    """Recording (and "/2" for its second command) -> outcome, changed, judged_by."""
    return {name: key[:3] for key, listed in EXPECTED.items() for name in listed.split()}
