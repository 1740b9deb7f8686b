# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A binary log file, read event by event: whether it is whole, what it spans, where in it a moment lies. Pure.

Numbers are those of binlog format 4 in the manuals of both servers. Only headers and the few events that carry a name are looked
into; rows are not.
"""

from __future__ import annotations

import binascii
import dataclasses
import struct
from typing import IO, Dict, Iterator, Optional

from ..core.errors import BadInput

MAGIC = b"\xfebin"
_HEADER = struct.Struct("<IBIIIH")
_STOP, _ROTATE, _FORMAT, _TABLE_MAP, _GTID_MYSQL, _ANONYMOUS, _GTID_MARIADB = 3, 4, 15, 19, 33, 34, 162
_STARTS = (_GTID_MYSQL, _ANONYMOUS, _GTID_MARIADB)
#: Events written when a log is opened; they tell nothing about when somebody wrote something.
_BOOKKEEPING = (_STOP, _ROTATE, _FORMAT, 35, 161, 163, 164)


@dataclasses.dataclass(frozen=True)
class Event:
    """``position`` is where it begins, ``end`` where the next one does; ``time`` is Unix seconds of the server that wrote it."""

    position: int
    end: int
    time: int
    kind: int
    server_id: int
    body: bytes

    @property
    def starts_transaction(self) -> bool:
        return self.kind in _STARTS

    @property
    def is_bookkeeping(self) -> bool:
        """Whether the server wrote it about the log itself."""
        return self.kind in _BOOKKEEPING

    @property
    def changes(self) -> str:
        """The database whose rows the next events change; empty for other events."""
        return self.body[9 : 9 + self.body[8]].decode("utf-8", "replace") if self.kind == _TABLE_MAP else ""

    @property
    def gtid(self) -> str:
        """MariaDB's ``domain-server-number`` or MySQL's ``uuid:number``; empty for other events."""
        if self.kind == _GTID_MARIADB:
            number, domain = struct.unpack_from("<QI", self.body)
            return "%d-%d-%d" % (domain, self.server_id, number)
        if self.kind == _GTID_MYSQL:
            raw = binascii.hexlify(self.body[1:17]).decode()
            uuid = "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))
            return "%s:%d" % (uuid, struct.unpack_from("<Q", self.body, 17)[0])
        return ""


@dataclasses.dataclass
class Span:
    """What one file holds. ``next_file`` is the log the server went on with, empty when it stopped there or is still writing.

    ``first_time`` and ``last_time`` are Unix seconds of the first and last transaction, None without any. ``gtids`` maps MariaDB's
    domains, or MySQL's server uuids, to the last number.
    """

    size: int = 0
    transactions: int = 0
    first_time: Optional[int] = None
    last_time: Optional[int] = None
    next_file: str = ""
    closed: bool = False
    server_version: str = ""
    gtids: Dict[str, str] = dataclasses.field(default_factory=dict)


def events(handle: IO[bytes], name: str) -> Iterator[Event]:
    """The events of a file, each checked against its checksum where the server writes them.

    :raises BadInput: at the first byte that can't be right, saying where.
    """
    if handle.read(4) != MAGIC:
        raise BadInput("%s is no binary log, or an encrypted one." % name)
    position, checksums = 4, False
    while True:
        head = handle.read(_HEADER.size)
        if not head:
            return
        if len(head) < _HEADER.size:
            raise BadInput("%s ends in the middle of an event at %d." % (name, position))
        time, kind, server_id, size = _HEADER.unpack(head)[:4]
        body = handle.read(size - _HEADER.size) if size >= _HEADER.size else b""
        if size < _HEADER.size or len(body) != size - _HEADER.size:
            raise BadInput("%s ends in the middle of an event at %d." % (name, position))
        if kind == _FORMAT:
            checksums = _has_checksums(body)
        if checksums:
            # The server sets the flag "in use" of the first event after it has computed the checksum.
            plain = head[:17] + bytes([head[17] & 0xFE]) + head[18:] if kind == _FORMAT else head
            if binascii.crc32(body[:-4], binascii.crc32(plain)) != struct.unpack("<I", body[-4:])[0]:
                raise BadInput("%s is damaged: the event at %d does not fit its checksum." % (name, position))
            body = body[:-4]
        yield Event(position, position + size, time, kind, server_id, body)
        position += size


def _has_checksums(body: bytes) -> bool:
    """The byte before the checksum of the first event says how all are checked; 1 is CRC32. Servers before 5.6 have neither."""
    version = body[2:52].rstrip(b"\0").decode("ascii", "replace")
    numbers = [int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")[:3]]
    return numbers >= [5, 6, 1] and len(body) > 62 and body[-5] == 1


def span(handle: IO[bytes], name: str) -> Span:
    """Read a whole file.

    :raises BadInput: as ``events``.
    """
    found = Span(size=4)
    for event in events(handle, name):
        found.size = event.end
        if event.kind == _FORMAT and not found.server_version:
            found.server_version = event.body[2:52].rstrip(b"\0").decode("ascii", "replace")
        elif event.kind == _ROTATE:
            found.next_file, found.closed = event.body[8:].decode("utf-8", "replace"), True
        elif event.kind == _STOP:
            found.closed = True
        elif event.starts_transaction:
            found.transactions += 1
            found.first_time = event.time if found.first_time is None else found.first_time
            found.last_time = max(event.time, found.last_time or 0)
            if event.gtid:
                found.gtids[event.gtid.split("-" if event.kind == _GTID_MARIADB else ":")[0]] = event.gtid
    return found


def cut_at_time(handle: IO[bytes], name: str, until: float, start: int = 4) -> Optional[int]:
    """Where the first transaction at or after ``until`` (Unix seconds) begins, from ``start`` on; None when there is none here."""
    for event in events(handle, name):
        if event.starts_transaction and event.position >= start and event.time >= until:
            return event.position
    return None


def cut_after_gtid(handle: IO[bytes], name: str, gtid: str) -> Optional[int]:
    """Where the transaction with this GTID ends; None when it is not in this file."""
    inside, end = False, 0
    for event in events(handle, name):
        if inside and (event.starts_transaction or event.is_bookkeeping):
            return end
        inside = inside or event.gtid == gtid
        end = event.end
    return end if inside else None
