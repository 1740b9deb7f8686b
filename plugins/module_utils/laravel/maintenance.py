# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about maintenance mode, and whether what a URL answered proves it. Plain data in and out."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import quote, urlsplit

from ..core.errors import BadInput, Refused
from .contract import Version

FILE = "file"

#: What is done on a target. ``replace`` writes the options in place of the old ones, so that there is no moment of being up.
NONE, DOWN, DOWN_AGAIN, REPLACE, UP = "none", "down", "down_again", "replace", "up"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the task asks for, as the framework stores it; None is none. Seconds are whole."""

    down: bool
    secret: Optional[str] = None
    render: Optional[str] = None
    redirect: Optional[str] = None
    retry: Optional[int] = None
    refresh: Optional[int] = None
    status: int = 503


@dataclasses.dataclass(frozen=True)
class Seen:
    """What an application says of itself. ``readable`` False: it is down and its options can't be read (half written).

    ``secret_same`` and ``template_same`` are compared inside the application, so neither secret leaves it. ``stub`` is the file that
    shows a rendered page before the framework starts. ``since`` is Unix seconds, None when up or not noted anywhere.
    """

    driver: str
    active: bool
    version: Version = ()
    readable: bool = True
    redirect: Optional[str] = None
    retry: Any = None
    refresh: Any = None
    status: int = 503
    secret_set: bool = False
    secret_same: bool = False
    template_set: bool = False
    template_same: bool = False
    stub: bool = False
    since: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Plan:
    """``differences`` names the options that are not as wanted."""

    action: str
    differences: Tuple[str, ...] = ()


def wanted(params: Dict[str, Any]) -> Wanted:
    """From the module's options, in the form the framework stores.

    :raises BadInput: for numbers that can't be.
    """
    if not 200 <= params["status"] <= 599:
        raise BadInput("status is %d, which is no status of an HTTP answer." % params["status"])
    for name in ("retry_seconds", "refresh_seconds"):
        if (params[name] or 0) < 0:
            raise BadInput("%s is %d and can't be negative." % (name, params[name]))
    redirect = params["redirect"] or None
    if redirect and redirect != "/":
        redirect = "/" + redirect.strip("/")
    return Wanted(
        params["state"] == "down",
        params["secret"] or None,
        params["render"] or None,
        redirect,
        params["retry_seconds"] or None,
        params["refresh_seconds"] or None,
        params["status"],
    )


def plan(seen: Seen, want: Wanted) -> Plan:
    """What to do on one target."""
    if not want.down:
        return Plan(UP if seen.active else NONE)
    if not seen.active:
        return Plan(DOWN)
    found = differences(seen, want)
    if not found:
        return Plan(NONE)
    return Plan(DOWN_AGAIN if seen.readable and _down_rewrites(seen.version, want) else REPLACE, found)


def differences(seen: Seen, want: Wanted) -> Tuple[str, ...]:
    """The options of an application that is down which are not as wanted."""
    if not seen.readable:
        return ("unreadable",)
    same = {
        "secret": seen.secret_same if want.secret else not seen.secret_set,
        "render": seen.template_same if want.render else not seen.template_set,
        "page": seen.stub or not want.render or seen.driver != FILE,
        "redirect": seen.redirect == want.redirect,
        "retry_seconds": _number(seen.retry) == want.retry,
        "refresh_seconds": _number(seen.refresh) == want.refresh,
        "status": seen.status == want.status,
    }
    return tuple(name for name, is_same in same.items() if not is_same)


def _number(stored: Any) -> Any:
    """The framework stores ``refresh`` as text and ``retry`` as a number, or, from 12.49 on, as a date."""
    return int(stored) if isinstance(stored, str) and stored.isdigit() else stored


def _down_rewrites(version: Version, want: Wanted) -> bool:
    """Whether ``down`` on an application that is down takes the new options.

    Read in the framework's source: never before 11.41.1, then only with a secret, and from 12.53 on always.
    """
    return version >= (12, 53) or (version >= (11, 41, 1) and want.secret is not None)


def check_driver(driver: str, asked: str, want: Wanted, replicas: int) -> None:
    """:raises BadInput: when the application uses another driver than the one named.
    :raises Refused: for the file driver with more than one copy of the application.
    """
    if asked not in ("auto", driver):
        raise BadInput(
            "The application keeps maintenance mode with the driver '%s', not '%s'." % (driver, asked),
            "Set APP_MAINTENANCE_DRIVER and run config:cache, or leave driver out.",
        )
    if want.down and driver == FILE and replicas > 1:
        raise Refused(
            "The file driver takes down one copy of the application, and there are %d; the others would go on serving."
            % replicas,
            "Set APP_MAINTENANCE_DRIVER=cache with a store all of them share, or run this task on each host (replicas: 1). "
            "Nothing was changed.",
        )


def arguments(want: Wanted) -> List[str]:
    """Of ``artisan down``, without the secret."""
    given = {
        "--render": want.render,
        "--redirect": want.redirect,
        "--retry": want.retry,
        "--refresh": want.refresh,
        "--status": want.status,
    }
    return ["%s=%s" % (name, value) for name, value in given.items() if value is not None]


def payload(want: Wanted) -> Dict[str, Any]:
    """The options as the framework stores them; the page is rendered by the application."""
    return {
        "redirect": want.redirect,
        "retry": want.retry,
        "refresh": None if want.refresh is None else str(want.refresh),
        "secret": want.secret,
        "status": want.status,
        "render": want.render,
    }


def bypass_cookie(secret: str, expires_at: int) -> str:
    """The header ``Cookie`` the framework would hand out for the secret, valid until ``expires_at`` (Unix seconds).

    Made here, so that the secret is in no URL and so in no access log. The form is that of the framework since 8.0.
    """
    mac = hmac.new(secret.encode(), str(expires_at).encode(), hashlib.sha256).hexdigest()
    value = base64.b64encode(json.dumps({"expires_at": expires_at, "mac": mac}).encode()).decode()
    return "laravel_maintenance=" + quote(value, safe="")


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a URL answered: the status, or None and the error. ``location`` is where a redirect leads."""

    status: Optional[int]
    error: str = ""
    location: str = ""


