# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do with which table, whether that is allowed, and what the server's answer means. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Refused
from ..core.times import words
from .dialect import Server, quote_identifier
from .processlist import Process
from .tables import ONLINE, Disk, Settings, Table, rebuild, space_needed

ANALYZE = "analyze"
CHECK = "check"
OPTIMIZE = "optimize"

OK = "ok"
FAILED = "failed"
SKIPPED = "skipped"
PLANNED = "planned"

#: Before this, ANALYZE made the server flush the table and queries queued behind a long one (release notes of 8.0.24).
_ANALYZE_IS_QUIET = (8, 0, 24)


@dataclasses.dataclass(frozen=True)
class Policy:
    """The options of the task that decide; sizes in bytes, times in seconds."""

    operations: Sequence[str]
    min_free_ratio: float
    min_free_bytes: int
    allow_blocking: bool
    max_transaction_seconds: int
    local: bool


def policy_of(params: Dict[str, Any]) -> Policy:
    """A Policy from the options of ``mysql_table_care``.

    :raises BadInput: when a number is out of its range.
    """
    for name, least in (
        ("min_free_ratio", 0),
        ("min_free_bytes", 0),
        ("max_transaction_seconds", 0),
        ("lock_wait_timeout", 1),
    ):
        if params[name] < least:
            raise BadInput("%s is %s, and must be at least %s." % (name, params[name], least))
    if params["min_free_ratio"] > 1:
        raise BadInput("min_free_ratio is %s, and must be between 0 and 1." % params["min_free_ratio"])
    return Policy(**{field.name: params[field.name] for field in dataclasses.fields(Policy)})


@dataclasses.dataclass
class Row:
    """One operation on one table: first the plan, then what came of it.

    :ivar rebuild: ``online``, ``blocks_writes``, ``blocks_all``, or None when nothing is rebuilt.
    :ivar reason: why it is skipped or failed, or why the rebuild blocks.
    """

    table: str
    operation: str
    outcome: str
    reason: str
    rebuild: Optional[str]
    bytes_before: int
    free_bytes: int
    reclaimable_bytes: int
    needed_bytes: int
    bytes_after: Optional[int] = None
    seconds: Optional[float] = None
    messages: List[str] = dataclasses.field(default_factory=list)

    def as_dict(self) -> Dict[str, Any]:
        return dataclasses.asdict(self)


def plan(tables: Sequence[Table], policy: Policy, server: Server, settings: Settings) -> List[Tuple[Table, Row]]:
    """A row for each operation on each table, in the order of the tables; on one table check, optimize, analyze.

    What makes no sense is SKIPPED with the reason, the rest PLANNED.
    """
    rows = []
    for table in tables:
        rebuilt = False
        for operation in (CHECK, OPTIMIZE, ANALYZE):
            if operation in policy.operations:
                row = _row(table, operation, policy, server, settings, rebuilt)
                rebuilt = rebuilt or row.rebuild is not None
                rows.append((table, row))
    return rows


def _row(table: Table, operation: str, policy: Policy, server: Server, settings: Settings, rebuilt: bool) -> Row:
    how = rebuild(table, server, settings)
    reclaimable = table.reclaimable(settings.page_bytes)
    skip = _why_not(table, operation)
    if operation == ANALYZE and rebuilt and table.is_innodb:
        skip = skip or "its rebuild analyzes it too"
    if operation == OPTIMIZE and not skip:
        skip = _why_not_rebuild(table, reclaimable, how.mode, how.why, policy)
    mode = how.mode if operation == OPTIMIZE and not skip else None
    return Row(
        table=table.full_name,
        operation=operation,
        outcome=SKIPPED if skip else PLANNED,
        reason=skip or (how.why if mode else ""),
        rebuild=mode,
        bytes_before=table.bytes,
        free_bytes=table.free_bytes,
        reclaimable_bytes=reclaimable,
        needed_bytes=space_needed(table, mode, settings),
    )


def _why_not(table: Table, operation: str) -> str:
    if table.is_view and operation != CHECK:
        return "a view has nothing to %s" % operation
    if table.kind == "SEQUENCE":
        return "a sequence has nothing to %s" % operation
    if table.kind == "SYSTEM VERSIONED" and operation == OPTIMIZE:
        return "the server refuses to rebuild a table with system versioning"
    return ""


def _why_not_rebuild(table: Table, reclaimable: int, mode: Optional[str], why: str, policy: Policy) -> str:
    if mode is None:
        return why
    wanted = max(policy.min_free_bytes, policy.min_free_ratio * table.bytes)
    if wanted and table.shares_a_file:
        return (
            "it shares its file with other tables, so its free space can't be told and a rebuild frees none of the disk"
        )
    if reclaimable < wanted:
        return "not fragmented: %d bytes could be won back, %d are asked for" % (reclaimable, wanted)
    if mode != ONLINE and not policy.allow_blocking:
        return "its rebuild would block (%s: %s); allow_blocking permits it" % (mode, why)
    return ""


def needs_quiet(operation: str, server: Server) -> bool:
    """Whether an open transaction on the table would make this operation, and then all other statements, queue."""
    return operation == OPTIMIZE or (
        operation == ANALYZE and not server.is_mariadb and server.version < _ANALYZE_IS_QUIET
    )


