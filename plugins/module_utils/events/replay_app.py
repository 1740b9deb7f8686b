# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application's side of a replay: our PHP programs run in it through a transport, and what they say."""

from __future__ import annotations

import dataclasses
import json
import secrets
from typing import Any, Dict, List, Optional, Sequence

from ..core.errors import Failed, Refused, TimedOut, Unavailable
from ..transport.base import Outcome, Transport
from . import replay_php

#: Set before the application boots, so that nothing it does while booting reaches what it shares with the live one. The cached
#: configuration would make all of it void. Redis at port 1 refuses at once.
SECLUDED = {
    "APP_CONFIG_CACHE": "/nonexistent/config.php",
    "DB_URL": "",
    "DATABASE_URL": "",
    "CACHE_STORE": "array",
    "CACHE_DRIVER": "array",
    "QUEUE_CONNECTION": "null",
    "SESSION_DRIVER": "array",
    "MAIL_MAILER": "array",
    "BROADCAST_CONNECTION": "null",
    "BROADCAST_DRIVER": "null",
    "REDIS_URL": "",
    "REDIS_HOST": "127.0.0.1",
    "REDIS_PORT": "1",
    "SCOUT_DRIVER": "null",
    "LOG_CHANNEL": "stderr",
    "TELESCOPE_ENABLED": "false",
    "DEBUGBAR_ENABLED": "false",
    "PULSE_ENABLED": "false",
    "NIGHTWATCH_ENABLED": "false",
}

_WHY = {
    "boot": (
        "does not boot",
        "'php artisan list' there shows whether it is the application; else see the option environment.",
    ),
    "no package": ("has no spatie/laravel-event-sourcing", "Check app_dir."),
    "model": (
        "has no such stored event model",
        "Give stored_event_model with its namespace; it must extend EloquentStoredEvent.",
    ),
    "not aside": (
        "did not go to the scratch database when told to, so nothing was replayed",
        "Check that login_host and the application's database are one server, and that nothing between them changes the user.",
    ),
    "shared service": (
        "still uses a service that the live application shares, so nothing was replayed",
        "See the option environment.",
    ),
    "unknown projector": ("does not know the projector any more", "It was changed meanwhile; start again."),
    "locked": (
        "is busy with another replay of this store",
        "Wait until it has ended; a killed one ends with its chunk.",
    ),
    "half a chunk": (
        "has projections in which part of a chunk was committed: a projector commits by itself (DDL, TRUNCATE, DB::commit)",
        "They can't be gone on with. Mend the projector and rebuild with restart, or use engine artisan, which does without "
        "transactions.",
    ),
}


