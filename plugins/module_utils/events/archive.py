# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving events of one table out into files, and back.

Each file is written, made durable and read back as a whole; then it is noted in the catalogue; then its events leave the table in small
transactions, each of which compares them, locked, with what the file has. So a run may be killed anywhere: files that were not noted
are removed, one that was noted is gone on with. While one file's events leave the table, the next files are written.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from ..core.errors import Failed
from ..core.times import iso
from ..mysql.connection import Connection, SqlError
from . import archive_rows
from .archive_plan import Planner
from .archive_rows import Column
from .archive_store import ARCHIVED, RESTORED, WRITTEN, Archive, Proof, Segment, compressed
from .passes import Budget
from .stores import Table

#: Waiting for a row lock took too long, a deadlock: the transaction is undone and can be tried again.
_AGAIN = (1205, 1213)
_TRIES = 5
#: Files written while the events of another leave the table, so that neither waits for the other.
_AHEAD = 2


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

    moved: int = 0
    went_on: int = 0


class Stop:
    """Why to begin no further transaction: the time is over, a replica lags, the stop file is there, a backup has begun.

    ``backup`` says who takes one; it is asked before each file.
    """

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
    """One table and its archive. ``reader`` and ``writers`` are sessions in UTC, the reader's has what the planner decided; ``pause``
    holds still while replicas lag.
    """

    def __init__(
        self,
        reader: Connection,
        writers: Sequence[Connection],
        table: Table,
        columns: List[Column],
        archive: Archive,
        settings: Settings,
        stop: Stop,
        pause: Callable[[], None],
    ) -> None:
        self._reader, self._table, self._columns = reader, table, columns
        self._free: SimpleQueue[Connection] = SimpleQueue()
        for writer in writers:
            self._free.put(writer)
        self._workers, self._counting = len(writers), threading.Lock()
        self._archive, self._settings, self._stop, self._pause = archive, settings, stop, pause
        self.done = Done()

    def archive(self, planner: Planner, decide: bool) -> None:
        """Go on with what an earlier run left, then move what the planner says. ``decide``: it said so long ago and must look again."""
        self._archive.clean()
        for segment in [one for one in self._archive.segments if one.state == WRITTEN]:
            self.done.went_on += segment.events
            if not self._delete(segment, self._prove(segment)):
                return
            decide = True
        if decide:
            for _unused in planner.decisions(self._reader):
                pass
        after, number = None, len(self._archive.segments)
        leaving: Deque[Future[bool]] = collections.deque()
        with ThreadPoolExecutor(1) as pool:
            while not self._stop.look():
                ids = planner.next_ids(self._reader, after, self._settings.segment_rows)
                if not ids:
                    break
                number += 1
                segment, proofs = self._write(self._archive.name(number), ids)
                after = segment.last
                leaving.append(pool.submit(self._leave, segment, proofs, leaving[-1] if leaving else None))
                if len(leaving) > _AHEAD:
                    leaving.popleft().result()
        if leaving:
            leaving[-1].result()

    def _leave(self, segment: Segment, proofs: List[Proof], before: Optional[Future[bool]]) -> bool:
        """Note a file and take its events out of the table, once those of the file ``before`` it are gone."""
        if before and not before.result():
            # It was written for nothing, and nothing of it is noted: the next run writes it again.
            self._archive.storage.delete(segment.file)
            return False
        self._archive.segments.append(segment)
        self._archive.save()
        return self._delete(segment, proofs)

    def _write(self, name: str, ids: Sequence[str]) -> Tuple[Segment, List[Proof]]:
        """Write a file and read it back. It must give back the very lines, so what its events were is known without parsing them again:
        lines and proofs are made of the same bytes.
        """
        keys = archive_rows.keys(self._table, self._columns, ids)
        step = self._settings.chunk_rows
        proofs: List[Proof] = []
        text = hashlib.sha256()

        def chunks() -> Iterator[bytes]:
            for at in range(0, len(keys), step):
                part = slice(at, at + step)
                made, digest = archive_rows.lines(self._reader, self._table, self._columns, keys[part])
                proofs.append(Proof(list(ids[part]), digest))
                text.update(made)
                yield made

        size, seen = [0], hashlib.sha256()
        self._archive.write(name, compressed(chunks(), self._settings.compression_level, size, seen))
        columns = [[column.name, column.type] for column in self._columns]
        written = iso(time.time())
        segment = Segment(name, WRITTEN, len(keys), size[0], seen.hexdigest(), keys[0], keys[-1], written, columns)
        self._archive.read_back(segment, text.hexdigest())
        return segment, proofs

    def _prove(self, segment: Segment) -> List[Proof]:
        return self._archive.prove(segment, str(self._table.key), self._settings.chunk_rows)

    def _delete(self, segment: Segment, proofs: List[Proof]) -> bool:
        """Take the events of a file out of the table; False when it was stopped before the last one."""
        if self._stop.look_for_backup():
            return False
        # Neighbours would wait for each other: to see the end of a range the server locks the first event behind it.
        if not self._each(self._delete_chunk, segment, proofs[::2] + proofs[1::2]):
            return False
        segment.state = ARCHIVED
        self._archive.save()
        return True

    def _each(self, work: Callable[[Connection, Segment, Any], int], segment: Segment, parts: Iterable[Any]) -> bool:
        """Do the transactions of a file, as many at a time as there are writers; False when it was stopped before the last one.

        Two at a time share the wait for the disk, of which a small transaction mostly consists.
        """
        running: Deque[Future[None]] = collections.deque()
        stopped = False
        with ThreadPoolExecutor(self._workers) as pool:
            for part in parts:
                if len(running) == self._workers:
                    running.popleft().result()
                self._pause()
                stopped = self._stop.look()
                if stopped:
                    break
                running.append(pool.submit(self._in_transaction, work, segment, part))
            for one in running:
                one.result()
        return not stopped

    def _delete_chunk(self, writer: Connection, segment: Segment, proof: Proof) -> int:
        """Delete those of the events that are still there, provided each is what the file has."""
        columns = self._as_now(segment)
        keys = archive_rows.keys(self._table, columns, proof.ids)
        there, digest = archive_rows.lock(writer, self._table, columns, keys)
        if there == 0:
            return 0
        if there != len(keys) or digest != proof.digest:
            keys = self._compare(writer, segment, keys)
        where, args = archive_rows.among(self._table, keys, alias="")
        writer.rows("DELETE FROM %s WHERE %s" % (self._table.sql, where), args)
        gone = int(writer.value("SELECT ROW_COUNT()"))
        if gone != len(keys):
            raise Failed("%d events were to be deleted from %s, not %d." % (len(keys), self._table.label, gone))
        return gone

    def _as_now(self, segment: Segment) -> List[Column]:
        """The columns of a file, with what is known of them when they are those of the table."""
        described = segment.described_columns()
        same = [(one.name, one.type) for one in described] == [(one.name, one.type) for one in self._columns]
        return self._columns if same else described

    def _compare(self, writer: Connection, segment: Segment, keys: Sequence[Any]) -> List[Any]:
        """The ids of ``keys`` that are in the table.

        :raises Failed: when one of them is not the event that the file has; other transactions may have been committed.
        """
        table, columns = self._table, segment.described_columns()
        where, args = archive_rows.among(table, keys)
        there = writer.rows(
            "SELECT e.%s AS id, %s AS hash FROM %s e WHERE %s"
            % (table.id, archive_rows.hash_sql(columns), table.sql, where),
            args,
        )
        wanted = {str(key) for key in keys}
        place = [column.name for column in columns].index(str(table.key))
        hashes: Dict[str, str] = {}
        for rows in self._archive.rows(segment, columns, self._settings.chunk_rows):
            hashes.update((str(row[place]), archive_rows.row_hash(row)) for row in rows if row[place] in wanted)
        other = [row["id"] for row in there if hashes.get(str(row["id"])) != row["hash"]]
        if other:
            raise Failed(
                "%d events of %s are not what %s has of them, the first has the id %s. They were left alone."
                % (len(other), table.label, segment.file, other[0]),
                "Events never change: find out what wrote them. The file has them as they were when they were archived.",
            )
        return [row["id"] for row in there]

    def restore(self) -> None:
        """Put back every event that is in the archive and not in the table, file by file."""
        for segment in self._archive.segments:
            if segment.state == RESTORED:
                continue
            if self._stop.look_for_backup():
                return
            self._prove(segment)
            columns = segment.described_columns()
            if not self._each(
                self._restore_chunk, segment, self._archive.rows(segment, columns, self._settings.chunk_rows)
            ):
                return
            segment.state = RESTORED
            self._archive.save()

    def _restore_chunk(self, writer: Connection, segment: Segment, rows: List[archive_rows.Row]) -> int:
        columns = segment.described_columns()
        place = [column.name for column in columns].index(str(self._table.key))
        keys = archive_rows.keys(self._table, columns, [str(row[place]) for row in rows])
        wanted = archive_rows.digest(rows)
        there, digest = archive_rows.lock(writer, self._table, columns, keys)
        if there == len(keys) and digest == wanted:
            return 0
        present = {str(key) for key in (self._compare(writer, segment, keys) if there else [])}
        missing = [row for row in rows if row[place] not in present]
        if missing:
            archive_rows.insert(writer, self._table, columns, missing)
        if archive_rows.digest_in_table(writer, self._table, columns, keys) != (len(keys), wanted):
            raise Failed(
                "The events of %s did not come back as they are in %s; this transaction was undone."
                % (self._table.label, segment.file),
                "Compare the columns of the table with those in %s." % self._archive.storage.place,
            )
        return len(missing)

    def _in_transaction(self, work: Callable[[Connection, Segment, Any], int], segment: Segment, part: Any) -> None:
        """Run and commit on a free writer; begun again when the server undid it for the sake of others."""
        writer = self._free.get()
        tries = 0
        try:
            while True:
                tries += 1
                writer.rows("START TRANSACTION")
                try:
                    done = work(writer, segment, part)
                    writer.rows("COMMIT")
                    with self._counting:
                        self.done.moved += done
                    return
                except BaseException as error:
                    with contextlib.suppress(SqlError):  # a broken connection has no transaction any more
                        writer.rows("ROLLBACK")
                    if not isinstance(error, SqlError) or error.code not in _AGAIN or tries == _TRIES:
                        raise
        finally:
            self._free.put(writer)


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
