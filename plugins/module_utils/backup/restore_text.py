# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements of a dump, one by one as its lines come by. Pure: bytes in, statements out.

The dump programs escape line ends in values, so a line that ends with the delimiter ends a statement; that is what their own
client relies on too. Memory is that of the longest statement.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Iterable, Iterator, List, Optional

CREATE = "create"
ROWS = "rows"
OTHER = "other"

_NAME = rb"`((?:[^`]|``)+)`"
_CREATE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?" + _NAME)
_ROWS = re.compile(rb"(?:INSERT|REPLACE)(?: IGNORE)? INTO " + _NAME)
#: Locks would keep the second stream out; the rest are settings of the loading session, which are the loader's business:
#: unique_checks=0 makes InnoDB of MariaDB slower, and rows are never trusted more than those of a client.
_SKIPPED = re.compile(
    rb"LOCK TABLES|UNLOCK TABLES|/\*!40000 ALTER TABLE .* (?:DISABLE|ENABLE) KEYS|"
    rb"/\*M?!\d+ SET .*(?:UNIQUE_CHECKS|FOREIGN_KEY_CHECKS|SQL_NOTES|AUTOCOMMIT)|COMMIT|SET AUTOCOMMIT",
    re.IGNORECASE,
)
_SECONDARY = re.compile(rb"^  (?:UNIQUE )?KEY |^  CONSTRAINT " + _NAME + rb" FOREIGN KEY ")
_PRIMARY = re.compile(rb"^  PRIMARY KEY \(`((?:[^`]|``)+)`", re.MULTILINE)
_COUNTED = re.compile(rb"^  `((?:[^`]|``)+)` .* AUTO_INCREMENT", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Statement:
    """``table`` is the name in clear for CREATE and ROWS, else empty. ``sql`` has no delimiter at its end."""

    kind: str
    table: str
    sql: bytes


def statements(lines: Iterable[bytes]) -> Iterator[Statement]:
    """What has to be run, in order. Comments, locks and settings of the session are left out."""
    delimiter = b";"
    parts: List[bytes] = []
    for line in lines:
        if not parts:
            if line.startswith((b"--", b"#", b"/*M!999999\\-", b"/*!999999\\-")) or not line.strip():
                continue
            if line.startswith(b"DELIMITER "):
                delimiter = line.split(None, 1)[1].strip()
                continue
        parts.append(line)
        bare = line.rstrip(b"\r\n")  # mydumper puts a space behind what is no end of a statement
        if bare.endswith(delimiter):
            parts[-1] = bare[: -len(delimiter)]
            sql = parts[0] if len(parts) == 1 else b"".join(parts)
            parts = []
            if not _SKIPPED.match(sql):
                yield _classified(sql)
    if b"".join(parts).strip():
        yield _classified(b"".join(parts))


def _classified(sql: bytes) -> Statement:
    for kind, pattern in ((ROWS, _ROWS), (CREATE, _CREATE)):
        found = pattern.match(sql)
        if found:
            return Statement(kind, found.group(1).replace(b"``", b"`").decode("utf-8", "replace"), sql)
    return Statement(OTHER, "", sql)


@dataclasses.dataclass(frozen=True)
class Deferred:
    """A table made in two steps: ``create`` without secondary keys, then, when the rows are there, ``alter``."""

    create: bytes
    alter: bytes


def defer_keys(sql: bytes) -> Optional[Deferred]:
    """Take the secondary keys out of a CREATE TABLE; sorted once they are built in half the time that row by row takes.

    None where there is nothing to win or the table needs its keys from the start: no primary key, another engine than InnoDB,
    partitions, or a counter that a secondary key carries.
    """
    lines = sql.split(b"\n")
    primary, counted = _PRIMARY.search(sql), _COUNTED.search(sql)
    tail = lines[-1]
    if len(lines) < 3 or primary is None or b"ENGINE=InnoDB" not in sql or b"PARTITION BY" in sql:
        return None
    if counted is not None and counted.group(1) != primary.group(1):
        return None
    end = next((place for place, line in enumerate(lines) if line.startswith(b")")), len(lines) - 1)
    kept = [line.rstrip(b",") for line in lines[1:end] if not _SECONDARY.match(line)]
    taken = [line.strip().rstrip(b",") for line in lines[1:end] if _SECONDARY.match(line)]
    name = _CREATE.match(sql)
    if not taken or name is None or not tail:
        return None
    create = b"\n".join([lines[0], b",\n".join(kept), *lines[end:]])
    return Deferred(create, b"ALTER TABLE `%s` ADD %s" % (name.group(1), b", ADD ".join(taken)))
