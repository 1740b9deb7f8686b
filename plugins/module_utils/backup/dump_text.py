# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the text of a dump tells about itself, read as it streams by. Pure: bytes in, answers out, constant memory."""

from __future__ import annotations

import dataclasses
import re
from typing import Optional, Tuple

_HEAD_BYTES = 16384
_TAIL_BYTES = 256
#: The last line of the header, the same in all versions of both programs. The programs open their snapshot after
#: they have written it and before they write anything else.
_PAST_HEADER = re.compile(rb"SQL_NOTES=0 \*/;\s+\S")
_POSITION = re.compile(
    rb"^(?:-- )?CHANGE (?:MASTER|REPLICATION SOURCE) TO (?:MASTER|SOURCE)_LOG_FILE='([^']+)', (?:MASTER|SOURCE)_LOG_POS=(\d+)",
    re.MULTILINE,
)
_TRAILER = re.compile(rb"\n-- Dump completed(?: on [0-9: -]+)?\n\Z")


@dataclasses.dataclass
class DumpText:
    """Feed it every chunk. ``size`` is the bytes seen so far."""

    size: int = 0
    _head: bytes = b""
    _tail: bytes = b""

    def feed(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if len(self._head) < _HEAD_BYTES:
            self._head += chunk[: _HEAD_BYTES - len(self._head)]
        self._tail = chunk[-_TAIL_BYTES:] if len(chunk) >= _TAIL_BYTES else (self._tail + chunk)[-_TAIL_BYTES:]

    @property
    def past_snapshot(self) -> bool:
        """Whether something came that the program writes only after it opened its snapshot."""
        return _PAST_HEADER.search(self._head) is not None

    @property
    def position(self) -> Optional[Tuple[str, int]]:
        """File and position in the binary log that belong to the snapshot, when the program was asked to write them."""
        found = _POSITION.search(self._head)
        return (found.group(1).decode(), int(found.group(2))) if found else None

    @property
    def complete(self) -> bool:
        """Whether the last line is the one a program writes after everything else."""
        return _TRAILER.search(self._tail) is not None

    @property
    def last_line(self) -> str:
        """The end of what came, for a message; at most 80 characters."""
        lines = self._tail.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:80] if lines else ""
