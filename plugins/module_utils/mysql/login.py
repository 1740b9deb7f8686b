# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to log in: the options of a task and its option file, put together once for the library and the client programs."""

from __future__ import annotations

import dataclasses
import getpass
from typing import Any, Dict, Optional

from ..core.errors import BadInput
from ..core.options import mysql as mysql_options
from .option_file import parse_client

_DEFAULTS = {name: option["default"] for name, option in mysql_options().items() if "default" in option}


@dataclasses.dataclass(frozen=True)
class Login:
    """Where and as whom. Files are paths; ``unix_socket`` wins over host and port."""

    host: str
    port: int
    user: str
    password: str = dataclasses.field(repr=False, default="")
    unix_socket: Optional[str] = None
    database: Optional[str] = None
    ca_cert: Optional[str] = None
    client_cert: Optional[str] = None
    client_key: Optional[str] = None
    check_hostname: bool = True
    connect_timeout: int = 10

    @property
    def place(self) -> str:
        """Where the connection goes and as whom, for messages."""
        return "%s as '%s'" % (self.unix_socket or "%s:%d" % (self.host, self.port), self.user)

    @property
    def is_local(self) -> bool:
        """Whether the connection stays on this machine, where encryption protects nothing."""
        return bool(self.unix_socket) or self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def wants_tls(self) -> bool:
        return bool(self.ca_cert or self.client_cert)


def resolve(params: Dict[str, Any]) -> Login:
    """A Login from the options of ``core.options.mysql()``.

    What an option leaves out comes from the ``[client]`` section of ``config_file``; an option that has its default counts
    as left out. A host given as an option wins over a socket in the file.

    :raises BadInput: when the file can't be read or holds a port that is no number.
    """
    stored = _read(params["config_file"]) if params.get("config_file") else {}

    def pick(option: str, key: str) -> Any:
        value = params.get(option)
        return stored.get(key, value) if value is None or value == _DEFAULTS.get(option) else value

    host_is_given = params["login_host"] != _DEFAULTS["login_host"]
    try:
        port = int(pick("login_port", "port"))
    except ValueError as error:
        raise BadInput("The port in %s is no number." % params["config_file"]) from error
    return Login(
        host=pick("login_host", "host"),
        port=port,
        user=pick("login_user", "user") or getpass.getuser(),
        password=pick("login_password", "password") or "",
        unix_socket=params.get("login_unix_socket") or (None if host_is_given else stored.get("socket")),
        database=params.get("login_db") or stored.get("database"),
        ca_cert=pick("ca_cert", "ssl-ca"),
        client_cert=pick("client_cert", "ssl-cert"),
        client_key=pick("client_key", "ssl-key"),
        check_hostname=params["check_hostname"],
        connect_timeout=params["connect_timeout"],
    )


def _read(path: str) -> Dict[str, str]:
    try:
        with open(path, encoding="utf-8") as handle:
            return parse_client(handle.read())
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            "The option file %s can't be read: %s." % (path, getattr(error, "strerror", None) or "it is not UTF-8"),
            "Check config_file and its permissions where this task runs.",
        ) from error


def client_options(to: Login, mariadb_program: bool) -> Dict[str, str]:
    """The ``[client]`` section that makes a client program log in the same way. The dialect is the program's, not the server's."""
    options = {"user": to.user, "password": to.password}
    if to.unix_socket:
        options.update(protocol="SOCKET", socket=to.unix_socket)
    else:
        options.update(protocol="TCP", host=to.host, port=str(to.port))  # without TCP "localhost" would mean a socket
    for name, value in (("ssl-ca", to.ca_cert), ("ssl-cert", to.client_cert), ("ssl-key", to.client_key)):
        if value:
            options[name] = value
    if to.wants_tls and mariadb_program:
        options["ssl"] = "1"
        if to.ca_cert and to.check_hostname:
            options["ssl-verify-server-cert"] = "1"
    elif to.wants_tls:
        verified = "VERIFY_IDENTITY" if to.check_hostname else "VERIFY_CA"
        options["ssl-mode"] = verified if to.ca_cert else "REQUIRED"
    return options
