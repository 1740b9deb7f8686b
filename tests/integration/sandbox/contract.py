# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox's bank is held to: recordings of the real Horizon and event-sourcing packages, and how to compare."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import redis
from integration.bank import Bank
from integration.runner import CHECKOUT

FIXTURES = CHECKOUT / "tests" / "fixtures"
WAIT_SECONDS = 40
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CLASS = re.compile(r"(?:App|Spatie|Illuminate)(?:\\\w+)+")


def recorded_command(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / "commands" / f"{name}.json").read_text(encoding="utf-8"))


def recorded_keyspace(name: str) -> dict[str, dict[str, Any]]:
    """Keys of all databases of one recording."""
    databases = json.loads((FIXTURES / "redis" / f"{name}.json").read_text(encoding="utf-8"))
    return {key: entry for keys in databases.values() for key, entry in keys.items()}


def run(bank: Bank, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """artisan with exactly these arguments, no terminal, 80 columns."""
    return subprocess.run(
        ["php", "artisan", *arguments],
        cwd=bank.home,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


def normal(text: str) -> str:
    """Without what differs from run to run: pids, names of masters, times, and the widths that follow from them."""
    text = UUID.sub("UUID", text)
    text = re.sub(r"vm-\w{4}\b", "MASTER", text)
    text = re.sub(r"\d+(\.\d+)?", "N", text)
    return re.sub(r"([-. ])\1+", r"\1", text)


def wait_until(what: str, condition: Callable[[], Any]) -> Any:
    """The condition's first true answer; an AssertionError naming it when there is none."""
    until = time.monotonic() + WAIT_SECONDS
    while True:
        if answer := condition():
            return answer
        assert time.monotonic() < until, f"not seen in {WAIT_SECONDS} s: {what}"
        time.sleep(0.1)


class Horizon:
    """The bank's Horizon as Redis shows it."""

    def __init__(self, bank: Bank, client: redis.Redis) -> None:
        self.bank = bank
        self.client = client
        self.prefix = bank.horizon_prefix

    def records(self, kind: str) -> dict[str, dict[str, str]]:
        found = {}
        for key in self.client.scan_iter(f"{self.prefix}{kind}:*"):
            record = {field.decode(): value.decode() for field, value in self.client.hgetall(key).items()}
            if record:
                found[record["name"]] = record
        return found

    @property
    def masters(self) -> dict[str, dict[str, str]]:
        return self.records("master")

    @property
    def supervisors(self) -> dict[str, dict[str, str]]:
        return self.records("supervisor")

    def status(self) -> set[str]:
        """Of all masters and supervisors."""
        return {record["status"] for record in [*self.masters.values(), *self.supervisors.values()]}

    def start(self) -> subprocess.Popen[bytes]:
        process = self.bank.horizon()
        wait_until("a master with two supervisors", lambda: len(self.masters) == 1 and len(self.supervisors) == 2)
        wait_until("workers", lambda: len(self.workers()) >= 3)
        return process

    def workers(self) -> list[int]:
        return [pid for pid in self.bank.pids() if "horizon:work" in command_line(pid)]

    def order(self, target: str, command: str, options: Any) -> None:
        element = json.dumps({"command": f"Laravel\\Horizon\\SupervisorCommands\\{command}", "options": options})
        self.client.rpush(f"{self.prefix}commands:{target}", element)

    def waiting_orders(self, target: str) -> int:
        return self.client.llen(f"{self.prefix}commands:{target}")

    def job(self, uuid: str) -> dict[str, str]:
        found = self.client.hgetall(f"{self.prefix}{uuid}")
        return {field.decode(): value.decode() for field, value in found.items()}

    def wait_for_jobs(self, uuids: Iterable[str], status: str) -> None:
        for uuid in uuids:
            wait_until(f"job {uuid} {status}", lambda uuid=uuid: self.job(uuid).get("status") == status)

    def dispatch(self, queue: str, *options: str) -> list[str]:
        return self.bank.artisan("bank:dispatch", queue, *options).stdout.split()

    def kill_all(self) -> None:
        """As a machine that lost its power: nobody says goodbye. Returns when the last of them is gone from the table."""
        killed: set[int] = set()
        while pids := [pid for pid in self.bank.pids() if "artisan horizon" in command_line(pid)]:
            for pid in pids:
                killed.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, 9)
        wait_until("all reaped", lambda: not self.in_table(killed))

    def in_table(self, pids: Iterable[int]) -> list[int]:
        """Those that run or, being ours, still wait to be reaped."""
        for child in self.bank.children:
            child.poll()
        return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]

    def age(self) -> None:
        """Leave what is there half a minute after all were killed: the hashes expire, the lists remember the names."""
        for name in ("masters", "supervisors"):
            key = f"{self.prefix}{name}"
            for member, score in self.client.zrange(key, 0, -1, withscores=True):
                self.client.zadd(key, {member: score - 60})
                self.client.delete(f"{self.prefix}{name[:-1]}:{member.decode()}")


def command_line(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as handle:
            return handle.read().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def dump(client_of: Callable[[int], redis.Redis]) -> dict[str, dict[str, Any]]:
    """All keys of databases 0 and 1 in the shape of the recordings."""
    found: dict[str, dict[str, Any]] = {}
    for number in (0, 1):
        client = client_of(number)
        for raw in client.scan_iter():
            kind = client.type(raw).decode()
            value: Any = None
            if kind == "hash":
                value = {field.decode(): text.decode() for field, text in client.hgetall(raw).items()}
            elif kind == "zset":
                value = [[member.decode(), score] for member, score in client.zrange(raw, 0, -1, withscores=True)]
            elif kind == "list":
                value = [element.decode() for element in client.lrange(raw, 0, -1)]
            found[raw.decode()] = {"type": kind, "pttl": client.pttl(raw), "value": value}
    return found


def shapes(keyspace: dict[str, dict[str, Any]]) -> dict[str, tuple[str, tuple[str, ...], str]]:
    """By kind of key: its type, a hash's fields, and how long it lives."""
    found = {}
    for key, entry in keyspace.items():
        fields = tuple(sorted(entry["value"])) if entry["type"] == "hash" else ()
        found[kind_of(key, entry)] = (entry["type"], fields, life(key, entry["pttl"]))
    return found


def kind_of(key: str, entry: dict[str, Any]) -> str:
    name = re.sub(r"^ref_bank_(horizon:|database_)", r"\1", key)
    name = name.replace("_cache_:", "_cache_")  # Laravel 8 sets a colon after the cache's prefix
    name = re.sub(r"vm-\w{4}", "MASTER", CLASS.sub("CLASS", name))
    name = re.sub(r"^(horizon:failed):.*", r"\1:TAG", name)
    name = re.sub(r"notification:\w+", "notification:HASH", name)
    if UUID.search(name):
        retried = "reserved_at" in entry["value"]
        return f"job {entry['value']['status']}{' again' if retried and entry['value']['status'] == 'pending' else ''}"
    return name


def life(key: str, milliseconds: int) -> str:
    if milliseconds < 0:
        return "for ever"
    for pattern, least, most in (
        (r":master:", 10_000, 15_000),
        (r":supervisor:", 20_000, 30_000),
        (r"monitor:time-to-clear", 0, 60_000),
        (r"metrics:snapshot", 0, 270_000),
        (r"notification:", 0, 300_000),
        (r"failed:", 3_600_000, 604_800_000),
        (UUID.pattern, 0, 604_800_000),
    ):
        if re.search(pattern, key):
            return f"{least} to {most} ms" if least <= milliseconds <= most else f"{milliseconds} ms, which is wrong"
    return f"{milliseconds} ms"
