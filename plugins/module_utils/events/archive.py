# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving events of one table out into files, and back.

Each file is written, made durable and read back as a whole; then it is noted in the catalogue; then its events leave the table in small
transactions, each of which compares them, locked, with what was read back. So a run may be killed anywhere: a file that was not noted
is removed, one that was noted is gone on with. While one file's events leave the table, the next file is written.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..core.errors import Failed, Refused
from ..core.times import iso
from ..mysql.connection import Connection, SqlError
from . import archive_rows
from .archive_plan import Planner, Slice, segments
from .archive_rows import Column
from .archive_store import ARCHIVED, RESTORED, WRITTEN, Archive, Proof, Segment, compressed
from .passes import Budget
from .stores import Table

#: Waiting for a row lock took too long, a deadlock: the transaction is undone and can be tried again.
_AGAIN = (1205, 1213)
_TRIES = 5


@dataclasses.dataclass(frozen=True)
class Settings:
    """``chunk_rows`` is one transaction, ``segment_rows`` one file."""

    segment_rows: int
    chunk_rows: int
    compression_level: int
    stop_file: Optional[str]


@dataclasses.dataclass
class Done:
    """What became of the events of one table; ``went_on`` are those of files an earlier run had written."""

    archived: int = 0
    went_on: int = 0
    restored: int = 0
    bytes: int = 0
    leftovers: List[str] = dataclasses.field(default_factory=list)


class Stop:
    """Why to begin no further transaction: the time is over, a replica lags, the stop file is there, a backup has begun."""

    def __init__(self, budget: Budget, stop_file: Optional[str], backup: Callable[[], str]) -> None:
        self._budget, self._file, self._backup = budget, stop_file, backup
        self.reason = ""

    def look(self) -> bool:
        if not self.reason:
            if self._file and os.path.exists(self._file):
                self.reason = "the stop file %s is there" % self._file
            elif self._budget.stop():
                self.reason = self._budget.reason
        return bool(self.reason)

    def look_for_backup(self) -> bool:
        if not self.look():
            running = self._backup()
            self.reason = "a backup has begun (%s)" % running if running else ""
        return bool(self.reason)


