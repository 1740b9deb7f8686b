# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One artisan command asked for, run (or previewed) on every target, and judged."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, List, Sequence, Tuple

from ..core.errors import BadInput, Refused
from . import output
from .advice import error_advice
from .artisan import Artisan, secret_values
from .capabilities import Capabilities
from .contract import DONE, FAILED, NOTHING, OUTCOMES, UNAVAILABLE, Contract, Judgement, Version
from .contracts import find
from .judge import LIST, judge, unavailable

_NAME = re.compile(r"^[A-Za-z0-9_][\w:.-]*$")
_SECRET_OPTION = re.compile(r"^--(secret|password|token)(=|$)")
#: What each entry of ``targets`` has; the output only where there are several, because it is in the result already.
_SUMMARY = ("target", "outcome", "changed", "judged_by", "message", "rc", "seconds")
_OUTPUT = ("stdout", "stderr", "json")
_MUTE = ("-q", "--quiet", "--silent", "--ansi")


@dataclasses.dataclass(frozen=True)
class Request:
    """What to run. ``json`` adds ``--json`` where the command has it; ``ask`` looks the command up in ``list`` before it is run."""

    command: str
    arguments: Tuple[str, ...] = ()
    secret_arguments: Tuple[str, ...] = ()
    json: bool = False
    ask: bool = False


def check(request: Request) -> None:
    """:raises BadInput: for what can't be judged or would put a secret on a command line.
    :raises Refused: for a command that never ends by itself.
    """
    if not _NAME.match(request.command):
        raise BadInput(
            "'%s' is not the name of an artisan command." % request.command, "Put what follows the name into arguments."
        )
    for argument in request.arguments:
        if _SECRET_OPTION.match(argument):
            raise BadInput(
                "The argument %s would be seen by every user of the host." % argument.split("=")[0],
                "Put it into secret_arguments, as one text such as --secret=VALUE.",
            )
        if argument in _MUTE:
            raise BadInput("With %s the outcome of %s can't be told from what it says." % (argument, request.command))
    if any(contract.serves for contract in find(request.command)):
        raise Refused(
            "%s runs until it is stopped, and would hold this task until its time limit." % request.command,
            "Let a service manager (systemd, supervisord, Kubernetes) start it.",
        )


class Run:
    """The request on one target: what is known of the application is asked at most once."""

    def __init__(self, artisan: Artisan, target: str, request: Request) -> None:
        self._artisan = artisan
        self._target = target
        self._request = request
        self._arguments: List[str] = list(request.arguments)
        artisan.require(target)
        self._installed = artisan.installed_version(target)
        self._capabilities: List[Capabilities] = []

    @property
    def version(self) -> Version:
        if self._capabilities:
            return self._capabilities[0].version
        return output.version(self._installed)

    def has(self, option: str = "") -> bool:
        if not self._capabilities:
            self._capabilities.append(self._artisan.capabilities(self._target))
        return self._capabilities[0].has(self._request.command, option)

    def perform(self, preview_only: bool) -> Dict[str, Any]:
        """The target's part of the result. ``preview_only`` is check mode: nothing is changed."""
        request = self._request
        contracts = find(request.command, self.version)
        # Symfony completes abbreviations, so a name nobody knows must be asked for, or another command could run.
        if (request.ask or not contracts or preview_only) and not self.has():
            return self._result(unavailable(request.command, self.version), None)
        if request.json and "--json" not in request.arguments and self.has("--json"):
            self._arguments.append("--json")
        contracts = find(request.command, self.version)
        if not preview_only or (contracts and not contracts[0].writes):
            return self._judged(self._arguments, contracts)
        if contracts and contracts[0].preview:
            return self._previewed(contracts)
        return self._result(_planned(contracts, "It would be run; it has no preview."), None)

    def _judged(
        self, arguments: Sequence[str], contracts: Tuple[Contract, ...], preview: bool = False
    ) -> Dict[str, Any]:
        request = self._request
        done = self._artisan.run(self._target, request.command, arguments, request.secret_arguments)
        verdict = judge(request.command, arguments, self.version, done.rc, done.stdout, done.stderr)
        secret_output = bool(contracts) and contracts[0].secret_output
        secrets = secret_values(request.secret_arguments)
        verdict = dataclasses.replace(verdict, message=_hide(verdict.message, secret_output, secrets))
        done = dataclasses.replace(
            done, stdout=_hide(done.stdout, secret_output, secrets), stderr=_hide(done.stderr, False, secrets)
        )
        if preview:
            verdict = _predicted(verdict)
        return self._result(verdict, done)

    def _previewed(self, contracts: Tuple[Contract, ...]) -> Dict[str, Any]:
        """``--pretend`` creates the table of migrations when it is missing, so first it is asked whether it is there."""
        status = self._artisan.run(self._target, "migrate:status", _database(self._arguments))
        known = judge("migrate:status", (), self.version, status.rc, status.stdout, status.stderr)
        if known.outcome != DONE:
            if "Migration table not found" in status.stdout:
                message = (
                    "It would create the table of migrations and run all migrations; a preview would create it already."
                )
                return self._result(_planned(contracts, message), None)
            return self._result(dataclasses.replace(known, changed=False), status)
        arguments = [one for one in self._arguments if not one.startswith(("--isolated", "--seed", "--pretend"))]
        return self._judged([*arguments, contracts[0].preview], contracts, preview=True)

    def _result(self, verdict: Judgement, done: Any) -> Dict[str, Any]:
        """``done`` is the Outcome of a run, or None when nothing was run."""
        request = self._request
        is_json, value = output.find_json(done.stdout) if done else (False, None)
        return {
            "target": self._target,
            "outcome": verdict.outcome,
            "changed": verdict.changed,
            "judged_by": verdict.judged_by,
            "message": verdict.message,
            "caveat": verdict.caveat,
            "rc": done.rc if done else None,
            "stdout": output.trim(done.stdout) if done else "",
            "stderr": output.trim(done.stderr) if done else "",
            "json": value if is_json else None,
            "seconds": round(done.seconds, 3) if done else 0.0,
            "laravel_version": ".".join(map(str, self.version)) or None,
            "argv": self._artisan.shown(request.command, self._arguments, request.secret_arguments),
        }


