# SPDX-License-Identifier: GPL-3.0-or-later
"""Applications whose down and up behave as the framework's source and the recordings say, version by version."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Any

from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.output import version as numbers
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import Outcome, Transport
from unit.laravel.recordings import recording

Payload = dict[str, Any]


def said(name: str) -> str:
    return str(recording(name)["stdout"])


class FakeLaravel(Transport):
    """Several copies of one application. ``states`` is every state a visitor of the first copy could have met, in order."""

    def __init__(self, version: str, driver: str = "file", copies: int = 1) -> None:
        self.version = version
        self.driver = driver
        self.names = [f"web-{number + 1}" for number in range(copies)]
        self.down: dict[str, Payload | None] = dict.fromkeys(self.names)
        self.stub: dict[str, bool] = dict.fromkeys(self.names, False)
        self.states: list[Payload | None] = [None]
        self.calls: list[list[str]] = []
        self.command_lines: list[str] = []
        self.broken = ""
        self.loses = False

    # What the transport is asked

    def targets(self) -> list[str]:
        return list(self.names)

    def exists(self, target: str, path: str) -> bool:
        return True

    def read(self, target: str, path: str) -> str | None:
        return None

    def run(
        self,
        target: str,
        argv: Sequence[str],
        cwd: str,
        stdin: str = "",
        environment: dict[str, str] | None = None,
        timeout: float | None = None,
    ) -> Outcome:
        self.command_lines.append(" ".join(argv))
        given = re.search(r"base64_decode\('([^']*)'\)", stdin)
        data = json.loads(base64.b64decode(given.group(1))) if given else list(argv[1:])
        if isinstance(data, dict):
            self.calls.append([data["act"]])
            answer = self.replace(target, data) if data["act"] == "replace" else self.look(target, data)
            return Outcome(target, 0, "\nfinaegis-runbook-answer:%s\n" % json.dumps(answer), "", 0.1)
        words = [word for word in data[1:] if word not in ("--no-interaction", "--no-ansi")]
        self.calls.append([word for word in words if not word.startswith("--secret")])
        rc, text = self.artisan(target, words[0], dict(word[2:].split("=", 1) for word in words[1:]))
        return Outcome(target, rc, text, "", 0.1)

    # What the application does

    def get(self, target: str) -> Payload | None:
        return self.down[self.names[0] if self.driver == "cache" else target]

    def put(self, target: str, payload: Payload | None) -> None:
        self.down[self.names[0] if self.driver == "cache" else target] = payload
        if target == self.names[0] or self.driver == "cache":
            self.states.append(payload)

    @staticmethod
    def page(view: str | None, retry: Any) -> str | None:
        return f"<html>{view} {retry}</html>" if view else None

    def look(self, target: str, data: Payload) -> Payload:
        if self.broken:
            return {"error": self.broken}
        if data["render"] and data["render"] != "errors::503":
            return {"no_view": True}
        now = self.get(target)
        readable = now is None or "unreadable" not in now
        now_or_none = now or {}
        template = now_or_none.get("template")
        return {
            "driver": self.driver,
            "active": now is not None,
            "version": self.version,
            "readable": readable,
            "redirect": now_or_none.get("redirect"),
            "retry": now_or_none.get("retry"),
            "refresh": now_or_none.get("refresh"),
            "status": now_or_none.get("status", 503),
            "secret_set": now_or_none.get("secret") is not None,
            "secret_same": None not in (data["secret"], now_or_none.get("secret"))
            and now_or_none.get("secret") == data["secret"],
            "template_set": template is not None,
            "template_same": template is not None and template == self.page(data["render"], data["retry"]),
            "stub": self.stub[target],
            "since": 1760000000.0 if now is not None and self.driver == "file" else None,
        }

    def replace(self, target: str, data: Payload) -> Payload:
        if self.loses:
            return {"replaced": True}
        kept = {key: data[key] for key in ("redirect", "retry", "refresh", "secret", "status")}
        self.put(target, {**kept, "template": self.page(data["render"], data["retry"])})
        self.stub[target] = True
        return {"replaced": True}

    def artisan(self, target: str, command: str, options: dict[str, str]) -> tuple[int, str]:
        number = numbers(self.version)
        now = self.get(target)
        if command == "up":
            if self.loses:
                return 0, said("14-up")
            self.put(target, None)
            self.stub[target] = False
            return 0, said("14-up" if now is not None else "14-up-again")
        keeps = number < (12, 53) and not (number >= (11, 41, 1) and options.get("secret"))
        if now is not None and keeps:
            return 0, said("14-down-again")
        retry = options.get("retry")
        payload = {
            "redirect": options.get("redirect"),
            "retry": int(retry) if retry else None,
            "refresh": options.get("refresh"),
            "secret": options.get("secret"),
            "status": int(options.get("status", 503)),
            "template": self.page(options.get("render"), int(retry) if retry else None),
        }
        self.put(target, payload)
        self.stub[target] = True
        text = said("14-down-plain")
        return 0, text + "\n   INFO  You may bypass maintenance mode via [http://web/%s].  \n" % options.get(
            "secret", ""
        )
