# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode brought about on every target and proven: read all, plan, act, read again, look from outside."""

from __future__ import annotations

import contextlib
import time
from typing import Any, Callable, Dict, List, Optional

from ..core.errors import Failed, RunbookError
from ..core.times import iso
from ..core.waiting import wait_until
from ..transport.base import Transport
from . import maintenance, output
from .artisan import Artisan, secret_values
from .contract import DONE, NOTHING
from .judge import judge
from .maintenance import NONE, REPLACE, UP, Plan, Seen, Wanted
from .maintenance_state import Application
from .web import Visitor

#: Seconds a bypass cookie of ours is valid: long enough for clocks that differ, too short to be of use to anyone later.
_COOKIE_SECONDS = 3600
#: Seconds between two looks at the URLs, and for one answer.
_INTERVAL, _ANSWER = 1.0, 10.0


def perform(transport: Transport, params: Dict[str, Any], check_mode: bool, with_diff: bool) -> Dict[str, Any]:
    """The module's result for its options.

    :raises RunbookError: with ``targets``, ``checks`` and ``changed`` as far as they are known.
    """
    want = maintenance.wanted(params)
    artisan = Artisan(transport, params["app_dir"], params["php"], {}, params["timeout_seconds"])
    applications = []
    for target in transport.targets():
        artisan.require(target)
        applications.append(Application(transport, target, params["app_dir"], params["php"], params["timeout_seconds"]))
    seen = [application.look(want, clean=not check_mode) for application in applications]
    replicas = params["replicas"] or len(applications)
    for one in seen:
        maintenance.check_driver(one.driver, params["driver"], want, replicas)
    plans = [maintenance.plan(one, want) for one in seen]
    changed = any(one.action != NONE for one in plans)
    result: Dict[str, Any] = {
        "state": params["state"],
        "changed": changed,
        "verified": None,
        "checks": [],
        "targets": [_entry(*one) for one in zip(applications, seen, plans)],
    }
    if with_diff:
        result["diff"] = _diff(applications, seen, plans, want)
    if not check_mode:
        result["changed"] = False
        for entry in result["targets"]:
            entry.update(after=entry["before"], changed=False)
        for application, step, entry in zip(applications, plans, result["targets"]):
            try:
                _act(artisan, application, step, want, entry)
            except RunbookError as error:
                error.data = {**result, "changed": result["changed"] or entry["changed"], **error.data}
                raise
            result["changed"] = result["changed"] or entry["changed"]
    if params["verify_urls"] and not (check_mode and changed):
        _verify(params, want, result)
    return {**result, "message": _message(params, result, check_mode, replicas)}


def _diff(applications: List[Application], seen: List[Seen], plans: List[Plan], want: Wanted) -> Dict[str, Any]:
    before, after = {}, {}
    for application, one, step in zip(applications, seen, plans):
        before[application.target] = maintenance.describe(one)
        after[application.target] = maintenance.describe(one, None if step.action == NONE else want)
    return {"before": before, "after": after}


def _entry(application: Application, seen: Seen, step: Plan) -> Dict[str, Any]:
    before = _state(seen)
    return {
        "target": application.target,
        "before": before,
        "after": before if step.action == NONE else "up" if step.action == UP else "down",
        "driver": seen.driver,
        "action": step.action,
        "changed": step.action != NONE,
        "differences": list(step.differences),
        "since": iso(seen.since) if seen.since else None,
        "laravel_version": ".".join(map(str, seen.version)),
    }


def _state(seen: Seen) -> str:
    return "down" if seen.active else "up"


def _act(artisan: Artisan, application: Application, step: Plan, want: Wanted, entry: Dict[str, Any]) -> None:
    """Do it, see that it is done, and note what is seen. A second time, should somebody else have changed it meanwhile."""
    action, differences = step.action, step.differences
    for _attempt in range(2):
        if action == NONE:
            return
        entry["after"] = "unknown"
        if action == REPLACE:
            application.replace(want)
        else:
            _artisan(artisan, application, want, entry)
        seen = application.look(want, clean=True)
        entry.update(_noted(seen), changed=True)
        left = maintenance.plan(seen, want)
        action, differences = REPLACE if left.differences else left.action, left.differences
    if action != NONE:
        raise Failed(
            "%s was told to be %s, and is %s%s."
            % (
                application.name.capitalize(),
                "down" if want.down else "up",
                entry["after"],
                " with other options (%s)" % ", ".join(differences) if differences else "",
            ),
            "Somebody or something else changes it at the same time.",
        )