def together(results: Sequence[Dict[str, Any]], with_diff: bool) -> Dict[str, Any]:
    """The result of the target that needs attention most, with all of them beside it; with one target, its own."""
    result = dict(max(results, key=lambda one: OUTCOMES.index(one["outcome"])))
    previewable = any(contract.preview for contract in find(result["argv"][2]))
    if with_diff and previewable and result["outcome"] == DONE:
        result["diff"] = {"before": "", "after": _statements(result["stdout"])}
    del result["target"]
    if result["rc"] is None:
        del result["rc"]  # newer Ansible leaves a null out, older does not
    keys = _SUMMARY if len(results) == 1 else _SUMMARY + _OUTPUT
    targets = [{key: one[key] for key in keys} for one in results]
    return {**result, "changed": any(one["changed"] for one in results), "targets": targets}


def complaint(app_dir: str, request: Request, result: Dict[str, Any]) -> str:
    """The error message: what was tried, on what, what came back, what to do."""
    where = ", ".join(one["target"] for one in result["targets"] if one["outcome"] == result["outcome"])
    text = "artisan %s in %s on %s: %s. %s" % (
        request.command,
        app_dir,
        where,
        result["outcome"],
        output.sentence(result["message"]),
    )
    if result["outcome"] != FAILED:
        return text
    part = " Part of it was done before." if result["changed"] else ""
    return "%s%s %s" % (text, part, error_advice(result["message"]))


def _statements(stdout: str) -> str:
    """What a preview or a run listed, a statement or migration a line."""
    return "".join(line + "\n" for line in output.plain(stdout) if not line.startswith("INFO "))


def _database(arguments: Sequence[str]) -> List[str]:
    """The option --database, with its value in the same word or in the next."""
    for place, one in enumerate(arguments):
        if one.startswith("--database"):
            return list(arguments[place : place + (1 if "=" in one else 2)])
    return []


def _hide(text: str, secret_output: bool, secrets: Sequence[str]) -> str:
    if secret_output:
        text = output.hide_bypass(output.hide_settings(text))
    return output.hide(text, secrets)


def _planned(contracts: Tuple[Contract, ...], message: str) -> Judgement:
    changes = contracts[0].writes if contracts else True
    return Judgement(DONE, changes, LIST, message, contracts[0].caveat if contracts else "")


def _predicted(verdict: Judgement) -> Judgement:
    """What the preview foretells of the run: statements mean a change."""
    if verdict.outcome in (DONE, NOTHING, UNAVAILABLE):
        return dataclasses.replace(verdict, changed=verdict.outcome == DONE)
    return dataclasses.replace(verdict, changed=False)
