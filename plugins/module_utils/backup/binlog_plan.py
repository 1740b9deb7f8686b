# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which binary logs to ship, and which to replay from where to where. Pure: records in, a plan or a refusal out."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, List, Optional, Tuple

from ..core.errors import BadInput, Refused
from ..core.times import iso
from ..core.verdict import CRITICAL, OK, Finding, measure
from .catalogue import Binlog, gaps, seconds_of
from .verify_judge import moment

LATEST = "latest"
_PLACE = re.compile(r"^(?P<file>[^:/\s]+\.\d+):(?P<position>\d+)$")
_GTID = re.compile(r"^(\d+-\d+-\d+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:\d+)$")


def number(name: str) -> int:
    """The number of a log, such as 42 of ``binlog.000042``.

    :raises BadInput: when it has none.
    """
    digits = name.rpartition(".")[2]
    if not digits.isdigit():
        raise BadInput("'%s' is no name of a binary log." % name)
    return int(digits)


def must_rotate(unshipped_since: Optional[float], now: float, interval: float, max_age: float) -> bool:
    """Whether the log in use must be closed now, because the next run, ``interval`` seconds later, would be too late.

    ``unshipped_since`` is from when on data are in no shipped log; None when it is not known.
    """
    return unshipped_since is None or now - unshipped_since + interval > max_age


def to_ship(server_logs: List[Tuple[str, int]], archived: List[Binlog]) -> List[Tuple[str, int]]:
    """The closed logs, all but the last of the server's list, that are not archived whole; with their sizes in bytes.

    :raises Refused: when an archived log of the same name is another one: then the server began anew, and shipping would mix two histories.
    """
    known = {one.name: one for one in archived}
    missing = []
    for name, size in server_logs[:-1]:
        one = known.get(name)
        if one is not None and one.closed and one.end_position != size:
            raise Refused(
                "%s has %d bytes on the server but was archived with %d: it is another log of the same name."
                % (name, size, one.end_position),
                "The server's binary logs began anew (RESET MASTER, another server). Archive them to another dest, after a new backup.",
            )
        if one is None or not one.closed:
            missing.append((name, size))
    newest = max((one.number for one in archived), default=0)
    if server_logs and newest >= number(server_logs[-1][0]):
        raise Refused(
            "The archive has closed logs up to number %d, the server is only at %s." % (newest, server_logs[-1][0]),
            "The server's binary logs began anew. Archive them to another dest, after a new backup.",
        )
    return missing


def judge_archive(binlogs: List[Binlog], covered: Optional[float], now: float, max_age: float) -> List[Finding]:
    """The chain and the age of what is in no shipped log."""
    broken = gaps(binlogs)
    chain = Finding("chain", OK, [], [], "%d logs follow one another without a gap." % len(binlogs))
    if broken:
        advice = "What was in them can't be brought back by replaying. Take a new backup now: the chain counts from its position on."
        chain = Finding("chain", CRITICAL, broken, [], "The chain has gaps: %s." % "; ".join(broken), advice)
    age = None if covered is None else max(0.0, now - covered)
    told = "nothing is known of" if age is None else "%.0f s of" % age
    return [
        chain,
        measure(
            "unshipped",
            age,
            None,
            max_age,
            "It is %s what the server wrote that is not archived." % told,
            "Run it more often than max_age_seconds.",
        ),
    ]


@dataclasses.dataclass(frozen=True)
class Replay:
    """``logs`` in order; from ``start`` in the first one, up to what ``stop`` says: ``{kind, value}`` of time, place, gtid or latest.

    ``last`` is the log in which the stop is looked for; of those after it nothing is needed.
    """

    logs: List[Binlog]
    start: int
    stop: Dict[str, Any]


def parse_until(text: str) -> Dict[str, Any]:
    """``latest``, a place such as ``binlog.000042:1234``, a GTID, or a time.

    :raises BadInput: when it is none of them.
    """
    if text == LATEST:
        return {"kind": LATEST, "value": None}
    place = _PLACE.match(text)
    if place:
        return {"kind": "place", "value": (place.group("file"), int(place.group("position")))}
    if _GTID.match(text):
        return {"kind": "gtid", "value": text}
    return {"kind": "time", "value": moment(text, "until")}


def plan(
    position: Optional[Dict[str, Any]], reason: str, binlogs: List[Binlog], until: str, covered: Optional[str]
) -> Replay:
    """What to replay on a backup with this ``position``.

    :raises Refused: when the chain does not lead from the backup to ``until``.
    """
    stop = parse_until(until)
    if not position:
        raise Refused("The backup has no position in the binary log (%s), so nothing can be replayed on it." % reason)
    start = number(str(position["file"]))
    logs = sorted((one for one in binlogs if one.number >= start), key=lambda one: one.number)
    if stop["kind"] == "place":
        last = number(stop["value"][0])
        if (last, stop["value"][1]) < (start, int(position["position"])):
            raise Refused(
                "%s lies before the backup, which is at %s:%s." % (until, position["file"], position["position"])
            )
        logs = [one for one in logs if one.number <= last]
        if logs and logs[-1].number == last and logs[-1].end_position < stop["value"][1]:
            raise Refused("%s is archived up to %d only." % (logs[-1].name, logs[-1].end_position))
        if not logs or logs[-1].number != last:
            raise Refused("%s is not archived." % stop["value"][0], "Archive it first, or choose an earlier time.")
    elif stop["kind"] == "time":
        logs = _up_to(logs, stop["value"], covered)
    broken = gaps(logs, position)
    if broken:
        raise Refused(
            "The chain of binary logs from the backup on is broken: %s." % "; ".join(broken),
            "Data can't be brought back beyond the gap. Choose an earlier time or a later backup; nothing was changed.",
        )
    return Replay(logs, int(position["position"]), stop)


def _up_to(logs: List[Binlog], until: float, covered: Optional[str]) -> List[Binlog]:
    """The logs up to the first one with something at or after ``until``."""
    for place, one in enumerate(logs):
        if one.last_event is not None and seconds_of(one.last_event) >= until:
            return logs[: place + 1]
    if covered is None or seconds_of(covered) < until:
        reach = covered or next((one.last_event for one in reversed(logs) if one.last_event), None)
        raise Refused(
            "The archived binary logs reach to %s, not to %s." % (reach or "nowhere", iso(until)),
            "Archive what the server still has, choose an earlier time, or latest for everything there is; nothing was changed.",
        )
    return logs
