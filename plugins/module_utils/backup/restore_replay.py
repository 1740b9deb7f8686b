# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing restored data forward through archived binary logs, up to a time, a place or a transaction.

A server whose files we hold (the scratch server) gets the logs as its relay logs, and its own replica applier replays them: an order of
magnitude faster than text through a client. Any other server gets them through the client programs.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..core.errors import Failed, Refused, Unavailable
from ..core.times import iso
from ..mysql import connection as mysql
from ..mysql import option_file
from ..mysql.login import Login, client_options
from ..storage.base import Storage
from . import binlog_file
from .binlog_plan import LATEST, Replay
from .catalogue import Binlog
from .manifest import Part
from .restore_source import Key, filters, opened

_PAUSE_SECONDS = 0.1
REPLICA, CLIENT = "replica", "client"


@dataclasses.dataclass(frozen=True)
class Cut:
    """The files to replay, from ``start`` in the first to ``stop`` in the last; ``stop`` None is to its end."""

    paths: List[str]
    names: List[str]
    start: int
    stop: Optional[int]


@dataclasses.dataclass(frozen=True)
class Onto:
    """The server to bring forward: events of ``database`` go to ``into``. ``relay_dir`` is its directory of relay logs, if it is ours."""

    login: Login
    database: str
    into: str
    is_mariadb: bool
    relay_dir: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Replayed:
    """``to`` is the place in the server's logs, ``last_event`` the time of the last transaction replayed, None without one."""

    method: str
    to: str
    transactions: int
    last_event: Optional[str]
    seconds: float


def bring_forward(
    storage: Storage, replay: Replay, key: Key, work_dir: str, onto: Onto, alive: Callable[[], str] = lambda: ""
) -> Replayed:
    """Fetch the logs, find the place to stop, replay.

    :raises Failed: when a log is damaged or the server refuses. :raises Refused: when the place to stop is in none of them.
    """
    paths = fetch(storage, replay.logs, lambda one: filters(one.compression, one.encryption, key), work_dir)
    what = cut(paths, replay)
    if onto.relay_dir is not None and onto.is_mariadb:
        return by_replica(onto.login, onto.relay_dir, what, onto.into, alive)
    return by_client(onto.login, what, onto.database, onto.into, onto.is_mariadb)


def fetch(
    storage: Storage, logs: List[Binlog], unpack: Callable[[Binlog], List[List[str]]], directory: str
) -> List[str]:
    """Bring logs into a private directory, each held to its record and every event to its checksum.

    :raises Failed: naming the first log that is damaged.
    """
    paths = []
    for one in logs:
        path = os.path.join(directory, one.name)
        with opened(storage, Part(one.file, "binlog", one.sha256, one.size_bytes, 0), unpack(one)) as source:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as handle:
                shutil.copyfileobj(source.out, handle, 1 << 20)
            problems = source.finish() or ([source.unread] if source.unread else [])
        if not problems and os.path.getsize(path) != one.end_position:
            problems = ["%s has %d bytes, its record says %d" % (one.name, os.path.getsize(path), one.end_position)]
        if problems:
            raise Failed(
                "The archived binary log %s can't be used: %s." % (one.name, "; ".join(problems)),
                "Nothing after it can be replayed. Choose a time before it, or a later backup.",
            )
        paths.append(path)
    return paths


def cut(paths: List[str], replay: Replay) -> Cut:
    """Where exactly to stop.

    :raises Refused: when the transaction to stop at is in none of the logs.
    """
    names = [one.name for one in replay.logs]
    kind, value = replay.stop["kind"], replay.stop["value"]
    if kind == "place":
        return Cut(paths, names, replay.start, value[1])
    if kind == LATEST:
        return Cut(paths, names, replay.start, None)
    for number, path in enumerate(paths):
        start = replay.start if number == 0 else 4
        with open(path, "rb") as handle:
            if kind == "time":
                stop = binlog_file.cut_at_time(handle, names[number], value, start)
            else:
                stop = binlog_file.cut_after_gtid(handle, names[number], value)
        if stop is not None:
            if number == 0 and stop < replay.start:
                raise Refused("The transaction %s is in the backup already." % value)
            return Cut(paths[: number + 1], names[: number + 1], replay.start, stop)
    if kind == "gtid":
        raise Refused("The transaction %s is in no archived binary log after the backup." % value)
    return Cut(paths, names, replay.start, None)


def count(what: Cut) -> Tuple[int, Optional[str], int]:
    """Transactions in a cut, the time of the last one, and where it ends in the last file."""
    transactions, last, end = 0, None, 4
    for number, path in enumerate(what.paths):
        final = number == len(what.paths) - 1
        with open(path, "rb") as handle:
            for event in binlog_file.events(handle, what.names[number]):
                if number == 0 and event.position < what.start:
                    continue
                if final and what.stop is not None and event.position >= what.stop:
                    break
                if event.starts_transaction:
                    transactions, last = transactions + 1, event.time
                if final and not event.is_bookkeeping:
                    end = event.end
    return transactions, iso(last) if last else None, what.stop if what.stop is not None else end


def changes(what: Cut, database: str) -> bool:
    """Whether a cut holds changed rows of a database."""
    for number, path in enumerate(what.paths):
        with open(path, "rb") as handle:
            for event in binlog_file.events(handle, what.names[number]):
                if number == len(what.paths) - 1 and what.stop is not None and event.position >= what.stop:
                    break
                if (number or event.position >= what.start) and event.changes == database:
                    return True
    return False


def _row_statements(login: Login) -> int:
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        return int(connection.rows("SHOW GLOBAL STATUS LIKE 'Com_binlog'")[0]["Value"])