def prove(url: str, want: Wanted, without: Answer, bypassed: Optional[Answer]) -> Dict[str, Any]:
    """One entry of ``checks``; ``bypassed`` is the answer to a request that carries the bypass, None when there is no secret."""
    message = _objection(want, without, bypassed)
    return {
        "url": _shown(url),
        "status_without": without.status,
        "status_with": bypassed.status if bypassed else None,
        "ok": not message,
        "message": message or ("Down for visitors." if want.down else "Up."),
    }


def _objection(want: Wanted, without: Answer, bypassed: Optional[Answer]) -> str:
    """Why the answers are no proof, or an empty text."""
    if without.status is None:
        return "No answer: %s." % without.error
    if not want.down:
        if without.status == want.status or without.status >= 500:
            return "It answers %d, which is no page." % without.status
        return ""
    if not _is_maintenance(without, want):
        return "It answers %d where %d was expected: a copy of the application may still be up." % (
            without.status,
            want.status,
        )
    if bypassed is None:
        return ""
    if bypassed.status is None:
        return "No answer with the secret: %s." % bypassed.error
    if _is_maintenance(bypassed, want):
        return (
            "It answers %d with the secret too: another secret, or something else than the application says so."
            % bypassed.status
        )
    return ""


def _is_maintenance(answer: Answer, want: Wanted) -> bool:
    if answer.status == want.status:
        return True
    return bool(want.redirect) and answer.status == 302 and (urlsplit(answer.location).path or "/") == want.redirect


def _shown(url: str) -> str:
    """The URL without a user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def describe(seen: Seen, want: Optional[Wanted] = None) -> Dict[str, Any]:
    """A state for the diff: as seen, or, with ``want``, as it will be. Secrets are told by whether there is one."""
    if want:
        if not want.down:
            return {"state": "up"}
        kept = seen.active and seen.secret_same
        return {
            "state": "down",
            "secret": None if not want.secret else "set" if kept or not seen.secret_set else "set to another",
            "render": want.render,
            "redirect": want.redirect,
            "retry_seconds": want.retry,
            "refresh_seconds": want.refresh,
            "status": want.status,
        }
    if not seen.active:
        return {"state": "up"}
    return {
        "state": "down",
        "secret": "set" if seen.secret_set else None,
        "render": "another page" if seen.template_set else None,
        "redirect": seen.redirect,
        "retry_seconds": _number(seen.retry),
        "refresh_seconds": _number(seen.refresh),
        "status": seen.status,
    }
