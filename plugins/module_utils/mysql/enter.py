# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Getting in, also when the server is full."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Tuple

from ..core.errors import Unavailable
from .connection import Connection, SqlError, login
from .login import Login, resolve
from .processlist import Threads

NORMAL = "normal"
RESERVED = "reserved_slot"
EXTRA_PORT = "extra_port"
ADMIN_ADDRESS = "admin_address"
#: The server is full; this user has as many connections as it may have.
_FULL = (1040, 1203)


def ways(params: Dict[str, Any]) -> List[Tuple[str, Login]]:
    """The logins to try, in order. The normal one comes first: when all ordinary slots are taken, the server gives a user
    with CONNECTION ADMIN (or SUPER) the one it keeps in reserve.
    """
    normal = resolve(params)
    found = [(NORMAL, normal)]
    if params["extra_port"]:
        found.append((EXTRA_PORT, dataclasses.replace(normal, unix_socket=None, port=params["extra_port"])))
    if params["admin_address"]:
        address = dataclasses.replace(normal, unix_socket=None, host=params["admin_address"], port=params["admin_port"])
        found.append((ADMIN_ADDRESS, address))
    return found


def enter(
    params: Dict[str, Any], open_way: Callable[[Login, bool], Connection] = login
) -> Tuple[Connection, str, List[Dict[str, str]]]:
    """A connection that can do ``each``, the name of the way it came by, and the ways that failed before it with the reason.

    :raises SqlError: when the normal login fails for another reason than a full server.
    :raises Unavailable: when no way is left; it says what to configure.
    """
    failed: List[Dict[str, str]] = []
    for name, to in ways(params):
        try:
            return open_way(to, True), name, failed
        except SqlError as error:
            if name == NORMAL and error.code not in _FULL:
                raise
            failed.append({"way": name, "error": error.message})
    raise Unavailable(
        "The server is full and no way in is left. %s" % " ".join("%(way)s: %(error)s" % one for one in failed),
        "Give the user CONNECTION ADMIN (MariaDB), CONNECTION_ADMIN (MySQL) or SUPER, so that the slot in reserve is for it and "
        "not taken by an application with that right; or set extra_port and extra_max_connections (MariaDB), admin_address "
        "(MySQL) on the server and name them here. Now, end clients from their side.",
        connected_by=None,
        ways_failed=failed,
    )


def way_taken(name: str, threads: Threads) -> str:
    """``reserved_slot`` is a normal login that was let in although all ordinary slots were taken."""
    return RESERVED if name == NORMAL and threads.connected > threads.maximum else name
