# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold in an event store, how bad it is when it does not, and what to do then. Pure.

The reasons are the package's: an aggregate can't be loaded or saved any more when its versions are not 1, 2, 3 ... in the order
of the ids, because it counts the events it applied; a snapshot is trusted blindly; versions, uuid and id stand in the metadata too.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Sequence, Tuple

from ..core.verdict import CRITICAL, WARNING
from .stores import Table

Sql = Tuple[str, List[Any]]


@dataclasses.dataclass(frozen=True)
class Rule:
    """``wrong`` completes "n events ..." or "n snapshots ..."."""

    name: str
    verdict: str
    wrong: str
    advice: str
    subject: str = "events"


_REPAIR = "Find out what wrote it before anything is repaired; the samples say where to look."
RULES: Dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "version_gap",
            CRITICAL,
            "do not follow their predecessor's version, nor start at 1 or behind a snapshot",
            "Events of these aggregates are gone; they can't be saved any more. Restore the missing events from a backup or archive.",
        ),
        Rule(
            "duplicate_version",
            CRITICAL,
            "have a version that another event of the aggregate has",
            "Two writes won the same race. Find out which one counts, then restore the unique index.",
        ),
        Rule(
            "unique_index",
            CRITICAL,
            "is the number of tables without the unique index on aggregate_uuid and aggregate_version",
            "Without it two requests can write the same version. Remove duplicates, then add the index.",
            subject="",
        ),
        Rule(
            "half_aggregate", CRITICAL, "have an aggregate_uuid without an aggregate_version, or the reverse", _REPAIR
        ),
        Rule(
            "version_order",
            CRITICAL,
            "have a lower id than the version before them",
            "Events are applied in the order of the ids, so these aggregates load wrongly.",
        ),
        Rule(
            "invalid_json",
            CRITICAL,
            "have properties or metadata that are not JSON",
            "They can't be loaded or replayed.",
        ),
        Rule("meta_uuid", CRITICAL, "have another aggregate-root-uuid in their metadata than in the column", _REPAIR),
        Rule(
            "meta_version",
            CRITICAL,
            "have another aggregate-root-version in their metadata than in the column",
            _REPAIR,
        ),
        Rule(
            "meta_stored_event_id",
            WARNING,
            "have another stored-event-id in their metadata than their id",
            "Events that were restored or migrated legitimately keep the old id.",
        ),
        Rule(
            "created_at_order",
            WARNING,
            "are older than the event before them, by more than the tolerance",
            "Compare the clocks of the application's hosts, and its time zone with the option time_zone.",
        ),
        Rule(
            "created_at_future",
            WARNING,
            "lie in the future, by more than the tolerance",
            "Compare the clocks of the application's hosts, and its time zone with the option time_zone.",
        ),
        Rule(
            "unknown_class",
            WARNING,
            "are of a class that known_classes does not have",
            "A replay stops at a class or alias the application no longer has. Complete known_classes, or map the old name.",
        ),
        Rule("event_version", CRITICAL, "have an event_version below 1", _REPAIR),
        Rule(
            "snapshot_ahead",
            CRITICAL,
            "have a higher version than the last event of their aggregate",
            "The aggregate loads a state that its events do not give. Delete these snapshots once the events are proven complete.",
            subject="snapshots",
        ),
        Rule(
            "snapshot_orphan",
            WARNING,
            "are of an aggregate without any event",
            "The events were moved away, or the snapshot is of another store: see the option snapshots.",
            subject="snapshots",
        ),
        Rule(
            "snapshot_order",
            WARNING,
            "are the newest of their aggregate but not of the highest version",
            "The newest is used, so more events than needed are loaded each time.",
            subject="snapshots",
        ),
        Rule(
            "snapshot_empty",
            WARNING,
            "have an empty state",
            "The aggregate has no public properties, so it loads as if nothing had happened before the snapshot. Take no more of them, "
            "and never archive its events.",
            subject="snapshots",
        ),
        Rule(
            "snapshot_json",
            CRITICAL,
            "have a state that is not JSON",
            "The aggregate can't be loaded. Delete these snapshots.",
            subject="snapshots",
        ),
        Rule(
            "history",
            CRITICAL,
            "is the number of places where verified history is no longer what was verified",
            "Events are never changed or removed by the application. Compare with a backup. After an archive or a repair that you "
            "know of, verify anew with restart=true.",
            subject="",
        ),
        Rule(
            "event_hash",
            CRITICAL,
            "have a hash that does not follow from the previous one and the amount",
            "An amount or a hash was changed after it was written, or an event was removed. Compare with a backup.",
        ),
        Rule(
            "money",
            CRITICAL,
            "is the number of balances that differ from their events",
            "Replay the projection aside and compare it; see event_store_info for events still waiting in a queue.",
            subject="",
        ),
    )
}
#: Those that need an option to say what is right.
NEED_OPTIONS = {"unknown_class": "known_classes", "event_hash": "event_hashes", "money": "money"}


