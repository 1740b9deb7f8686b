# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashes that the application chains through the events of an aggregate: each over the one before it and the amount.

So does FinAegis with SHA3-512 (older releases: SHA-256). No server can compute SHA-3, so the chain is followed here.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Dict, Iterable, List, Optional

from ..mysql.connection import Connection
from .anomalies import Anomalies, found
from .passes import Outcome, Pass, Range, key_range, plain, within
from .stores import Table


def broken_links(events: Iterable[Dict[str, Any]], algorithm: str) -> List[Dict[str, Any]]:
    """The events whose hash does not follow. ``events`` come by aggregate and version, with uuid, v, id, amount and hash.

    The chain begins with the empty text; where an aggregate does not begin with version 1 (archived), its first hash is taken as it
    is. An event without an amount counts as 0, as the application has it. After a wrong hash the stored one is followed, so one
    changed event is one or two broken links, not all that come after it.
    """
    broken = []
    aggregate, before = None, ""
    for event in events:
        first = event["uuid"] != aggregate
        if first:
            aggregate, before = event["uuid"], ""
        stored = str(event["hash"])
        text = before + str(event["amount"] if event["amount"] is not None else 0)
        follows = hmac.compare_digest(hashlib.new(algorithm, text.encode()).hexdigest().encode(), stored.encode())
        if not follows and not (first and event["starts_late"]):
            broken.append(event)
        before = stored
    return broken


class HashPass(Pass):
    """``options`` are those of the module: hash and amount (JSON paths), algorithm, event_classes."""

    name = "event_hashes"

    def __init__(self, table: Table, options: Dict[str, Any], chunk_rows: int, samples: int) -> None:
        self._table, self._options = table, options
        self._chunk_rows, self._samples = chunk_rows, samples

    def next_range(self, connection: Connection, after: Any) -> Optional[Range]:
        return key_range(connection, self._table.sql, "aggregate_uuid", after, None, self._chunk_rows)

    def work(self, connection: Connection, part: Range) -> Outcome:
        options = self._options
        where, args = within("e.aggregate_uuid", part)
        valid = "JSON_VALID(e.event_properties) AND " if self._table.is_text("event_properties") else ""
        rows = connection.rows(
            "SELECT e.{id} AS id, e.aggregate_uuid AS uuid, e.aggregate_version AS v, "
            "JSON_VALUE(e.event_properties, %s) AS amount, JSON_VALUE(e.event_properties, %s) AS hash, "
            "NOT EXISTS (SELECT 1 FROM {table} o WHERE o.aggregate_uuid = e.aggregate_uuid AND o.aggregate_version = 1) AS starts_late "
            "FROM {table} e WHERE {where} AND {valid}e.event_class IN ({marks}) "
            "ORDER BY e.aggregate_uuid, e.aggregate_version, e.{id}".format(
                id=self._table.id,
                table=self._table.sql,
                where=where,
                valid=valid,
                marks=", ".join(["%s"] * len(options["event_classes"])),
            ),
            [options["amount"], options["hash"], *args, *options["event_classes"]],
        )
        broken = broken_links(rows, options["algorithm"])
        samples = [
            {
                "id": plain(event["id"]),
                "aggregate_uuid": plain(event["uuid"]),
                "aggregate_version": event["v"],
                "seen": "no hash" if event["hash"] is None else "hash %s..." % str(event["hash"])[:16],
            }
            for event in broken[: self._samples]
        ]
        anomalies: Anomalies = {"event_hash": found(len(broken), samples)} if broken else {}
        return Outcome(len(rows), anomalies)
