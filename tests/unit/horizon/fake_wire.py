# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis in memory that answers the few commands our reading uses, from recorded keys; its clock stands still."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import Any

from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Unavailable
from fixtures.redis.keyspace import Keys

Flat = list[Any]


class FakeWire:
    """Stands in for ``connection.Wire``."""

    place = "a recording"

    def __init__(self, databases: dict[int, Keys], now: float, database: int = 0) -> None:
        self.databases, self.now, self.database = databases, now, database
        self.trips = 0
        self.seen: list[tuple[Any, ...]] = []

    def ask(self, commands: Sequence[tuple[Any, ...]], atomic: bool = False, database: int | None = None) -> list[Any]:
        if not commands:
            return []
        self.trips += 1
        self.seen += commands
        keys = self.databases.get(self.database if database is None else database, {})
        return [getattr(self, command[0].lower())(keys, *command[1:]) for command in commands]

    @staticmethod
    def value(keys: Keys, key: str, kind: str, default: Any) -> Any:
        entry = keys.get(key)
        if entry is None:
            return default
        if entry["type"] != kind:
            raise Unavailable(f"WRONGTYPE {key}")
        return entry["value"]

    def time(self, _keys: Keys) -> Flat:
        return [str(int(self.now)), str(round(self.now % 1 * 1e6))]

    def scan(self, keys: Keys, _cursor: str, _match: str, pattern: str, _count: str, _number: int) -> Flat:
        # The one difference between the two languages of patterns that matters: Redis escapes with a backslash.
        plain = (
            pattern.replace("[", "[[]").replace("[[]st]", "[st]") if "\\" not in pattern else pattern.replace("\\", "")
        )
        return ["0", [key for key in keys if fnmatch.fnmatchcase(key, plain)]]

    def exists(self, keys: Keys, key: str) -> int:
        return int(key in keys)

    def get(self, keys: Keys, key: str) -> str | None:
        found: str | None = self.value(keys, key, "string", None)
        return found

    def pttl(self, keys: Keys, key: str) -> int:
        return int(keys[key]["pttl"]) if key in keys else -2

    def smembers(self, keys: Keys, key: str) -> Flat:
        return list(self.value(keys, key, "set", []))

    def hgetall(self, keys: Keys, key: str) -> Flat:
        return [text for item in self.value(keys, key, "hash", {}).items() for text in item]

    def hmget(self, keys: Keys, key: str, *fields: str) -> Flat:
        found = self.value(keys, key, "hash", {})
        return [found.get(field) for field in fields]

    def llen(self, keys: Keys, key: str) -> int:
        return len(self.value(keys, key, "list", []))

    def lindex(self, keys: Keys, key: str, index: int) -> str | None:
        found = self.value(keys, key, "list", [])
        return found[index] if found else None

    def zcard(self, keys: Keys, key: str) -> int:
        return len(self.value(keys, key, "zset", []))

    def zcount(self, keys: Keys, key: str, _minimum: str, maximum: float) -> int:
        return sum(score <= maximum for _, score in self.value(keys, key, "zset", []))

    def zrange(self, keys: Keys, key: str, start: int, stop: int, with_scores: str = "") -> Flat:
        found = sorted(self.value(keys, key, "zset", []), key=lambda pair: pair[1])
        found = found[start:] if stop == -1 else found[start : stop + 1]
        return [text for member, score in found for text in ([member, str(score)] if with_scores else [member])]