@dataclasses.dataclass(frozen=True)
class RowRule:
    """One rule about a single event: ``wrong`` is true where it is broken, ``seen`` what to show then; both are SQL over ``e``."""

    name: str
    wrong: Sql
    seen: Sql


def row_rules(table: Table, known_classes: Sequence[str], tolerance: int) -> List[RowRule]:
    """The rules that hold for each row by itself, for the columns this table has; see also meta_rules.

    Whether the metadata is JSON is asked by the row pass, which need not ask when it is as written.
    """
    rules = [
        RowRule(
            "half_aggregate",
            ("(e.aggregate_uuid IS NULL) <> (e.aggregate_version IS NULL)", []),
            ("IF(e.aggregate_uuid IS NULL, 'no aggregate_uuid', 'no aggregate_version')", []),
        ),
        RowRule(
            "created_at_future",
            ("e.created_at > NOW() + INTERVAL %s SECOND", [tolerance]),
            ("CAST(e.created_at AS CHAR)", []),
        ),
    ]
    if "event_version" in table.columns:
        seen: Sql = ("COALESCE(e.event_version, 'NULL')", [])
        rules.append(RowRule("event_version", ("COALESCE(e.event_version, 0) < 1", []), seen))
    texts = [column for column in ("event_properties", "meta_data") if table.is_text(column)]
    if texts:
        wrong = "NOT JSON_VALID(e.event_properties)" if "event_properties" in texts else "FALSE"
        seen = ("IF(%s)" % ", ".join(_first_invalid(texts)), [])
        rules.append(RowRule("invalid_json", (wrong, []), seen))
    if known_classes:
        marks = ", ".join(["%s"] * len(known_classes))
        unknown: Sql = ("CAST(e.event_class AS BINARY) NOT IN (%s)" % marks, list(known_classes))
        rules.append(RowRule("unknown_class", unknown, ("e.event_class", [])))
    return rules


def _first_invalid(texts: Sequence[str]) -> Tuple[str, str, str]:
    return "NOT JSON_VALID(e.%s)" % texts[0], "'%s'" % texts[0], "'%s'" % texts[-1]


_META: Dict[str, Tuple[str, Callable[[Table], str], str]] = {
    "meta_uuid": (
        "aggregate-root-uuid",
        lambda _table: "e.aggregate_uuid",
        "NOT (CAST(LOWER({meta}) AS BINARY) <=> CAST(LOWER(CAST({column} AS CHAR)) AS BINARY))",
    ),
    "meta_version": (
        "aggregate-root-version",
        lambda _table: "e.aggregate_version",
        "NOT (CAST({meta} AS BINARY) <=> CAST(CAST({column} AS CHAR) AS BINARY))",
    ),
    "meta_stored_event_id": (
        "stored-event-id",
        lambda table: "e." + table.id,
        "CAST({meta} AS BINARY) <> CAST(CAST({column} AS CHAR) AS BINARY)",
    ),
}


def meta_rules(table: Table) -> List[RowRule]:
    """The rules that compare the metadata with the columns. They must not be asked where the metadata is no JSON.

    Compared as bytes, because texts of two collations can't be compared at all.
    """
    if "meta_data" not in table.columns:
        return []
    rules = []
    for name, (key, column, wrong) in _META.items():
        value = "JSON_VALUE(e.meta_data, '$.\"%s\"')" % key
        seen = "COALESCE(%s, 'none')" % value
        rules.append(RowRule(name, (wrong.format(meta=value, column=column(table)), []), (seen, [])))
    return rules


def meta_as_written(table: Table) -> str:
    """True where the metadata is, to the letter, what the package writes for these columns, so that nothing need be parsed.

    Most events are stored within the second in which they were recorded, so the time in it is the column's too. Key order is kept only
    where JSON is text.
    """
    parts = [
        '\'{"aggregate-root-uuid":"\', e.aggregate_uuid',
        '\'","created-at":"\', e.created_at',
        '\'","aggregate-root-version":\', e.aggregate_version',
        "',\"stored-event-id\":', e.%s, '}'" % table.id,
    ]
    # A text could hold a quote, and what is put together of it would be no JSON.
    plain = " AND e.aggregate_uuid RLIKE '^[0-9a-fA-F-]+$'" if table.uuid_collation else ""
    return "CAST(e.meta_data AS BINARY) = CONCAT(%s)%s" % (", ".join(parts), plain)


def meta_begins_as_written(table: Table) -> Sql:
    """The same for metadata that is JSON, with another time and with keys of the application among the package's.

    The text begins with the uuid and ends with the id, so both are keys of the outermost object; only one who builds a nested object for
    the purpose could hide a wrong version from it.
    """
    return (
        'e.meta_data LIKE CONCAT(\'{"aggregate-root-uuid":"\', e.aggregate_uuid, %s, e.aggregate_version, %s, e.'
        + table.id
        + ", '}')",
        ['","created-at":"' + "_" * 19 + '","aggregate-root-version":', ',%"stored-event-id":'],
    )