class Mover:
    """One table and its archive. ``reader`` and ``writer`` are sessions in UTC; ``pause`` holds still while replicas lag."""

    def __init__(
        self,
        reader: Connection,
        writer: Connection,
        table: Table,
        columns: List[Column],
        archive: Archive,
        settings: Settings,
        stop: Stop,
        pause: Callable[[], None],
    ) -> None:
        self._reader, self._writer, self._table, self._columns = reader, writer, table, columns
        self._archive, self._settings, self._stop, self._pause = archive, settings, stop, pause
        self.done = Done()

    def archive(self, planner: Planner) -> None:
        """Go on with what an earlier run left, then move what the planner says."""
        self._clean()
        for segment in [one for one in self._archive.segments if one.state == WRITTEN]:
            self.done.went_on += segment.events
            if not self._leave(segment, self._prove(segment)):
                return
        with ThreadPoolExecutor(1) as pool:
            leaving: Optional[Tuple[Segment, Future[bool]]] = None
            for part in segments(planner.slices(), self._settings.segment_rows):
                if self._stop.look():
                    break
                segment = self._write(planner.ids(part), part)
                proofs = self._prove(segment)
                if leaving and not self._left(*leaving):
                    # It was written for nothing, and nothing of it is noted: the next run writes it again.
                    self._archive.storage.remove(segment.file)
                    return
                self._archive.segments.append(segment)
                self._archive.save()
                leaving = (segment, pool.submit(self._delete, segment, proofs))
            if leaving:
                self._left(*leaving)

    def _clean(self) -> None:
        self.done.leftovers = self._archive.leftovers()
        for name in self.done.leftovers:
            self._archive.storage.remove(name)

    def _write(self, ids: Sequence[str], part: Sequence[Slice]) -> Segment:
        planned = sum(one.events for one in part)
        if len(ids) != planned:
            raise Failed(
                "%d events of %s were to be moved and %d are there now." % (planned, self._table.label, len(ids)),
                "Somebody else moves or deletes events. Find out who before running again.",
            )
        keys = archive_rows.keys(self._table, self._columns, ids)
        step = self._settings.chunk_rows
        chunks = (
            archive_rows.lines(self._reader, self._table, self._columns, keys[at : at + step])
            for at in range(0, len(keys), step)
        )
        size, seen = [0], hashlib.sha256()
        name = self._archive.next_name()
        self._archive.storage.write(name, compressed(chunks, self._settings.compression_level, size, seen))
        columns = [[column.name, column.type] for column in self._columns]
        written = iso(time.time())
        return Segment(name, WRITTEN, len(keys), size[0], seen.hexdigest(), keys[0], keys[-1], written, columns)

    def _prove(self, segment: Segment) -> List[Proof]:
        return self._archive.prove(segment, str(self._table.key), self._settings.chunk_rows)

    def _leave(self, segment: Segment, proofs: List[Proof]) -> bool:
        if not self._delete(segment, proofs):
            return False
        self._note(segment)
        return True

    def _left(self, segment: Segment, leaving: Future[bool]) -> bool:
        if not leaving.result():
            return False
        self._note(segment)
        return True

    def _note(self, segment: Segment) -> None:
        segment.state = ARCHIVED
        self._archive.save()
        self.done.bytes += segment.bytes

    def _delete(self, segment: Segment, proofs: List[Proof]) -> bool:
        """Take the events of a file out of the table; False when it was stopped before the last one."""
        if self._stop.look_for_backup():
            return False
        for proof in proofs:
            self._pause()
            if self._stop.look():
                return False
            self.done.archived += self._in_transaction(self._delete_chunk, segment, proof)
        return True

    def _delete_chunk(self, segment: Segment, proof: Proof) -> int:
        """Delete those of the events that are still there, provided each is what was read back from the file."""
        columns = segment.described_columns()
        keys = archive_rows.keys(self._table, columns, proof.ids)
        there, digest = archive_rows.digest_in_table(self._writer, self._table, columns, keys, "FOR UPDATE")
        if there == 0:
            return 0
        if there != len(keys) or digest != proof.digest:
            keys = self._compare(segment, keys)
        self._writer.rows(
            "DELETE FROM %s WHERE %s IN (%s)" % (self._table.sql, self._table.id, archive_rows.marks(keys)), keys
        )
        gone = int(self._writer.value("SELECT ROW_COUNT()"))
        if gone != len(keys):
            raise Failed("%d events were to be deleted from %s, not %d." % (len(keys), self._table.label, gone))
        return gone

    def _compare(self, segment: Segment, keys: Sequence[Any]) -> List[Any]:
        """The ids of ``keys`` that are in the table.

        :raises Refused: when one of them is not the event that the file has.
        """
        table, columns = self._table, segment.described_columns()
        there = self._writer.rows(
            "SELECT e.%s AS id, %s AS hash FROM %s e WHERE e.%s IN (%s)"
            % (table.id, archive_rows.hash_sql(columns), table.sql, table.id, archive_rows.marks(keys)),
            keys,
        )
        wanted = {str(key) for key in keys}
        place = [column.name for column in columns].index(str(table.key))
        hashes: Dict[str, str] = {}
        for rows in self._archive.rows(segment, columns, self._settings.chunk_rows):
            hashes.update((str(row[place]), archive_rows.row_hash(row)) for row in rows if row[place] in wanted)
        other = [row["id"] for row in there if hashes.get(str(row["id"])) != row["hash"]]
        if other:
            raise Refused(
                "%d events of %s are not what %s has of them, the first has the id %s. They were left alone."
                % (len(other), table.label, segment.file, other[0]),
                "Events never change: find out what wrote them. The file has them as they were when they were archived.",
            )
        return [row["id"] for row in there]

    def restore(self) -> None:
        """Put back every event that is in the archive and not in the table, file by file."""
        for segment in self._archive.segments:
            if segment.state == RESTORED or self._stop.look():
                continue
            self._prove(segment)
            columns = segment.described_columns()
            for rows in self._archive.rows(segment, columns, self._settings.chunk_rows):
                self._pause()
                if self._stop.look():
                    return
                self.done.restored += self._in_transaction(self._restore_chunk, segment, rows)
            segment.state = RESTORED
            self._archive.save()
            self.done.bytes += segment.bytes

    def _restore_chunk(self, segment: Segment, rows: List[archive_rows.Row]) -> int:
        columns = segment.described_columns()
        place = [column.name for column in columns].index(str(self._table.key))
        keys = archive_rows.keys(self._table, columns, [str(row[place]) for row in rows])
        wanted = archive_rows.digest(rows)
        there, digest = archive_rows.digest_in_table(self._writer, self._table, columns, keys, "FOR UPDATE")
        if there == len(keys) and digest == wanted:
            return 0
        present = {str(key) for key in (self._compare(segment, keys) if there else [])}
        missing = [row for row in rows if row[place] not in present]
        archive_rows.insert(self._writer, self._table, columns, missing)
        if archive_rows.digest_in_table(self._writer, self._table, columns, keys) != (len(keys), wanted):
            raise Failed(
                "The events of %s did not come back as they are in %s; this transaction was undone."
                % (self._table.label, segment.file),
                "Compare the columns of the table with those in %s." % self._archive.storage.place,
            )
        return len(missing)

    def _in_transaction(self, work: Callable[[Segment, Any], int], segment: Segment, events: Any) -> int:
        """Run and commit; begun again when the server undid it for the sake of others."""
        tries = 0
        while True:
            tries += 1
            self._writer.rows("START TRANSACTION")
            try:
                done = work(segment, events)
                self._writer.rows("COMMIT")
                return done
            except BaseException as error:
                self._undo()
                if not isinstance(error, SqlError) or error.code not in _AGAIN or tries == _TRIES:
                    raise

    def _undo(self) -> None:
        try:
            self._writer.rows("ROLLBACK")
        except SqlError:
            return  # a broken connection has no transaction any more


def missing_events(connection: Connection, table: Table, archive: Archive, chunk_rows: int) -> int:
    """How many events of the archive are not in the table: what a restore would put back. Reads every file."""
    missing = 0
    for segment in archive.segments:
        if segment.state == RESTORED:
            continue
        columns = segment.described_columns()
        for proof in archive.prove(segment, str(table.key), chunk_rows):
            keys = archive_rows.keys(table, columns, proof.ids)
            missing += len(keys) - archive_rows.digest_in_table(connection, table, columns, keys)[0]
    return missing
