# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scratch schema: empty copies of the projection tables, views of all others, a user that can only read live data."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import secrets
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ..core.errors import Refused, TimedOut
from ..core.waiting import wait_until
from ..mysql.connection import Connection, SqlError, login
from ..mysql.dialect import quote_identifier
from ..mysql.login import Login
from .replay_app import Aside

RUN = "runbook_replay_run"
PART = "runbook_replay_part"
#: What the servers say to a user who may not: no right on the database, on the table.
_DENIED = (1044, 1142)
#: A new part has seen nothing.
_EMPTY_STATE = '{"classes": {}, "skipped": 0, "skipped_ids": []}'
#: MySQL 5.7 and later take no longer lock names.
_LOCK_NAME = 60


@dataclasses.dataclass(frozen=True)
class Names:
    """The three schemas: ``live``, ``scratch`` beside it, and ``old`` where the tables go that were replaced."""

    live: str
    scratch: str
    old: str

    def lock(self, what: str) -> str:
        """A server-wide lock's name, one for each scratch schema and purpose."""
        name = "runbook_replay_%s_%s" % (what, self.scratch)
        return name if len(name) <= _LOCK_NAME else name[:28] + hashlib.sha256(name.encode()).hexdigest()[:32]

    def live_table(self, table: str) -> str:
        return q(self.live, table)

    def scratch_table(self, table: str) -> str:
        return q(self.scratch, table)

    def old_table(self, table: str) -> str:
        return q(self.old, table)


def q(*names: str) -> str:
    return ".".join(quote_identifier(name) for name in names)


