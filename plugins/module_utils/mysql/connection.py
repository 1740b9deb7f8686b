# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection to a server: the only file that imports pymysql. Not safe to use from two threads."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..core.errors import Unavailable
from ..core.imports import load
from .dialect import Server, parse_version
from .login import Login, resolve

#: What to do about an error, by its number in the servers' manuals ("Server Error Message Reference").
_ADVICE = {
    1040: "The server is full. Free a connection, raise max_connections, or reserve a way in for operators: extra_port and "
    "extra_max_connections in MariaDB, admin_address in MySQL.",
    1044: "Grant this user the database, or check its name.",
    1045: "Check login_user and login_password, that the user may come from this host, and whether it requires TLS (ca_cert).",
    1049: "Check the name of the database; nothing was done.",
    1094: "The connection is gone already.",
    1095: "Ending others' connections needs CONNECTION ADMIN in MariaDB, CONNECTION_ADMIN in MySQL, or SUPER before those.",
    1129: "Too many failed attempts came from this host: FLUSH HOSTS on the server lets it in again.",
    1130: "The server knows no user that may come from this host.",
    1142: "Grant this user the right that the message names.",
    1203: "This user has as many connections as it may have; log in as another one.",
    1205: "Another transaction holds the lock; look for long transactions.",
    1226: "This user has used up what it may have; log in as another one.",
    1227: "Grant this user the right that the message names.",
    1698: "This user logs in by its operating system account (unix_socket or auth_socket), which this library can't; use one "
    "with a password.",
    1820: "The password has expired: set a new one.",
    1862: "The password has expired: set a new one.",
    2003: "Check login_host and login_port, that the server runs and is reachable from where this task runs, and with TLS that "
    "its certificate fits ca_cert and login_host.",
    2006: "The connection was closed by the server or the network. Check that the server runs.",
    2013: "The connection was closed by the server or the network. Check that the server runs.",
    2026: "The server offers no TLS although ca_cert or client_cert asks for it.",
    2059: "The user's authentication plugin is not known to this library; use a user with a password of a common kind.",
    3118: "The account is locked.",
    3159: "The server takes encrypted connections only: give ca_cert.",
}


#: The connection is gone; any other error is an answer of a server that lives.
LOST = (2006, 2013)


