# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verifying event stores: which passes run over which tables, what is taken over from the checkpoint, when to stop."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Dict, List, Optional, Set

from ..core.errors import BadInput, Refused
from ..mysql.connection import Connection
from . import history, money
from .aggregate_passes import SnapshotPass, VersionPass
from .anomalies import Anomalies, found, merge
from .checkpoint import Checkpoint, Entry
from .event_hashes import HashPass
from .passes import Budget, Crew, Outcome, Pass, Range, State, go, plain
from .row_pass import HASH_BYTES, TIME_BYTES, RowPass, RowSettings
from .stores import Found, Store, Table

#: Seconds between two writings of the checkpoint: what a kill costs at most.
SAVE_SECONDS = 5
_ROW_CHECKS = {
    "half_aggregate",
    "event_version",
    "invalid_json",
    "unknown_class",
    "meta_uuid",
    "meta_version",
    "meta_stored_event_id",
    "created_at_order",
    "created_at_future",
}
_VERSION_CHECKS = {"version_gap", "duplicate_version", "version_order"}
_SNAPSHOT_CHECKS = {"snapshot_ahead", "snapshot_orphan", "snapshot_order", "snapshot_empty", "snapshot_json"}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The module's options, checked; ``checks`` are those rules that are wanted and that have what they need."""

    checks: Set[str]
    known_classes: List[str]
    tolerance_seconds: int
    settle_seconds: int
    hash_chain: bool
    recheck: bool
    chunk_rows: int
    samples: int
    event_hashes: Optional[Dict[str, Any]]
    money: List[money.MoneyRule]


@dataclasses.dataclass
class Seen:
    """What became of one table. ``events`` and ``upto`` are of all runs, ``verified`` of this one.

    ``unsettled`` are those too young to be verified, None when there are others left too. ``unfinished`` are the rules that not all
    of the table was held to, ``unjudged`` those that can't be checked on it.
    """

    table: Table
    anomalies: Anomalies = dataclasses.field(default_factory=dict)
    unfinished: Set[str] = dataclasses.field(default_factory=set)
    unjudged: Dict[str, str] = dataclasses.field(default_factory=dict)
    events: int = 0
    verified: int = 0
    upto: Any = None
    unsettled: Optional[int] = None
    rechecked: int = 0
    unsettled_balances: int = 0
    chain_head: Optional[str] = None
    resumed: bool = False