def run_sql(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.rows(statement)


#: Seconds. The server notices that a task was killed when that task's statement ends: a run right after it must not be turned away.
LOCK_WAIT_SECONDS = 15


@contextlib.contextmanager
def one_at_a_time(connection: Connection, names: Names) -> Iterator[None]:
    """Hold the lock of this scratch schema on ``connection``; the server frees it when the connection ends, however it ends.

    :raises Refused: when another task still holds it after LOCK_WAIT_SECONDS.
    """
    if int(connection.value("SELECT GET_LOCK(%s, %s)", [names.lock("task"), LOCK_WAIT_SECONDS]) or 0) != 1:
        raise Refused(
            "Another task is replaying into %s now; one replay of a store at a time." % names.scratch,
            "Wait until it has ended. Nothing was changed.",
        )
    yield


def end_orphans(connection: Connection, names: Names, user: str) -> int:
    """End what a killed task left at work in the scratch schema: its php ends with its connection, its open chunk is rolled back.

    Call it under the lock, when no other can be ours.

    :raises TimedOut: when one does not end within 30 seconds.
    """
    sql = "SELECT ID AS id FROM information_schema.PROCESSLIST WHERE USER = %s AND DB = %s"
    orphans = [int(row["id"]) for row in connection.rows(sql, [user, names.scratch])]
    for one in orphans:
        with contextlib.suppress(SqlError):  # gone already
            connection.rows("KILL CONNECTION %d" % one)
    left = wait_until(lambda: connection.rows(sql, [user, names.scratch]), lambda rows: not rows, 30, 0.1)
    if not left.reached:
        raise TimedOut(
            "A replay that was killed still rolls back in %s." % names.scratch, "Run again later; nothing was changed."
        )
    return len(orphans)


def exists(connection: Connection, schema: str) -> bool:
    return bool(connection.rows("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", [schema]))


def tables_of(connection: Connection, schema: str) -> Dict[str, Dict[str, Any]]:
    """Name to ``kind`` (BASE TABLE, VIEW, ...) and ``engine``."""
    rows = connection.rows(
        "SELECT TABLE_NAME AS t, TABLE_TYPE AS kind, ENGINE AS engine FROM information_schema.TABLES "
        "WHERE TABLE_SCHEMA = %s ORDER BY 1",
        [schema],
    )
    return {row["t"]: {"kind": row["kind"], "engine": row["engine"]} for row in rows}


def refuse_tables(connection: Connection, names: Names, tables: Sequence[str], activate: bool) -> None:
    """:raises Refused: when one of the projection tables can't be rebuilt aside, or (``activate``) can't be swapped."""
    there = tables_of(connection, names.live)
    for table in tables:
        found = there.get(table)
        if found is None or found["kind"] not in ("BASE TABLE", "SYSTEM VERSIONED"):
            raise Refused(
                "There is no table %s in %s, or this user may not see it." % (table, names.live),
                "Check projection_tables and login_db. Nothing was changed.",
            )
        if str(found["engine"]).lower() != "innodb":
            raise Refused(
                "%s has the engine %s, which has no transactions: a killed replay could not be gone on with."
                % (table, found["engine"]),
                "ALTER it to InnoDB. Nothing was changed.",
            )
    if not activate:
        return
    triggers = connection.rows(
        "SELECT TRIGGER_NAME AS n, EVENT_OBJECT_TABLE AS t FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s",
        [names.live],
    )
    for trigger in triggers:
        if trigger["t"] in tables:
            raise Refused(
                "%s has the trigger %s; the server refuses to rename such a table into another schema (error 1435)."
                % (trigger["t"], trigger["n"]),
                "Drop the trigger and create it again afterwards. Nothing was changed.",
            )
    for key in _foreign_keys(connection, "REFERENCED_TABLE_SCHEMA", names.live):
        if key["parent"] in tables:
            raise Refused(
                "%s.%s refers to %s by the foreign key %s; after the swap it would refer to the old table."
                % (key["schema"], key["child"], key["parent"], key["name"]),
                "Drop the foreign key and create it again afterwards. Nothing was changed.",
            )


def _foreign_keys(connection: Connection, side: str, schema: str) -> List[Dict[str, Any]]:
    return connection.rows(
        "SELECT CONSTRAINT_NAME AS name, TABLE_SCHEMA AS `schema`, TABLE_NAME AS child, COLUMN_NAME AS `column`, "
        "REFERENCED_TABLE_SCHEMA AS parent_schema, REFERENCED_TABLE_NAME AS parent, REFERENCED_COLUMN_NAME AS parent_column "
        f"FROM information_schema.KEY_COLUMN_USAGE WHERE {side} = %s AND REFERENCED_TABLE_NAME IS NOT NULL "
        "ORDER BY CONSTRAINT_NAME, ORDINAL_POSITION",
        [schema],
    )


def foreign_key_statements(connection: Connection, names: Names, tables: Sequence[str]) -> List[str]:
    """What gives the scratch tables the foreign keys of the live ones, which LIKE leaves out."""
    rules = {
        (row["t"], row["n"]): row
        for row in connection.rows(
            "SELECT TABLE_NAME AS t, CONSTRAINT_NAME AS n, UPDATE_RULE AS u, DELETE_RULE AS d "
            "FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = %s",
            [names.live],
        )
    }
    grouped: Dict[Any, List[Dict[str, Any]]] = {}
    for row in _foreign_keys(connection, "TABLE_SCHEMA", names.live):
        if row["child"] in tables:
            grouped.setdefault((row["child"], row["name"]), []).append(row)
    return [
        "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}) ON UPDATE {} ON DELETE {}".format(
            names.scratch_table(child),
            q(name),
            ", ".join(q(row["column"]) for row in rows),
            q(rows[0]["parent_schema"], rows[0]["parent"]),
            ", ".join(q(row["parent_column"]) for row in rows),
            rules[child, name]["u"],
            rules[child, name]["d"],
        )
        for (child, name), rows in grouped.items()
    ]


def structure(connection: Connection, names: Names, tables: Sequence[str]) -> str:
    """A hash of how the live schema looks; views keep the columns they were made with, so another one needs another scratch."""
    rows = connection.rows(
        "SELECT TABLE_NAME AS t, COLUMN_NAME AS c, COLUMN_TYPE AS k, IS_NULLABLE AS n FROM information_schema.COLUMNS "
        "WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, ORDINAL_POSITION",
        [names.live],
    )
    return hashlib.sha256(json.dumps([list(row.values()) for row in rows] + list(tables)).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class State:
    """What an earlier run left in the scratch schema; ``plan`` is what it was for."""

    plan: Dict[str, Any]
    reset_done: bool
    parts: Dict[int, Dict[str, Any]]

    @property
    def broken(self) -> bool:
        """A chunk was committed in part: it can't be gone on with."""
        return any(part["in_chunk"] is not None for part in self.parts.values())


def read_state(connection: Connection, names: Names) -> Optional[State]:
    """What is in the scratch schema, None when it is not there or was killed while being made.

    :raises Refused: when a schema of that name is somebody else's.
    """
    if not exists(connection, names.scratch):
        return None
    there = tables_of(connection, names.scratch)
    if RUN not in there:
        if there:
            raise Refused(
                "There is a database %s which no replay made; it is left alone." % names.scratch,
                "Name another one in scratch_schema. Nothing was changed.",
            )
        return None
    rows = connection.rows("SELECT plan, reset_done, ready FROM %s" % names.scratch_table(RUN))
    if not rows or not rows[0]["ready"]:
        return None
    parts = connection.rows("SELECT part, last_id, state, in_chunk FROM %s" % names.scratch_table(PART))
    return State(
        json.loads(rows[0]["plan"]),
        bool(rows[0]["reset_done"]),
        {
            int(row["part"]): {
                "last_id": int(row["last_id"]),
                "in_chunk": row["in_chunk"],
                **json.loads(row["state"]),
            }
            for row in parts
        },
    )


def create_empty(connection: Connection, names: Names) -> None:
    """The scratch schema with nothing in it; :raises Refused: when there is one that no replay made."""
    read_state(connection, names)
    drop(connection, names.scratch)
    run_sql(connection, "CREATE DATABASE %s" % q(names.scratch))


def create(connection: Connection, names: Names, tables: Sequence[str], plan: Dict[str, Any]) -> None:
    """Make the scratch schema anew; ``ready`` is set last, so one that was killed half-way is made again."""
    create_empty(connection, names)
    run_sql(
        connection,
        "CREATE TABLE %s (nonce VARCHAR(64) NOT NULL, plan LONGTEXT NOT NULL, reset_done TINYINT NOT NULL DEFAULT 0, "
        "ready TINYINT NOT NULL DEFAULT 0) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4" % names.scratch_table(RUN),
        "CREATE TABLE %s (part INT PRIMARY KEY, last_id BIGINT UNSIGNED NOT NULL, state LONGTEXT NOT NULL, "
        "in_chunk BIGINT UNSIGNED NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4" % names.scratch_table(PART),
    )
    connection.rows("INSERT INTO %s (nonce, plan) VALUES ('', %%s)" % names.scratch_table(RUN), [json.dumps(plan)])
    for part in range(plan["workers"]):
        connection.rows("INSERT INTO %s VALUES (%%s, 0, %%s, NULL)" % names.scratch_table(PART), [part, _EMPTY_STATE])
    for name, found in tables_of(connection, names.live).items():
        if name in tables:
            run_sql(connection, "CREATE TABLE %s LIKE %s" % (names.scratch_table(name), names.live_table(name)))
            if plan["copy"]:
                run_sql(
                    connection, "INSERT INTO %s SELECT * FROM %s" % (names.scratch_table(name), names.live_table(name))
                )
        elif found["kind"] in ("BASE TABLE", "SYSTEM VERSIONED", "VIEW"):
            run_sql(
                connection,
                f"CREATE SQL SECURITY INVOKER VIEW {names.scratch_table(name)} AS SELECT * FROM {names.live_table(name)}",
            )
    run_sql(connection, "UPDATE %s SET ready = 1" % names.scratch_table(RUN))


def copy_statement(connection: Connection, schema: str, table: str, to: str) -> str:
    """INSERT .. SELECT of all columns but the generated ones, which a server refuses to be told."""
    rows = connection.rows(
        "SELECT COLUMN_NAME AS c FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
        "AND EXTRA NOT LIKE '%%GENERATED%%' ORDER BY ORDINAL_POSITION",
        [schema, table],
    )
    columns = ", ".join(q(row["c"]) for row in rows)
    return f"INSERT INTO {q(to, table)} ({columns}) SELECT {columns} FROM {q(schema, table)}"


def drop(connection: Connection, schema: str) -> None:
    run_sql(connection, "DROP DATABASE IF EXISTS %s" % q(schema))


def _pattern(schema: str) -> str:
    """A schema's name in GRANT, where ``_`` and ``%`` would stand for any character."""
    return quote_identifier(schema.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%"))


def user_name(params: Dict[str, Any], names: Names) -> str:
    """The restricted user: the one given, else one of a name of its own for each scratch schema."""
    return params["replay_user"] or "runbook_" + hashlib.sha256(names.scratch.encode()).hexdigest()[:12]


@contextlib.contextmanager
def guest(
    connection: Connection, names: Names, tables: Sequence[str], admin: Login, params: Dict[str, Any]
) -> Iterator[Aside]:
    """The restricted user for the time of the body: made with a password of the moment and dropped afterwards, or one that is given.

    A task that was killed leaves the user behind, without anybody who knows its password; the next run replaces it.

    :raises Refused: when the user could write to a live table.
    """
    user, password, own = user_name(params, names), params["replay_password"], params["replay_user"] is None
    account = "'%s'@'%%'" % user.replace("'", "''")
    if own:
        password = secrets.token_urlsafe(24) + "aA1-"  # some of every kind, for servers that insist
        run_sql(connection, "DROP USER IF EXISTS " + account)
        connection.rows("CREATE USER %s IDENTIFIED BY %%s" % account.replace("%", "%%"), [password])
    try:
        if own:
            run_sql(
                connection,
                "GRANT SELECT ON %s.* TO %s" % (_pattern(names.live), account),
                "GRANT ALL ON %s.* TO %s" % (_pattern(names.scratch), account),
            )
        _prove_it_cannot_write(dataclasses.replace(admin, user=user, password=password, database=None), names, tables)
        nonce = secrets.token_hex(16)
        connection.rows("UPDATE %s SET nonce = %%s" % names.scratch_table(RUN), [nonce])
        yield Aside(names.scratch, user, nonce, password, tuple(params["allow_connections"]))
    finally:
        if own:
            with contextlib.suppress(SqlError):  # the server is gone; it has nothing to keep us out of
                run_sql(connection, "DROP USER IF EXISTS " + account)


def _prove_it_cannot_write(to: Login, names: Names, tables: Sequence[str]) -> None:
    with login(to) as connection:
        for table in tables:
            try:
                connection.rows("DELETE FROM %s WHERE FALSE" % names.live_table(table))
            except SqlError as error:
                if error.code in _DENIED:
                    continue
                raise
            raise Refused(
                "The user %s may delete from %s.%s, so a projector could write to live tables."
                % (to.user, names.live, table),
                "Give it SELECT on the live database and nothing else there, or leave replay_user out.",
            )
