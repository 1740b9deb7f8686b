# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far projections are behind. The package keeps no position of a projector, so it is seen from three sides: events that wait in
the projectors' queues, events that failed there, and marks that a projection itself has.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from ..core import redis_connection
from ..core.errors import BadInput
from ..mysql.connection import Connection
from .info import UTC, time_text
from .passes import plain
from .stores import Table, name_sql

#: What stands for an event's class where its job has no tags (Laravel without Horizon writes none).
UNTAGGED = "(untagged)"
_FAILED_COLUMNS = ("uuid", "connection", "queue", "payload", "exception", "failed_at")


def is_projector_job(name: Optional[str], job_classes: Sequence[str]) -> bool:
    """Whether a job of this displayName runs projectors; a name in ``job_classes`` without a namespace fits in any."""
    text = name or ""
    return text in job_classes or text.rsplit("\\", 1)[-1] in job_classes


def classes_of(tags: Any) -> str:
    """The event's class from a job's tags, where the package puts it."""
    return str(tags[0]) if isinstance(tags, list) and tags else UNTAGGED


def waiting(params: Dict[str, Any]) -> List[Dict[str, Any]]:
    """The queues named in the options, each seen at one moment.

    :raises Unavailable: when Redis can't be used.
    """
    client = redis_connection.connect(params)
    limit = params["queue_jobs_limit"]
    result = []
    with redis_connection.errors(params):
        for name in params["queues"]:
            key = "%squeues:%s" % (params["queue_prefix"], name)
            pipeline = client.pipeline(transaction=True)
            pipeline.time().llen(key).lrange(key, 0, limit - 1)
            for kind in ("delayed", "reserved"):
                pipeline.zcard("%s:%s" % (key, kind)).zrange("%s:%s" % (key, kind), 0, limit - 1)
            now, ready, first, delayed, later, reserved, in_hand = pipeline.execute()
            jobs = [*first, *later, *in_hand]
            counted = count_jobs(jobs, params["job_classes"], now[0] + now[1] / 1e6)
            length = {"ready": int(ready), "delayed": int(delayed), "reserved": int(reserved)}
            result.append({"queue": name, **length, "examined": len(jobs), **counted})
    client.close()
    return result


def count_jobs(payloads: Iterable[bytes], job_classes: Sequence[str], now: float) -> Dict[str, Any]:
    """Projector jobs among the payloads, by event class, and how long the oldest of them has been there, in seconds."""
    classes: Dict[str, int] = {}
    oldest: Optional[float] = None
    for payload in payloads:
        job = _object(payload)
        if not is_projector_job(job.get("displayName"), job_classes):
            continue
        name = classes_of(job.get("tags"))
        classes[name] = classes.get(name, 0) + 1
        pushed = _number(job.get("pushedAt"), _number(job.get("createdAt"), None))
        if pushed is not None:
            oldest = pushed if oldest is None else min(oldest, pushed)
    return {
        "events": sum(classes.values()),
        "classes": dict(sorted(classes.items())),
        "oldest_seconds": None if oldest is None else round(max(now - oldest, 0.0), 1),
    }


def failed(connection: Connection, schemas: Sequence[str], job_classes: Sequence[str]) -> List[Dict[str, Any]]:
    """Events whose projectors failed and were not retried, by table, queue and event class."""
    result = []
    for schema, table in _failed_tables(connection, schemas):
        rows = connection.rows(
            "SELECT job, tags, queue, COUNT(*) AS n, MIN(at) AS first, MAX(at) AS last FROM "
            "(SELECT queue, {} AS at, IF(JSON_VALID(payload), JSON_UNQUOTE(JSON_EXTRACT(payload, '$.displayName')), NULL) AS job, "
            "IF(JSON_VALID(payload), CAST(JSON_EXTRACT(payload, '$.tags') AS CHAR), NULL) AS tags FROM {}.{}) j "
            "WHERE job IS NOT NULL GROUP BY job, tags, queue ORDER BY queue, tags".format(
                UTC % "failed_at", name_sql(schema), name_sql(table)
            ),
            [],
        )
        for row in rows:
            if is_projector_job(row["job"], job_classes):
                result.append(
                    {
                        "schema": schema,
                        "table": table,
                        "queue": row["queue"],
                        "event_class": classes_of(_loads(row["tags"])),
                        "events": int(row["n"]),
                        "first_at": time_text(row["first"]),
                        "last_at": time_text(row["last"]),
                    }
                )
    return result


def _failed_tables(connection: Connection, schemas: Sequence[str]) -> List[Tuple[str, str]]:
    rows = connection.rows(
        "SELECT TABLE_SCHEMA AS s, TABLE_NAME AS t FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN ({}) "
        "AND COLUMN_NAME IN ({}) GROUP BY TABLE_SCHEMA, TABLE_NAME HAVING COUNT(*) = {} ORDER BY 1, 2".format(
            ", ".join(["%s"] * len(schemas)), ", ".join(["%s"] * len(_FAILED_COLUMNS)), len(_FAILED_COLUMNS)
        ),
        [*schemas, *_FAILED_COLUMNS],
    )
    return [(row["s"], row["t"]) for row in rows]


def projections(
    connection: Connection, tables: Sequence[Table], rules: Sequence[Dict[str, Any]]
) -> List[Dict[str, Any]]:
    """How far each projection is behind, in each schema that has its event table.

    :raises BadInput: when no schema has it.
    :raises SqlError: when a query fails; the session is read-only, so one that writes does.
    """
    result = []
    for rule in rules:
        having = [table for table in tables if table.name == rule["event_table"]]
        if not having:
            raise BadInput(
                "The projection %s is of %s, which is none of the event tables found: %s."
                % (rule["name"], rule["event_table"], ", ".join(table.label for table in tables) or "none")
            )
        for table in having:
            connection.rows("USE %s" % name_sql(table.schema), [])
            mark = plain(connection.value(rule["query"]))
            result.append(
                {
                    "name": rule["name"],
                    "schema": table.schema,
                    "watermark": mark,
                    **_behind(connection, table, rule, mark),
                }
            )
    return result


def _behind(connection: Connection, table: Table, rule: Dict[str, Any], mark: Any) -> Dict[str, Any]:
    where = ["TRUE"]
    args: List[Any] = []
    if mark is not None:
        where.append("e.%s > %%s" % table.id)
        args.append(mark)
    if rule["event_classes"]:
        where.append("e.event_class IN (%s)" % ", ".join(["%s"] * len(rule["event_classes"])))
        args += rule["event_classes"]
    row = connection.rows(
        "SELECT COUNT(*) AS n, TIMESTAMPDIFF(SECOND, MIN(e.created_at), NOW()) AS s FROM %s e WHERE %s"
        % (table.sql, " AND ".join(where)),
        args,
    )[0]
    past = mark is not None and not connection.value(
        f"SELECT COALESCE(MAX({table.id}) >= %s, 0) FROM {table.sql}", [mark]
    )
    return {"events": int(row["n"]), "seconds": max(int(row["s"] or 0), 0), "past_the_end": bool(past)}


def _loads(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return None


def _object(payload: Any) -> Dict[str, Any]:
    found = _loads(payload)
    return found if isinstance(found, dict) else {}


def _number(value: Any, otherwise: Optional[float]) -> Optional[float]:
    try:
        return float(value)
    except (TypeError, ValueError):
        return otherwise
