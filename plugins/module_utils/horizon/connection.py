# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to Redis: several commands in one round trip, counted."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from ..core import redis_connection
from ..core.errors import Unavailable

Command = Tuple[Union[str, int, float], ...]


class Wire:
    """Sends lists of commands and returns raw RESP2 replies with text for bytes (a hash comes as a flat list).

    ``trips`` counts round trips, ``database`` is the number of the logical database. Not safe to use from two threads.
    """

    def __init__(self, params: Dict[str, Any]) -> None:
        self._params = params
        self._client = redis_connection.connect(params)
        self._client.response_callbacks.clear()
        self.database = int(self._client.connection_pool.connection_kwargs.get("db") or 0)
        self.trips = 0

    @property
    def place(self) -> str:
        """Where it leads, for messages; no credentials."""
        return redis_connection.describe(self._params)

    def ask(self, commands: Sequence[Command], atomic: bool = False, database: Optional[int] = None) -> List[Any]:
        """One round trip. ``atomic`` sends them as one transaction, so that all are answered from the same moment.

        ``database`` is the number of another database to ask, for this time only.

        :raises Unavailable: when Redis is away or refuses one of the commands, such as for a key of another type.
        """
        if not commands:
            return []
        if database is not None and database != self.database:
            return self.ask([("SELECT", database), *commands, ("SELECT", self.database)], atomic)[1:-1]
        with redis_connection.errors(self._params):
            pipeline = self._client.pipeline(transaction=atomic)
            for command in commands:
                pipeline.execute_command(*command)
            self.trips += 1
            replies = pipeline.execute(raise_on_error=False)
        for command, reply in zip(commands, replies):
            if isinstance(reply, Exception):
                raise Unavailable(
                    "Redis at %s refused %s: %s." % (self.place, " ".join(map(str, command[:2])), reply),
                    "Check that this is Horizon's database, the type of that key and the rights of the user.",
                )
        return [_text(reply) for reply in replies]


def _text(reply: Any) -> Any:
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    if isinstance(reply, list):
        return [_text(one) for one in reply]
    return reply


def pairs(flat: Sequence[str]) -> Dict[str, str]:
    """A flat list of names and values, as hashes and scored sets come, as a dict."""
    return dict(zip(flat[::2], flat[1::2]))