def refuse_bad_conditions(rows: Sequence[Row], policy: Policy, settings: Settings, disk: Disk) -> None:
    """Conditions under which nothing at all may be done.

    :raises Refused: naming the condition.
    """
    rebuilt = [row for row in rows if row.operation == OPTIMIZE and row.outcome == PLANNED]
    if rebuilt and settings.fulltext_only:
        raise Refused(
            "innodb_optimize_fulltext_only is ON at the server: OPTIMIZE would tidy FULLTEXT indexes and rebuild no table. "
            "Nothing was done.",
            "Turn it off, or leave optimize out of operations.",
        )
    written = [row for row in rows if row.operation != CHECK and row.outcome == PLANNED]
    if written and settings.read_only and not policy.local:
        raise Refused(
            "The server is read_only, so most likely a replica: what it wrote to its own binary log would not be in its "
            "primary's. Nothing was done.",
            "Set local: true to work on this server alone, or run the task on the primary and let it replicate.",
        )
    if disk.free_bytes is not None:
        large = [row for row in rebuilt if row.needed_bytes > disk.free_bytes]
        if large:
            raise Refused(
                "There is not enough disk to rebuild %s: %s has %d bytes free. Nothing was done."
                % (
                    ", ".join("%s (needs up to %d bytes)" % (row.table, row.needed_bytes) for row in large),
                    disk.path,
                    disk.free_bytes,
                ),
                "Free disk, or leave these tables out.",
            )


def seconds_open(process: Process) -> float:
    """How long a connection may have held tables: since its transaction began, or without one as long as its present state
    lasts and the server shows a lock on a table; else 0.
    """
    if process.transaction:
        return process.transaction.seconds
    return process.seconds if _held(process) else 0


def _held(process: Process) -> List[str]:
    """Names of the tables a connection holds, as far as the server tells (MySQL, or MariaDB with metadata_lock_info)."""
    found = {lock.rpartition(" ")[2] for lock in process.locks if lock.upper().startswith("TABLE ")}
    return sorted(name for name in found if name.partition(".")[0] not in ("mysql", "performance_schema"))


def blockers(processes: Sequence[Process], policy: Policy) -> List[Process]:
    """Connections that are too long at it to work beside, the longest first.

    Also transactions that hold none of the tables yet: a backup's snapshot fails at a table that was rebuilt meanwhile.
    """
    found = [each for each in processes if seconds_open(each) > policy.max_transaction_seconds]
    return sorted(found, key=lambda each: (-seconds_open(each), each.id))


def explain_blockers(found: Sequence[Process], policy: Policy) -> str:
    return "%d open for more than %d seconds: %s" % (
        len(found),
        policy.max_transaction_seconds,
        "; ".join(_describe(each) for each in found[:5]) + (" and more" if len(found) > 5 else ""),
    )


def _describe(process: Process) -> str:
    changed = process.transaction.rows_changed if process.transaction else 0
    return "connection %d of %s@%s (%s) for %s%s%s" % (
        process.id,
        process.user,
        process.host,
        process.command,
        words(seconds_open(process)),
        ", %d rows changed" % changed if changed else "",
        ", holds %s" % ", ".join(_held(process)) if _held(process) else "",
    )


def statement(row: Row, table: Table, policy: Policy) -> str:
    """The SQL of one row. CHECK writes nothing, so it has no LOCAL."""
    local = "LOCAL " if policy.local and row.operation != CHECK else ""
    name = "%s.%s" % (quote_identifier(table.schema), quote_identifier(table.name))
    return "%s %sTABLE %s" % (row.operation.upper(), local, name)


def judge(answer: Sequence[Dict[str, Any]]) -> Tuple[str, str, List[str]]:
    """Outcome, reason and messages of the rows that ANALYZE, OPTIMIZE and CHECK return; they never raise an SQL error.

    It went well when a row ``status`` says so and none is an error. A lone note says that the engine can't do this.
    """
    said = [(str(row["Msg_type"]).lower(), str(row["Msg_text"])) for row in answer]
    messages = ["%s: %s" % each for each in said]
    errors = [text for kind, text in said if kind == "error"]
    states = [text for kind, text in said if kind == "status"]
    if errors or any(text not in ("OK", "Table is already up to date") for text in states):
        return FAILED, "; ".join(errors or states), messages
    if states:
        return OK, "", messages
    if said and all(kind == "note" for kind, unused in said):
        return SKIPPED, "; ".join(text for unused, text in said), messages
    return FAILED, "the server did not say that it was done", messages


def report(rows: Sequence[Row]) -> Dict[str, Any]:
    """What the module returns of the rows. What is planned counts as a change, so that check mode tells the same."""
    acts = [row for row in rows if row.outcome in (OK, PLANNED) and row.operation != CHECK]
    return {
        "changed": bool(acts),
        "tables": [row.as_dict() for row in rows],
        "summary": {each: sum(row.outcome == each for row in rows) for each in (OK, FAILED, SKIPPED, PLANNED)},
        "freed_bytes": sum(row.bytes_before - row.bytes_after for row in rows if row.bytes_after is not None),
    }


def diff(rows: Sequence[Row]) -> Dict[str, str]:
    """What is or would be done, a line each."""
    lines = [
        "%s %s\n" % (row.operation, row.table)
        for row in rows
        if row.outcome in (OK, PLANNED) and row.operation != CHECK
    ]
    return {"before": "", "after": "".join(lines)}


def failures(rows: Sequence[Row]) -> List[str]:
    """What failed, and a sentence for each."""
    return ["%s of %s: %s" % (row.operation, row.table, row.reason) for row in rows if row.outcome == FAILED]
