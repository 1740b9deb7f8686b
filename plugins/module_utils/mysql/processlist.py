# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's connections at one moment, as plain data that can be saved and read back. Pure."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any, Dict, List, Optional

from ..core.errors import BadInput

FORMAT = 1
#: What mysqldump and mydumper write into every statement that reads rows.
DUMP_MARK = "/*!40001 SQL_NO_CACHE */"
#: Why something of others is unknown, and what to do about it.
NO_RIGHT = "the connections of others can't be seen: the right PROCESS is missing"
STALE = (
    "the server's list of open transactions is old: something reads information_schema.innodb_trx again and again within 0.1 s,"
    " which keeps the server from renewing it"
)
WHAT_TO_DO = {NO_RIGHT: "Grant PROCESS to this user.", STALE: "Find the monitor that does it and stop it meanwhile."}
#: What a statement is made of, as far as it matters here: a comment, a quoted name, a value.
_TOKENS = re.compile(
    r"""(?P<comment>/\*(?!!).*?(?:\*/|\Z)|(?:--\s|\#)[^\n]*)
    |(?P<name>`[^`]*`)
    |'(?:[^'\\]|\\.|'')*(?:'|\Z)
    |"(?:[^"\\]|\\.|"")*(?:"|\Z)
    |\b0x[0-9a-f]+\b|\b\d+(?:\.\d+)?\b""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


@dataclasses.dataclass(frozen=True)
class Transaction:
    """``seconds`` is its age; ``blocks`` are the connections that wait for its row locks."""

    seconds: int
    rows_changed: int
    rows_locked: int
    blocks: List[int] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Process:
    """One connection. ``seconds`` is how long it is in its present state: idle, or at work on ``statement``.

    Nobody changes one; a frozen class takes three times as long to build, which matters for thousands.
    ``host`` includes the port where there is one, so it belongs to one connection. ``query_id`` (MariaDB) changes with
    every statement. ``statement`` has no literals; ``reads_only`` is whether the whole of it surely only reads. ``locks``
    are those that the server shows, in words.
    """

    id: int
    user: str
    host: str
    database: Optional[str]
    command: str
    seconds: float
    state: str = ""
    statement: str = ""
    reads_only: bool = False
    query_id: Optional[int] = None
    program: Optional[str] = None
    transaction: Optional[Transaction] = None
    locks: List[str] = dataclasses.field(default_factory=list)

    @property
    def machine(self) -> str:
        """The host without the port."""
        return self.host.rpartition(":")[0] or self.host

    def as_dict(self) -> Dict[str, Any]:
        """Much faster than ``dataclasses.asdict``, which matters for thousands."""
        return dict(vars(self), transaction=vars(self.transaction) if self.transaction else None)


@dataclasses.dataclass(frozen=True)
class Threads:
    connected: int
    running: int
    maximum: int

    @property
    def percent(self) -> float:
        return round(100.0 * self.connected / self.maximum, 1)

    def as_dict(self) -> Dict[str, Any]:
        return dict(dataclasses.asdict(self), percent=self.percent)


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """``unknown`` says why connections of others or their transactions may be missing in it; empty when none is.
    ``blind_spots`` say in words what this server can't show, ``ownerless`` are transactions that no connection has any more:
    prepared with XA, or left by a crash; they keep their locks. ``own_id`` is the connection it was read through.
    """

    taken: str
    server: str
    source: str
    own_id: int
    unknown: str
    threads: Threads
    processes: List[Process]
    blind_spots: List[str] = dataclasses.field(default_factory=list)
    format: int = FORMAT
    ownerless: List[Transaction] = dataclasses.field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether the connections of others are in it."""
        return self.unknown != NO_RIGHT

    def render(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False) + "\n"


def parse_snapshot(text: str, place: str) -> Snapshot:
    """Read a snapshot back.

    :raises BadInput: when it is none, or of a later format.
    """
    try:
        data = json.loads(text)
        if data["format"] > FORMAT:
            raise BadInput("%s has format %s; this version reads up to %d." % (place, data["format"], FORMAT))
        processes = [
            Process(**dict(one, transaction=Transaction(**one["transaction"]) if one.get("transaction") else None))
            for one in data["processes"]
        ]
        ownerless = [Transaction(**one) for one in data.get("ownerless", ())]
        return Snapshot(**dict(data, threads=Threads(**data["threads"]), processes=processes, ownerless=ownerless))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(
            "%s is not a saved process list (%s)." % (place, error), "Write one with snapshot_to of mysql_kill_idle."
        ) from error


def without_literals(sql: Optional[str]) -> str:
    """A statement fit for reports: no comments, no values (they may be secrets or personal data), at most 200 characters."""
    flat = _bare(sql) if sql else ""
    return flat if len(flat) <= 200 else flat[:197] + "..."


def is_read(sql: Optional[str]) -> bool:
    """Whether a statement surely only reads. What can't be told from its first word counts as writing.

    A SELECT that locks rows or writes a file is no plain read, nor is anything in executable comments. That a stored
    function called by a SELECT writes can't be seen.
    """
    if not sql:
        return False
    flat = _bare(sql.replace(DUMP_MARK, "")).upper().lstrip("( ")
    if "/*!" in flat:
        return False
    if re.match(r"(SHOW|DESC|DESCRIBE|EXPLAIN)\b", flat) and "ANALYZE" not in flat:
        return True
    writes = r"\b(FOR UPDATE|FOR SHARE|LOCK IN SHARE MODE|INTO|UPDATE|DELETE|INSERT|REPLACE)\b"
    return bool(re.match(r"(SELECT|WITH|TABLE|VALUES)\b", flat)) and not re.search(writes, flat)


def _bare(sql: str) -> str:
    def shown(token: re.Match[str]) -> str:
        return " " if token.group("comment") else token.group("name") or "?"

    return " ".join(_TOKENS.sub(shown, sql).split())