class Verifier:
    """One run over all tables, on the connections of a crew."""

    def __init__(self, crew: Crew, settings: Settings, budget: Budget, checkpoint: Checkpoint, restart: bool) -> None:
        self._crew, self._settings, self._budget, self._checkpoint = crew, settings, budget, checkpoint
        self._restart, self._saved = restart, time.monotonic()
        self.changed = False

    def run(self, tables: Found) -> List[Seen]:
        """Verify every table. All refusals come before anything is verified."""
        self._check(tables)
        if self._restart:
            self._checkpoint.forget(table.label for table in (*tables.events, *tables.snapshots))
        resumed = {table.label: self._resume(table) for table in tables.events}
        seen = [self._events(store, resumed[store.events.label]) for store in tables.stores()]
        if self._settings.checks & _SNAPSHOT_CHECKS:
            seen += [
                self._snapshots(table, tables.events_of(table)) for table in tables.snapshots if tables.events_of(table)
            ]
        self.changed = self._checkpoint.save() or self.changed
        return seen

    def _check(self, tables: Found) -> None:
        for table in (*tables.events, *tables.snapshots):
            if table.key is None:
                raise BadInput(
                    "%s has no primary key of one column, by which it could be read in ranges." % table.label,
                    "Leave it out with the option tables.",
                )
        packet = int(self._crew.planner.value("SELECT @@max_allowed_packet"))
        size = HASH_BYTES if self._settings.hash_chain else TIME_BYTES
        if packet < size * self._settings.chunk_rows:
            raise BadInput(
                "What is read of a range of %d rows is more than this server sends at once."
                % self._settings.chunk_rows,
                "Give a chunk_rows of at most %d." % (packet // size),
            )
        for rule in self._settings.money:
            having = [table for table in tables.events if table.name == rule.event_table]
            if not having:
                raise BadInput(
                    "The money rule %s is about %s, which is none of the event tables found: %s."
                    % (rule.name, rule.event_table, ", ".join(table.label for table in tables.events))
                )
            for table in having:
                money.check_projection(self._crew.planner, table.schema, rule)

    def _resume(self, table: Table) -> List[Dict[str, Any]]:
        """What no longer is as the checkpoint has it; samples for the rule ``history``.

        :raises Refused: when the checkpoint is of another store, or was made with rules that do not cover those of this run.
        """
        entry, settings = self._checkpoint.entry(table.label), self._settings
        if not entry.begun:
            entry.hashed, entry.checks = settings.hash_chain, sorted(settings.checks & _ROW_CHECKS)
            entry.known_classes, entry.tolerance_seconds = sorted(settings.known_classes), settings.tolerance_seconds
            return []
        _check_rules(table, entry, settings)
        planner = self._crew.planner
        kept = [one for one in (entry.first, entry.last) if one]
        changed = [one for one in kept if history.anchor(planner, table, "=", one["id"]) != one]
        if kept and len(changed) == len(kept):
            raise Refused(
                "The checkpoint is not of this store: neither the first event it knows of %s (id %s) nor the last one (id %s) is as it was."
                % (table.label, kept[0]["id"], kept[-1]["id"]),
                "Give each environment its own checkpoint. If this is the right one, its history was replaced; "
                "verify it from the beginning with restart=true.",
            )
        samples = [{"id": one["id"], "seen": "id %s: gone or changed" % one["id"]} for one in changed]
        if entry.tail and settings.recheck:
            after = entry.segments[-1][0] if entry.segments else None
            grown = history.compare(planner, table, after, entry.tail["segment"])
            samples += [grown] if grown else []
        return samples

    def _events(self, store: Store, broken: List[Dict[str, Any]]) -> Seen:
        table, settings = store.events, self._settings
        entry = self._checkpoint.entry(table.label)
        seen = Seen(table, resumed=entry.begun)
        older = list(entry.segments)
        if "unique_index" in settings.checks and not table.unique_versions:
            seen.anomalies["unique_index"] = found(1, [{"id": None, "seen": "%s has none" % table.label}])
        self._rows(table, entry, seen, broken)
        if settings.checks & _VERSION_CHECKS:
            numbered = isinstance(entry.upto, int)
            versions = VersionPass(store, list(settings.checks), settings.chunk_rows, settings.samples, numbered)
            self._by_uuid(seen, _VERSION_CHECKS, versions)
        if settings.event_hashes:
            one = HashPass(table, settings.event_hashes, settings.chunk_rows, settings.samples)
            self._by_uuid(seen, {"event_hash"}, one)
        for rule in settings.money:
            if rule.event_table == table.name:
                self._money(seen, rule)
        if settings.recheck and "history" in settings.checks and older:
            seen.rechecked = self._through(seen, {"history"}, history.HistoryPass(table, older), entry).rows
        seen.events = entry.events.rows + (entry.tail["segment"][1] if entry.tail else 0)
        seen.upto, seen.chain_head = entry.upto, history.head(entry.all_segments())
        return seen

    def _rows(self, table: Table, entry: Entry, seen: Seen, broken: List[Dict[str, Any]]) -> None:
        """Row by row, from where the checkpoint is. Nothing is built upon history that is no longer what it was."""
        settings, planner = self._settings, self._crew.planner
        row_checks = settings.checks & _ROW_CHECKS
        if broken:
            seen.anomalies["history"] = found(len(broken), broken[: settings.samples])
            seen.unfinished |= row_checks
        else:
            upto = settled(planner, table, settings.settle_seconds, settings.tolerance_seconds)
            if not entry.begun:
                entry.first = history.anchor(planner, table, "MIN") if upto is not None else None
            one = RowPass(
                table,
                RowSettings(
                    sorted(row_checks),
                    settings.known_classes,
                    settings.tolerance_seconds,
                    entry.hashed,
                    settings.chunk_rows,
                    settings.samples,
                    upto,
                ),
            )

            def accept(part: Range, outcome: Outcome) -> None:
                segment = [part.upto, outcome.rows, outcome.extra]
                seen.verified += outcome.rows
                if part.full:
                    entry.events.take(part, outcome, settings.samples)
                    entry.segments.append(segment)
                    entry.tail = None
                else:
                    entry.tail = {"segment": segment, "anomalies": outcome.anomalies}
                self._save_now_and_then(table, entry)

            if go(self._crew, one, entry.events.after, self._budget, accept):
                seen.unsettled = _count_above(planner, table, entry.upto)
            else:
                seen.unfinished |= row_checks
            entry.last = history.anchor(planner, table, "=", entry.upto) if entry.begun else None
        for anomalies in (entry.events.anomalies, entry.tail["anomalies"] if entry.tail else {}):
            merge(
                seen.anomalies,
                {rule: one for rule, one in anomalies.items() if rule in settings.checks},
                settings.samples,
            )

    def _by_uuid(self, seen: Seen, checks: Set[str], one: Pass) -> State:
        """A pass along the index on aggregate_uuid, when there is one: each range would read the whole table without."""
        if not seen.table.uuid_index:
            for check in checks & self._settings.checks:
                seen.unjudged[check] = "%s has no index that begins with aggregate_uuid" % seen.table.label
            return State()
        return self._through(seen, checks, one, self._checkpoint.entry(seen.table.label))

    def _money(self, seen: Seen, rule: money.MoneyRule) -> None:
        settings = self._settings

        def count(outcome: Outcome) -> None:
            seen.unsettled_balances += outcome.extra or 0

        chunk, samples = settings.chunk_rows, settings.samples
        for one in (
            money.MoneyPass(seen.table, rule, chunk, samples, settings.settle_seconds),
            money.BalancePass(seen.table, rule, chunk, samples),
        ):
            if seen.table.uuid_index:
                self._through(seen, {"money"}, one, self._checkpoint.entry(seen.table.label), count)
            else:
                self._by_uuid(seen, {"money"}, one)

    def _snapshots(self, table: Table, events: List[Table]) -> Seen:
        settings = self._settings
        seen = Seen(table)
        lacking = [one.label for one in events if not one.uuid_index]
        if lacking:
            reason = "%s has no index that begins with aggregate_uuid" % lacking[0]
            seen.unjudged = dict.fromkeys(settings.checks & _SNAPSHOT_CHECKS, reason)
            return seen
        one = SnapshotPass(table, events, sorted(settings.checks), settings.chunk_rows, settings.samples)
        seen.verified = seen.events = self._through(
            seen, _SNAPSHOT_CHECKS, one, self._checkpoint.entry(table.label)
        ).rows
        return seen

    def _through(self, seen: Seen, checks: Set[str], one: Pass, entry: Entry, also: Any = None) -> State:
        """Run a pass that begins again each time it has come to its end."""
        state = entry.passes.setdefault(one.name, State())

        def accept(part: Range, outcome: Outcome) -> None:
            state.take(part, outcome, self._settings.samples)
            if also:
                also(outcome)
            self._save_now_and_then(seen.table, entry)

        ended = go(self._crew, one, state.after, self._budget, accept)
        merge(seen.anomalies, state.anomalies, self._settings.samples)
        if ended:
            del entry.passes[one.name]
        else:
            seen.unfinished |= checks & self._settings.checks
        return state

    def _save_now_and_then(self, table: Table, entry: Entry) -> None:
        if time.monotonic() - self._saved < SAVE_SECONDS:
            return
        if entry.begun and (entry.last is None or entry.last["id"] != entry.upto):
            entry.last = history.anchor(self._crew.planner, table, "=", entry.upto)
        self.changed = self._checkpoint.save() or self.changed
        self._saved = time.monotonic()


def _check_rules(table: Table, entry: Entry, settings: Settings) -> None:
    missing = sorted((settings.checks & _ROW_CHECKS) - set(entry.checks))
    gone = sorted(set(entry.known_classes) - set(settings.known_classes)) if "unknown_class" in settings.checks else []
    reason = ""
    if missing:
        reason = "it was not made with the rule %s" % missing[0]
    elif gone:
        reason = "it was made with the known class %s" % gone[0]
    elif settings.tolerance_seconds < entry.tolerance_seconds:
        reason = "it was made with tolerance_seconds=%d" % entry.tolerance_seconds
    elif settings.hash_chain and not entry.hashed:
        reason = "it was made without hash_chain"
    if reason:
        raise Refused(
            "The checkpoint does not answer for what is asked about %s: %s." % (table.label, reason),
            "Ask the same again, or verify from the beginning with restart=true.",
        )
    entry.checks = sorted(set(entry.checks) & settings.checks)
    entry.known_classes, entry.tolerance_seconds = sorted(settings.known_classes), settings.tolerance_seconds


def settled(connection: Connection, table: Table, settle_seconds: int, tolerance_seconds: int) -> Any:
    """The last id before all events that are younger than ``settle_seconds``; None when there is none.

    A younger one may still get its id into its metadata, or be committed after one with a higher id. Events from the future are not
    young but wrong. Looks back from the newest event until a page has no young one.
    """
    page, lowest = 10000, None
    while True:
        where = "WHERE e.%s < %%s" % table.id if lowest is not None else ""
        row = connection.rows(
            "SELECT MIN(IF(at > NOW() - INTERVAL %s SECOND AND at <= NOW() + INTERVAL %s SECOND, id, NULL)) AS young, MAX(id) AS last "
            f"FROM (SELECT e.{table.id} AS id, e.created_at AS at FROM {table.sql} e {where} ORDER BY e.{table.id} DESC LIMIT {page}) p",
            [settle_seconds, tolerance_seconds, *([lowest] if where else [])],
        )[0]
        if row["young"] is None:
            return plain(row["last"])
        lowest = row["young"]


def _count_above(connection: Connection, table: Table, upto: Any) -> int:
    where, args = ("WHERE %s > %%s" % table.id, [upto]) if upto is not None else ("", [])
    return int(connection.value("SELECT COUNT(*) FROM %s %s" % (table.sql, where), args))