class SqlError(Unavailable):
    """The server refused a login or a statement, or the connection broke. ``code`` is the error number, 0 when there is none."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message, _ADVICE.get(code, "Check the server's log and the login_* options."))
        self.code = code


class Connection:
    """A logged-in session in autocommit mode with UTF-8 text. Use it as a context manager, or call ``close``."""

    def __init__(self, raw: Any, place: str) -> None:
        self._raw = raw
        self.place = place

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def id(self) -> int:
        """Our own id in the server's process list."""
        return int(self._raw.thread_id())

    def rows(self, sql: str, args: Optional[Sequence[Any]] = None) -> List[Dict[str, Any]]:
        """Run one statement; its rows as dicts. With ``args`` every literal ``%`` in ``sql`` must be doubled.

        :raises SqlError: with the server's error.
        """
        with _errors("'%s' failed at %s" % (_shortened(sql), self.place)), self._raw.cursor() as cursor:
            cursor.execute(sql, args)
            return list(cursor.fetchall())

    def tuples(self, sql: str) -> List[Tuple[Any, ...]]:
        """Like ``rows``, as tuples in the order of the columns: a third cheaper, for thousands.

        :raises SqlError: with the server's error.
        """
        plain = load("pymysql.cursors", "PyMySQL").Cursor
        with _errors("'%s' failed at %s" % (_shortened(sql), self.place)), self._raw.cursor(plain) as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def value(self, sql: str, args: Optional[Sequence[Any]] = None) -> Any:
        """The first column of the first row, None without a row."""
        found = self.rows(sql, args)
        return next(iter(found[0].values())) if found else None

    def each(self, statements: Sequence[str]) -> Iterator[Optional[SqlError]]:
        """Run statements that return no rows, in as few round trips as possible; None or the error of each, in order.

        A server stops at the first error; it is told again about those that follow. Needs ``login(..., several=True)``.

        :raises SqlError: when the connection is lost; then it is not known whether those not yet told about were run.
        """
        place = 0
        while place < len(statements):
            try:
                # Without a cursor, which would make objects of each answer: thousands of KILLs are waited for here.
                with _errors("'%s' failed at %s" % (_shortened(statements[place]), self.place)):
                    self._raw.query(";".join(statements[place:]))
                    place += 1
                    yield None
                    while self._raw._result.has_next:
                        self._raw.next_result()
                        place += 1
                        yield None
            except SqlError as error:
                if error.code in LOST:
                    raise
                place += 1
                yield error

    def send(self, statement: bytes) -> Tuple[int, int]:
        """Run one statement as it is; rows affected and warnings raised. It may hold rows, so no message shows it.

        :raises SqlError: with the server's error.
        """
        with _errors("A statement failed at %s" % self.place), self._raw.cursor() as cursor:
            affected = int(cursor.execute(statement))
            return affected, int(cursor._result.warning_count)

    def time_limit(self, seconds: Optional[float]) -> None:
        """How long to wait for each answer from now on; None is without end. When it is over the connection is broken (2013)."""
        # The library takes this at connect only, but looks it up at every read.
        self._raw._read_timeout = seconds

    def abort(self) -> None:
        """Break the connection, from any thread: whoever waits for an answer on it gets error 2013."""
        with contextlib.suppress(AttributeError, OSError):
            self._raw._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Say goodbye; never fails, because a connection that is gone is as closed as it can be."""
        with contextlib.suppress(Exception):
            self._raw.close()


def connect(params: Dict[str, Any]) -> Connection:
    """Log in as the options of ``core.options.mysql()`` say.

    :raises BadInput: when ``config_file`` can't be read.
    :raises SqlError: when the server can't be reached or refuses the login.
    :raises Unavailable: when a library is missing.
    """
    return login(resolve(params))


def login(to: Login, several: bool = False) -> Connection:
    """Log in; ``several`` lets one text hold several statements, which ``each`` needs and nothing else should have.

    Without certificates TLS is used as far as the library does it by itself, and not on this machine: setting
    it up takes 24 ms of CPU, and a loopback or socket connection has nobody who could listen.
    """
    pymysql = load("pymysql", "PyMySQL")
    cursors = load("pymysql.cursors", "PyMySQL")
    place: Dict[str, Any] = {"unix_socket": to.unix_socket} if to.unix_socket else {"host": to.host, "port": to.port}
    tls: Dict[str, Any] = {}
    if to.wants_tls:
        tls = {"ssl_ca": to.ca_cert, "ssl_cert": to.client_cert, "ssl_key": to.client_key}
        tls["ssl_verify_cert"] = bool(to.ca_cert)
        tls["ssl_verify_identity"] = bool(to.ca_cert) and to.check_hostname
    elif to.is_local:
        tls = {"ssl_disabled": True}
    with _errors("The MySQL or MariaDB server at %s can't be used" % to.place):
        raw = pymysql.connect(
            user=to.user,
            password=to.password.encode(),  # the library would make it Latin-1, the client programs send UTF-8
            database=to.database,
            charset="utf8mb4",
            autocommit=True,
            cursorclass=cursors.DictCursor,
            program_name="finaegis.runbook",
            connect_timeout=to.connect_timeout,
            read_timeout=to.connect_timeout,  # a server that accepts and then says nothing must not hold us for ever
            client_flag=load("pymysql.constants.CLIENT", "PyMySQL").MULTI_STATEMENTS if several else 0,
            **place,
            **tls,
        )
    connection = Connection(raw, to.place)
    connection.time_limit(None)
    return connection


def server(connection: Connection) -> Server:
    """Which server this is, by its own word."""
    return parse_version(str(connection.value("SELECT VERSION()")))


@contextlib.contextmanager
def _errors(what: str) -> Iterator[None]:
    pymysql = load("pymysql", "PyMySQL")
    try:
        yield
    except pymysql.err.Error as error:
        code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[1]) if len(error.args) > 1 else str(error)
        if isinstance(error, pymysql.err.InterfaceError):  # the library's own, without number or text
            code, text = 2006, text or "the connection is closed"
        raise SqlError("%s: %s (error %d)." % (what, text.rstrip("."), code), code) from error
    except RuntimeError as error:
        if "cryptography" not in str(error):
            raise
        raise Unavailable(
            "%s: the user's login (caching_sha2_password or sha256_password) over an unencrypted connection needs the Python "
            "library cryptography, which is missing." % what,
            "Install it where this task runs with 'pip install cryptography', or use login_unix_socket or ca_cert.",
        ) from error
    except OSError as error:  # raised bare while TLS is set up
        raise Unavailable(
            "%s: %s." % (what, error), "Check that ca_cert, client_cert and client_key are there and fit together."
        ) from error


def _shortened(sql: str) -> str:
    flat = " ".join(sql.split())
    return flat if len(flat) <= 100 else flat[:97] + "..."