def by_replica(login: Login, relay_dir: str, what: Cut, database: str, alive: Callable[[], str]) -> Replayed:
    """Let a MariaDB server whose relay directory is ours apply the logs itself. Only ``database`` is touched.

    :raises Failed: with the applier's own error.
    """
    began = time.monotonic()
    transactions, last, end = count(what)
    names = ["relay.%06d" % number for number in range(1, len(what.paths) + 2)]
    for name, path in zip(names, what.paths):
        os.rename(path, os.path.join(relay_dir, name))
    with open(os.path.join(relay_dir, "relay.index"), "w", encoding="utf-8") as index:
        index.write("".join("%s\n" % os.path.join(relay_dir, name) for name in names[:-1]))
    stop = (names[-2], end)
    with mysql.login(dataclasses.replace(login, database=None)) as connection:
        connection.rows("SET GLOBAL replicate_do_db = %s", [database])
        connection.rows(
            "CHANGE MASTER TO MASTER_HOST = 'nowhere.invalid', MASTER_USER = 'nobody', MASTER_USE_GTID = no,"
            " RELAY_LOG_FILE = %s, RELAY_LOG_POS = %s",
            [names[0], what.start],
        )
        connection.rows("START SLAVE SQL_THREAD UNTIL RELAY_LOG_FILE = %s, RELAY_LOG_POS = %s", list(stop))
        while True:
            status = connection.rows("SHOW SLAVE STATUS")[0]
            idle = str(status["Slave_SQL_Running_State"]).startswith("Slave has read all relay log")
            if status["Slave_SQL_Running"] != "Yes" or idle:
                break
            if alive():
                raise Failed("The binary logs could not be replayed: %s." % alive())
            time.sleep(_PAUSE_SECONDS)
        connection.rows("STOP SLAVE SQL_THREAD")
        error = str(status["Last_SQL_Error"] or "")
        reached = (str(status["Relay_Log_File"]), int(status["Relay_Log_Pos"]))
        connection.rows("RESET SLAVE ALL")
        connection.rows("SET GLOBAL replicate_do_db = ''")
    if error or reached < stop:
        place = what.names[min(names.index(reached[0]), len(what.names) - 1)] if reached[0] in names else reached[0]
        raise Failed(
            "The replay stopped in %s at %d: %s" % (place, reached[1], error or "the applier says no reason"),
            "The data do not fit the binary logs: somebody wrote to them, or they are of another server.",
        )
    return Replayed(REPLICA, "%s:%d" % (what.names[-1], end), transactions, last, time.monotonic() - began)


def by_client(login: Login, what: Cut, database: str, into: str, is_mariadb: bool) -> Replayed:
    """Send the logs through the client programs. Only events of ``database`` are sent, to the database ``into``.

    :raises Failed: with what the programs said. :raises Unavailable: when one is missing.
    """
    began = time.monotonic()
    transactions, last, end = count(what)
    reader, client = (
        _program(names, is_mariadb) for names in (("mariadb-binlog", "mysqlbinlog"), ("mariadb", "mysql"))
    )
    # The dialects differ in whether they filter before they rewrite; seen of MariaDB 10.11, read of MySQL 8.
    argv = [reader, "--no-defaults", "--database=%s" % (database if is_mariadb else into)]
    if into != database:
        argv.append("--rewrite-db=%s->%s" % (database, into))
    argv.append("--start-position=%d" % what.start)
    if what.stop is not None:
        argv.append("--stop-position=%d" % what.stop)
    before = _row_statements(login)
    with option_file.descriptor("client", client_options(dataclasses.replace(login, database=None), is_mariadb)) as fd:
        environment: Dict[str, Any] = dict(os.environ, MYSQL_TEST_LOGIN_FILE=os.devnull, LC_ALL="C")
        # Two programs joined by a pipe are beyond run_command, the one as the other.
        first = subprocess.Popen(  # pylint: disable=ansible-bad-function
            [*argv, *what.paths], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            done = subprocess.run(  # pylint: disable=ansible-bad-function
                [client, "--defaults-file=/dev/fd/%d" % fd, "--binary-mode", "--max-allowed-packet=1G", into],
                stdin=first.stdout,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[fd],
                env=environment,
                check=False,
            )
            if first.stdout:
                first.stdout.close()
            warned = first.stderr.read() if first.stderr else b""
            code = first.wait()
        finally:
            if first.poll() is None:
                first.kill()
            first.wait()
            for pipe in filter(None, (first.stdout, first.stderr)):
                pipe.close()
    if done.returncode or code:
        said = " ".join((done.stderr or warned).decode("utf-8", "replace").split())[-500:]
        raise Failed(
            "The replay of %s to %s failed: %s" % (what.names[0], what.names[-1], said or "the programs said nothing"),
            "The data do not fit the binary logs, or the user lacks BINLOG REPLAY (MariaDB) or REPLICATION_APPLIER (MySQL).",
        )
    if changes(what, database) and _row_statements(login) == before:
        raise Failed(
            "The logs hold changes of '%s', and the programs ended well, but the server has seen none of them."
            % database,
            "Compare the versions of the client programs and the server.",
        )
    return Replayed(CLIENT, "%s:%d" % (what.names[-1], end), transactions, last, time.monotonic() - began)


def _program(names: Tuple[str, str], is_mariadb: bool) -> str:
    ordered = names if is_mariadb else names[::-1]
    path = next(filter(None, map(shutil.which, ordered)), None)
    if path is None:
        raise Unavailable(
            "There is no %s where this task runs." % " or ".join(ordered), "Install the server's client programs."
        )
    return path
