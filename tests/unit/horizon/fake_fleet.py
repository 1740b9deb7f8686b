# SPDX-License-Identifier: GPL-3.0-or-later
"""Horizon's processes in memory: each second they take their lists and obey, as the real ones were seen to do."""

from __future__ import annotations

import json
from typing import Any

from fixtures.redis import keyspace
from fixtures.redis.keyspace import Keys
from unit.horizon.fake_wire import FakeWire, Flat

PREFIX = "ref_bank_horizon:"


def host(name: str) -> Keys:
    """The recording of a running master with two supervisors, under another master's name."""
    keys = json.dumps(keyspace.load("03-running-2-supervisors-backlog")[0]).replace("vm-W7nP", name)
    loaded: Keys = json.loads(keys)
    return loaded


class FakeFleet(FakeWire):
    """``dead`` processes take nothing, though their records are still there; ``deaf`` ones take and do nothing."""

    def __init__(self, *masters: str, queues: bool = False) -> None:
        keys: Keys = {}
        for name in masters:
            for key, entry in host(name).items():
                if key in keys and key.endswith((":masters", ":supervisors")):
                    keys[key]["value"] += entry["value"]
                elif queues or not key.startswith("ref_bank_database_"):
                    keys.setdefault(key, entry)
        super().__init__({0: keys}, 1795421103.0)
        self.keys = keys
        self.dead: set[str] = set()
        self.deaf: set[str] = set()
        self.seconds = 0.0
        self.told: list[tuple[str, str]] = []
        self.finish_after: float | None = None

    def rpush(self, keys: Keys, key: str, element: str) -> int:
        keys.setdefault(key, {"type": "list", "pttl": -1, "value": []})["value"].append(element)
        return len(keys[key]["value"])

    def lrange(self, keys: Keys, key: str, _start: int, _stop: int) -> Flat:
        return list(self.value(keys, key, "list", []))

    def lrem(self, keys: Keys, key: str, _count: int, element: str) -> int:
        before = self.value(keys, key, "list", [])
        left = [one for one in before if one != element]
        if left:
            keys[key]["value"] = left
        else:
            keys.pop(key, None)
        return len(before) - len(left)

    def hget(self, keys: Keys, key: str, field: str) -> str | None:
        found: str | None = self.value(keys, key, "hash", {}).get(field)
        return found

    def clock(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Time passes; with each whole second all processes turn once."""
        for _ in range(int(self.seconds + seconds) - int(self.seconds)):
            self.turn()
        self.seconds += seconds
        if self.finish_after is not None and self.seconds >= self.finish_after:
            for key in [key for key in self.keys if key.endswith(":reserved")]:
                del self.keys[key]

    def turn(self) -> None:
        for inbox in [key for key in self.keys if key.startswith(PREFIX + "commands:")]:
            target = inbox[len(PREFIX + "commands:") :]
            name = target.removeprefix("master:")
            if name in self.dead or not self.records(name):
                continue
            for element in self.keys.pop(inbox)["value"]:
                command = json.loads(element)
                order = command["command"].split("\\")[-1]
                assert isinstance(command["options"], dict)
                self.told.append((target, order))
                if name not in self.deaf:
                    self.obey(name, order)

    def records(self, name: str) -> list[str]:
        """The keys of a process and, of a master, of its supervisors."""
        starts = (f"{PREFIX}master:{name}", f"{PREFIX}supervisor:{name}")
        return [key for key in self.keys if key in starts or key.startswith(f"{PREFIX}supervisor:{name}:")]

    def obey(self, name: str, order: str) -> None:
        for key in self.records(name):
            if order == "Terminate":
                del self.keys[key]
            else:
                self.keys[key]["value"]["status"] = "paused" if order == "Pause" else "running"

    def status(self, name: str, kind: str = "master") -> Any:
        return self.keys.get(f"{PREFIX}{kind}:{name}", {}).get("value", {}).get("status")
