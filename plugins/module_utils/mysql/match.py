# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which connections a policy is about. Pure; every criterion must hold (AND), and what is excluded is never included."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import re
from typing import Optional, Pattern, Sequence, Tuple

from .processlist import DUMP_MARK, Process

IDLE = "idle"
LONG_RUNNING = "long_running"


@dataclasses.dataclass(frozen=True)
class Policy:
    """The options of the module that decide. Names are globs, matched with case; an empty list of ``users`` and the like
    means all, of ``exclude_*`` none.
    """

    mode: str = IDLE
    idle_seconds: float = 300
    query_seconds: float = 300
    users: Sequence[str] = ()
    exclude_users: Sequence[str] = ()
    hosts: Sequence[str] = ()
    exclude_hosts: Sequence[str] = ()
    databases: Sequence[str] = ()
    exclude_databases: Sequence[str] = ()
    include_writes: bool = False
    open_transactions: str = "skip"
    max_kills: int = 500
    only_above_percent: Optional[float] = None
    until_percent: Optional[float] = None


def unmatched(process: Process, policy: Policy) -> Optional[str]:
    """Why the policy is not about this connection, in a few words that are the same for all of its kind; None when it is."""
    if policy.mode == IDLE:
        if process.command != "Sleep":
            return "not idle"
        if process.seconds < policy.idle_seconds:
            return "idle for less than idle_seconds"
    else:
        if process.command not in ("Query", "Execute"):
            return "not running a statement"
        if process.seconds < policy.query_seconds:
            return "running for less than query_seconds"
        if not policy.include_writes and not process.reads_only:
            return "its statement may write (include_writes)"
    for name, value, wanted, unwanted in (
        ("user", process.user, policy.users, policy.exclude_users),
        ("host", process.machine, policy.hosts, policy.exclude_hosts),
        ("database", process.database or "", policy.databases, policy.exclude_databases),
    ):
        if unwanted and _any(value, unwanted):
            return "%s excluded" % name
        if wanted and not _any(value, wanted):
            return "%s not wanted" % name
    return None


def _any(value: str, globs: Sequence[str]) -> bool:
    return _pattern(tuple(globs)).match(value) is not None


@functools.lru_cache(maxsize=None)
def _pattern(globs: Tuple[str, ...]) -> Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, globs)))


#: Accounts of the servers themselves and of cloud providers, and the commands of connections that are no client's.
_SYSTEM_USERS = [
    *("system user", "event_scheduler", "unauthenticated user", "mysql.*", "mariadb.sys"),
    *("rdsadmin", "rdsrepladmin", "rdsproxyadmin", "azure_superuser", "cloudsqladmin", "cloudsqlreplica"),
]
_SYSTEM_COMMANDS = [
    *("Daemon", "Binlog Dump*", "Connect", "Connect Out", "Slave_*", "Register Slave", "Register Replica"),
    *("Table Dump", "Group Replication*", "Clone*", "Killed", "Shutdown"),
]
#: What backup programs call themselves (program_name of MySQL's connection attributes) or are usually logged in as.
_BACKUPS = [
    "mysqldump*",
    "mariadb-dump*",
    "mysqlpump*",
    "mydumper*",
    "xtrabackup*",
    "mariabackup*",
    "mariadb-backup*",
]


def protected(process: Process, policy: Policy, own_id: int) -> Optional[str]:
    """Why this connection is never killed although it matches; None when it may be."""
    if process.id == own_id:
        return "our own connection"
    if _any(process.user, _SYSTEM_USERS):
        return "an account of the server or the cloud provider"
    if _any(process.command, _SYSTEM_COMMANDS):
        return "replication, binary log or a thread of the server (%s)" % process.command
    if process.user not in policy.users and is_backup(process):
        return "a backup (name its user in users to include it)"
    if policy.mode == IDLE and policy.open_transactions != "kill":
        if process.transaction is not None:
            return "a transaction is open"
        if process.locks:
            return "it holds locks: %s" % ", ".join(process.locks)
    return None


def is_backup(process: Process) -> bool:
    named = _any(process.user, [*_BACKUPS, "backup*"]) or _any(process.program or "", _BACKUPS)
    return named or DUMP_MARK in process.statement