@dataclasses.dataclass(frozen=True)
class Aside:
    """Where the application is sent: the scratch database, the restricted user, and the word that proves it got there."""

    database: str
    user: str
    nonce: str
    password: str = dataclasses.field(repr=False)
    allow_connections: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the application says of itself; see ``replay_php.ASK``."""

    php: str
    laravel: str
    proof: Optional[Dict[str, Any]]
    down: bool
    database: str
    default_connection: bool
    connections: List[str]
    model: str
    table: str
    key: str
    driver_fits: bool
    own_repository: Optional[str]
    catch_exceptions: bool
    class_map: Dict[str, str]
    projectors: Dict[str, Dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Told:
    """What a program said: its answer, how many chunks it committed, its last line when it ended well."""

    answer: Any
    chunks: int
    done: Dict[str, Any]
    output: str


class ReplayStopped(Failed):
    """A program of ours stopped and said why; ``said`` is its last line."""

    def __init__(self, message: str, advice: str, said: Dict[str, Any]) -> None:
        super().__init__(message, advice, stopped=said)
        self.said = said


@dataclasses.dataclass(frozen=True)
class Application:
    """One application at one place. ``timeout`` is in seconds, for each program; None is without end."""

    transport: Transport
    target: str
    app_dir: str
    php: str
    environment: Dict[str, str]
    timeout: Optional[float] = None

    def facts(self, model: Optional[str], aside: Optional[Aside] = None) -> Facts:
        """Ask it; with ``aside`` under the very settings of the replay.

        :raises ReplayStopped: when it does not boot, or does not go where it is told.
        """
        return Facts(**self.run(replay_php.ASK, {"model": model}, aside).answer)

    def run(self, body: str, data: Dict[str, Any], aside: Optional[Aside]) -> Told:
        """Run one program.

        :raises ReplayStopped: when it says that it stopped.
        :raises TimedOut: after ``timeout`` seconds; what was committed stays.
        :raises Failed: when it ended without a word of ours, because it was killed.
        """
        mark = secrets.token_hex(8) + ":"
        settings: Dict[str, Any] = {
            **data,
            "mark": mark,
            "aside": aside is not None,
            "environment": self._environment(aside),
        }
        if aside is not None:
            settings.update(dataclasses.asdict(aside))
        text = replay_php.program(body, settings)
        done = self.transport.run(
            self.target, [self.php, "-d", "display_errors=stderr"], self.app_dir, text, timeout=self.timeout
        )
        return self._judge(done, mark, aside)

    def _environment(self, aside: Optional[Aside]) -> Dict[str, str]:
        if aside is None:
            return dict(self.environment)
        where = {"DB_DATABASE": aside.database, "DB_USERNAME": aside.user, "DB_PASSWORD": aside.password}
        return {**SECLUDED, **self.environment, **where}

    def _judge(self, done: Outcome, mark: str, aside: Optional[Aside]) -> Told:
        lines = [json.loads(line[len(mark) :]) for line in done.stdout.splitlines() if line.startswith(mark)]
        last: Dict[str, Any] = lines[-1] if lines else {}
        if done.timed_out:
            raise TimedOut(
                "The application in %s on %s was not done within %g seconds."
                % (self.app_dir, self.target, self.timeout or 0),
                "What was committed is kept: the next run goes on from there. Raise timeout.",
            )
        if "stop" in last:
            raise ReplayStopped(*self._explain(last), said=last)
        if done.rc == 0 and ("done" in last or "answer" in last):
            chunks = sum(1 for line in lines if "last_id" in line)
            return Told(last.get("answer"), chunks, last, _said(done, aside))
        raise Failed(
            "php in %s on %s ended with %s before it was done: %s"
            % (self.app_dir, self.target, done.rc, _said(done, aside)),
            "What was committed is kept: the next run goes on from there.",
        )

    def _explain(self, said: Dict[str, Any]) -> tuple[str, str]:
        what, advice = _WHY.get(said["stop"], ("stopped the replay", ""))
        details = {key: value for key, value in said.items() if key not in ("stop", "at") and value is not None}
        if said["stop"] in ("failed", "reset"):
            what, advice = (
                "stopped the replay: a projector failed",
                (
                    "The projections stand exactly at event %s. Mend the projector or its data and run again: it goes on from there."
                    % said.get("committed_to", "of the last chunk")
                ),
            )
            if said.get("code") in (1142, 1356) or " 1356 " in str(said.get("error")):
                advice = "A projector uses a table for writing that is not in projection_tables: add it there. Nothing live was changed."
            if said.get("transaction_lost"):
                advice = "A projector commits by itself; mend it and rebuild with restart, or use engine artisan."
        text = ", ".join("%s %s" % (key.replace("_", " "), value) for key, value in details.items())
        return "The application in %s on %s %s%s." % (
            self.app_dir,
            self.target,
            what,
            ": " + text.rstrip(".") if text else "",
        ), advice


def _said(done: Outcome, aside: Optional[Aside]) -> str:
    """The end of what the application printed, without the password that it was given."""
    text = " ".join((done.stdout + " " + done.stderr).split())[-600:]
    return text.replace(aside.password, "********") if aside else text


def one_place(transport: Transport) -> str:
    """The place to run a replay in: the first, for its effects are in the database and not there.

    :raises Unavailable: when there is none.
    """
    targets = transport.targets()
    if not targets:
        raise Unavailable("There is no place to run the application in.", "Check the option transport.")
    return targets[0]


def refuse_model(facts: Facts, live: str) -> None:
    """:raises Refused: when the application's own store is not in the database named in the options, or can't be followed by id."""
    if facts.database != live:
        raise Refused(
            "The application's store %s is in the database %s, the option login_db says %s."
            % (facts.table, facts.database, live),
            "Check app_dir and login_db: they must be of one application. For a tenant give its variables in environment.",
        )
    if not facts.default_connection:
        raise Refused(
            "The store %s is on another database connection than the application's default one, which alone can be redirected."
            % facts.model,
            "Make it the default in the option environment (DB_CONNECTION).",
        )