def _artisan(artisan: Artisan, application: Application, want: Wanted, entry: Dict[str, Any]) -> None:
    """Run down or up; when it says that it failed, look what that left."""
    command = "down" if want.down else "up"
    arguments = maintenance.arguments(want) if want.down else []
    secret = ["--secret=" + want.secret] if want.down and want.secret else []
    done = artisan.run(application.target, command, arguments, secret)
    found = judge(command, arguments, (), done.rc, done.stdout, done.stderr)
    if found.outcome in (DONE, NOTHING):
        return
    with contextlib.suppress(RunbookError):
        entry.update(_noted(application.look(want, clean=True)))
    entry["changed"] = entry["after"] != entry["before"]
    raise Failed(
        "artisan %s for %s: %s. %s"
        % (
            command,
            application.name,
            found.outcome,
            output.sentence(output.hide(output.hide_bypass(found.message), secret_values(secret))),
        ),
        "It is %s now; storage/logs there may say more." % entry["after"],
    )


def _noted(seen: Seen) -> Dict[str, Any]:
    return {"after": _state(seen), "since": iso(seen.since) if seen.since else None}


def _verify(params: Dict[str, Any], want: Wanted, result: Dict[str, Any]) -> None:
    visitor = Visitor(params["validate_certs"], params["ca_cert"], params["use_proxy"], _ANSWER)
    waited = wait_until(
        lambda: checks(params["verify_urls"], want, visitor),
        lambda found: all(one["ok"] for one in found),
        params["verify_timeout"],
        _INTERVAL,
    )
    result.update(checks=waited.value, verified=waited.reached)
    if not waited.reached:
        wrong = ["%s: %s" % (one["url"], one["message"]) for one in waited.value if not one["ok"]]
        raise Failed(
            "The application says that it is %s, and from outside that was not seen within %d s. %s"
            % (params["state"], params["verify_timeout"], " ".join(wrong)),
            "Its state was not changed back; see targets and checks.",
            **result,
        )


def checks(
    urls: List[str], want: Wanted, visitor: Visitor, now: Callable[[], float] = time.time
) -> List[Dict[str, Any]]:
    """Visit each URL once, and once more with the bypass where there is a secret."""
    cookie: Optional[str] = None
    if want.down and want.secret:
        cookie = maintenance.bypass_cookie(want.secret, int(now()) + _COOKIE_SECONDS)
    return [
        maintenance.prove(url, want, visitor.get(url), visitor.get(url, cookie) if cookie else None) for url in urls
    ]


def _message(params: Dict[str, Any], result: Dict[str, Any], check_mode: bool, replicas: int) -> str:
    state, targets = params["state"], result["targets"]
    names = ", ".join(one["target"] for one in targets)
    if not result["changed"]:
        text = "%s was %s already." % (names, state)
    else:
        changing = ", ".join(one["target"] for one in targets if one["action"] != NONE)
        options = sorted({name for one in targets for name in one["differences"]})
        what = "%s %s" % ("would be" if check_mode else "is now", state)
        if options:
            what = "%s with other options (%s)" % ("would be down" if check_mode else "is down", ", ".join(options))
        text = "%s %s." % (changing, what)
    if state == "up" and replicas > len(targets) and any(one["driver"] == maintenance.FILE for one in targets):
        text += " With the file driver the other %d copies are as they were." % (replicas - len(targets))
    if result["verified"]:
        return "%s Seen from outside at %d URL(s)." % (text, len(result["checks"]))
    reason = "it would be after the change" if params["verify_urls"] else "no verify_urls were given"
    return "%s Not verified from outside: %s." % (text, reason)
