# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where archived events lie: compressed files of JSON lines, and a catalogue that says what each holds and whether it left the table."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import zlib
from typing import Any, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Failed, RunbookError
from ..storage.base import Storage
from .archive_rows import Column, Row, digest, parse

FORMAT = "finaegis.runbook.event_archive/1"
CATALOGUE = "catalogue.json"
_SEGMENT = re.compile(r"^events-\d{6,}\.jsonl\.gz$")

#: Verified, but not all of its events have left the table; so the next run goes on with it.
WRITTEN = "written"
ARCHIVED = "archived"
RESTORED = "restored"


@dataclasses.dataclass
class Segment:
    """One file. ``sha256`` and ``bytes`` are of the file, ``first`` and ``last`` are ids."""

    file: str
    state: str
    events: int
    bytes: int
    sha256: str
    first: Any
    last: Any
    written: str
    columns: List[List[str]]

    def described_columns(self) -> List[Column]:
        return [Column(name, of) for name, of in self.columns]


@dataclasses.dataclass(frozen=True)
class Proof:
    """A few events as a file has them: their ids and digest."""

    ids: List[str]
    digest: str


class Archive:
    """The archive of one table. Use ``load``."""

    def __init__(self, storage: Storage, schema: str, table: str, segments: List[Segment]) -> None:
        self.storage, self.schema, self.table, self.segments = storage, schema, table, segments

    def save(self) -> None:
        document = {
            "format": FORMAT,
            "schema": self.schema,
            "table": self.table,
            "segments": [dataclasses.asdict(one) for one in self.segments],
        }
        self.write(CATALOGUE, [(json.dumps(document, indent=1, sort_keys=True) + "\n").encode()])

    def write(self, name: str, parts: Iterable[bytes]) -> None:
        """Write, or replace, and make it durable; nothing of it is seen before.

        :raises Failed: when there is no room, no right or no storage any more. What ``parts`` raises is passed on.
        """
        with self._writing(name):
            upload = self.storage.create(name)
        with upload:
            for part in parts:
                with self._writing(name):
                    upload.write(part)
            with self._writing(name):
                upload.commit()

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except (OSError, RunbookError) as error:
            why = (error.strerror or str(error)) if isinstance(error, OSError) else error.message.rstrip(".")
            raise Failed(
                "%s can't be written: %s." % (self.storage.url(name), why),
                "No event was deleted that is not archived. Check dest, its room and its rights, then run again: it goes on.",
            ) from error

    @staticmethod
    def name(number: int) -> str:
        return "events-%06d.jsonl.gz" % number

    def clean(self) -> None:
        """Remove what runs left that were killed before they had noted it; those events are all in the table still."""
        self.storage.clean()
        known = {one.file for one in self.segments}
        for stored in self.storage.list("events-"):
            if _SEGMENT.match(stored.name) and stored.name not in known:
                self.storage.delete(stored.name)

    def prove(self, segment: Segment, key: str, chunk_rows: int) -> List[Proof]:
        """Read a file back as a whole: the very file that was written, every line an event, as many as noted.

        :raises Failed: when anything differs.
        """
        columns = segment.described_columns()
        place = [column.name for column in columns].index(key)
        proofs = [
            Proof([str(row[place]) for row in rows], digest(rows)) for rows in self.rows(segment, columns, chunk_rows)
        ]
        found = sum(len(one.ids) for one in proofs)
        if found != segment.events:
            raise self._bad(segment, "it holds %d events, not %d" % (found, segment.events))
        return proofs

    def rows(self, segment: Segment, columns: Sequence[Column], chunk_rows: int) -> Iterator[List[Row]]:
        """The events of a file, some at a time. Whether it is the file that was written is known at its end."""
        rest = b""
        whole: List[bytes] = []
        try:
            for part in self._text(segment):
                whole += (rest + part).split(b"\n")
                rest = whole.pop()
                while len(whole) >= chunk_rows:
                    yield parse(whole[:chunk_rows], columns)
                    del whole[:chunk_rows]
            found = parse(whole, columns)
        except (ValueError, TypeError) as error:
            raise self._bad(segment, "a line can't be read back (%s)" % error) from error
        if rest:
            raise self._bad(segment, "it ends in the middle")
        if found:
            yield found

    def read_back(self, segment: Segment, text_sha256: str) -> None:
        """Read a file that was just written back as a whole: the very lines that were made from the events.

        :raises Failed: when anything differs.
        """
        text = hashlib.sha256()
        for part in self._text(segment):
            text.update(part)
        if text.hexdigest() != text_sha256:
            raise self._bad(segment, "its lines are other ones")

    def _text(self, segment: Segment) -> Iterator[bytes]:
        """What a file holds, some at a time; raises at its end when it is not the file that was written."""
        seen = hashlib.sha256()
        gunzip = zlib.decompressobj(wbits=31)
        try:
            for part in self.storage.read(segment.file):
                seen.update(part)
                yield gunzip.decompress(part)
        except zlib.error as error:
            raise self._bad(segment, "a line can't be read back (%s)" % error) from error
        if not gunzip.eof:
            raise self._bad(segment, "it ends in the middle")
        if seen.hexdigest() != segment.sha256:
            raise self._bad(segment, "its SHA-256 is another one")

    def _bad(self, segment: Segment, what: str) -> Failed:
        return Failed(
            "%s in %s is not the file that was archived: %s." % (segment.file, self.storage.place, what),
            "Nothing was deleted or restored from it. Get the file back from a copy.",
        )


def compressed(chunks: Iterable[bytes], level: int, size: List[int], seen: Any) -> Iterator[bytes]:
    """gzip; adds the bytes to ``size`` and ``seen``, a hash."""
    gzip = zlib.compressobj(level, zlib.DEFLATED, 31)

    def note(part: bytes) -> bytes:
        size[0] += len(part)
        seen.update(part)
        return part

    for chunk in chunks:
        part = gzip.compress(chunk)
        if part:
            yield note(part)
    yield note(gzip.flush())


def load(storage: Storage, schema: str, table: str) -> Archive:
    """The archive of a table at this place, empty when there is none yet.

    :raises BadInput: when what lies there is no archive, or one of another table.
    """
    if storage.stat(CATALOGUE) is None:
        return Archive(storage, schema, table, [])
    text = b"".join(storage.read(CATALOGUE))
    try:
        document: Dict[str, Any] = json.loads(text)
        if document["format"] != FORMAT:
            raise ValueError("its format is %r" % document["format"])
        of: Tuple[Optional[str], Optional[str]] = (document["schema"], document["table"])
        segments = [Segment(**one) for one in document["segments"]]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput("%s is no catalogue of an archive: %s." % (storage.url(CATALOGUE), error)) from error
    if of != (schema, table):
        raise BadInput("%s is the archive of %s.%s, not of %s.%s." % (storage.place, *of, schema, table))
    return Archive(storage, schema, table, segments)
