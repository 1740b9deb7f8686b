# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restored data, held to the manifest, to your own assertions, and to what the application's commands say."""

from __future__ import annotations

import contextlib
import decimal
import os
import re
import subprocess
from typing import Any, Dict, List, Optional

from ..core.errors import RunbookError
from ..core.times import iso
from ..mysql import connection as mysql
from ..mysql.dialect import quote_identifier
from ..mysql.login import Login
from . import contents
from .manifest import Manifest

_OUTPUT_BYTES = 2000
#: What keeps a command of the application from touching the world around the restored data.
_HARMLESS = {
    "QUEUE_CONNECTION": "sync",
    "CACHE_DRIVER": "array",
    "CACHE_STORE": "array",
    "SESSION_DRIVER": "array",
    "MAIL_MAILER": "array",
    "BROADCAST_DRIVER": "null",
    "BROADCAST_CONNECTION": "null",
}


def read_contents(login: Login, database: str, like: Manifest, streams: int) -> contents.Contents:
    """The same as ``contents.read``, over several connections at once.

    :raises SqlError: when a connection is lost.
    """
    with contextlib.ExitStack() as stack:
        readers = [stack.enter_context(mysql.login(login)) for unused in range(streams)]
        return contents.read(readers[0], mysql.server(readers[0]), database, like.tables, readers[1:])


def last_event(login: Login, database: str, manifest: Manifest) -> Optional[str]:
    """When the newest event was stored, ISO 8601, read as UTC; None without an event store that says so."""
    newest: List[float] = []
    with mysql.login(login) as connection:
        connection.rows("SET SESSION time_zone = '+00:00'")
        for table in manifest.event_stores:
            name = "%s.%s" % (quote_identifier(database), quote_identifier(table))
            try:
                value = connection.value("SELECT UNIX_TIMESTAMP(MAX(created_at)) FROM %s" % name)
            except mysql.SqlError:
                continue  # a store without that column
            newest += [float(value)] if value else []
    return iso(max(newest)) if newest else None


def check_assertions(login: Login, database: str, assertions: List[Dict[str, Any]]) -> List[str]:
    """Run each query in a transaction that can't write; what is not as expected.

    The first column of the first row counts; ``expected`` is compared as a number where both are numbers, else as text.
    """
    problems = []
    with mysql.login(login) as connection:
        connection.rows("USE %s" % quote_identifier(database))
        for one in assertions:
            try:
                connection.rows("START TRANSACTION READ ONLY")
                value = connection.value(one["query"])
                connection.rows("ROLLBACK")
            except RunbookError as error:
                problems.append("%s: %s" % (one["name"], error.message))
                continue
            if not _equal(value, one["expected"]):
                problems.append("%s is %s, expected is %s" % (one["name"], value, one["expected"]))
    return problems


def _equal(value: Any, expected: str) -> bool:
    if value is None:
        return expected.upper() == "NULL"
    try:
        return bool(decimal.Decimal(str(value)) == decimal.Decimal(expected))
    except decimal.InvalidOperation:
        return str(value) == expected


def check_ledger(login: Login, database: str, ledgers: List[Dict[str, Any]]) -> List[str]:
    """Debits must equal credits, in each group of each ledger."""
    problems = []
    with mysql.login(login) as connection:
        for one in ledgers:
            table = "%s.%s" % (quote_identifier(database), quote_identifier(one["table"]))
            group = ", ".join(quote_identifier(column) for column in one["group_columns"])
            debit, credit = (quote_identifier(one[side]) for side in ("debit_column", "credit_column"))
            sql = "SELECT %s COALESCE(SUM(%s), 0) AS debits, COALESCE(SUM(%s), 0) AS credits FROM %s %s" % (
                "CONCAT_WS(' ', %s) AS grp," % group if group else "",
                debit,
                credit,
                table,
                "GROUP BY %s" % group if group else "",
            )
            try:
                rows = connection.rows("SELECT * FROM (%s) sums WHERE debits <> credits LIMIT 20" % sql)
            except RunbookError as error:
                problems.append("the ledger %s: %s" % (one["table"], error.message))
                continue
            problems += [
                "the ledger %s%s has debits of %s and credits of %s"
                % (one["table"], " of %s" % row["grp"] if group else "", row["debits"], row["credits"])
                for row in rows
            ]
    return problems


def run_commands(login: Login, database: str, commands: List[Dict[str, Any]], work_dir: str) -> List[str]:
    """Run the application's own checks on the restored data; what they did not like.

    The database is given in the environment, and a cached configuration is kept out, because it would lead to production. A command
    that never asked this server proves nothing, whatever it says.
    """
    problems = []
    for one in commands:
        environment = dict(os.environ, **_HARMLESS)
        environment.update({key: str(value) for key, value in (one.get("environment") or {}).items()})
        environment.update(_database_environment(login, database))
        environment["APP_CONFIG_CACHE"] = os.path.join(work_dir, "no-cached-configuration.php")
        label = " ".join(one["argv"][:4])
        with mysql.login(login) as connection:
            before = _connections(connection)
            try:
                # The application's own program; its environment is ours to choose, which run_command would add to.
                done = subprocess.run(  # pylint: disable=ansible-bad-function
                    one["argv"],
                    cwd=one.get("chdir"),
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    timeout=one["timeout_seconds"],
                    check=False,
                )
            except subprocess.TimeoutExpired:
                problems.append("%s took longer than %d s" % (label, one["timeout_seconds"]))
                continue
            except OSError as error:
                problems.append("%s can't be run: %s" % (label, error.strerror))
                continue
            asked = _connections(connection) > before
        said = " ".join(done.stdout.decode("utf-8", "replace")[-_OUTPUT_BYTES:].split())
        if done.returncode:
            problems.append("%s ended with %d: %s" % (label, done.returncode, said[-300:]))
        elif one.get("expect") and not re.search(one["expect"], done.stdout.decode("utf-8", "replace")):
            problems.append("%s did not say '%s', but: %s" % (label, one["expect"], said[-300:]))
        elif not asked:
            problems.append("%s ended well but never asked the restored database" % label)
    return problems


def _database_environment(login: Login, database: str) -> Dict[str, str]:
    found = {"DB_DATABASE": database, "DB_USERNAME": login.user, "DB_PASSWORD": login.password, "DB_HOST": login.host}
    found.update(DB_SOCKET=login.unix_socket or "", DB_URL="", DATABASE_URL="")
    if login.port:
        found["DB_PORT"] = str(login.port)
    return found


def _connections(connection: mysql.Connection) -> int:
    return int(connection.rows("SHOW GLOBAL STATUS LIKE 'Connections'")[0]["Value"])
