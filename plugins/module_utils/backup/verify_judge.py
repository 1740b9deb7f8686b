# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a proof says: identity of a backup, levels, time and loss against the objectives. Pure: facts in, findings out."""

from __future__ import annotations

import datetime
import re
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ..core.errors import BadInput
from ..core.thresholds import RECOVERY_SECONDS
from ..core.times import iso, words
from ..core.verdict import CRITICAL, OK, UNKNOWN, WARNING, Finding, measure
from .catalogue import LEVELS, Backup, Binlog, gaps, seconds_of

#: Not a level: with binary logs replayed, the data are no longer those of the backup.
REPLAY = "replay"
MEANING = {
    REPLAY: "can be brought forward by its binary logs",
    "L0": "exists and is of the right day and environment",
    "L1": "is intact",
    "L2": "loads without error or warning",
    "L3": "is equal to what it was taken from",
    "L4": "keeps its invariants",
    "L5": "is what the application expects",
}
#: From this part of an objective on it is a warning.
_NEAR = 0.75
_DAY = re.compile(r"(?<!\d)(20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")
#: A clock of another machine may be ahead by this many seconds.
_AHEAD = 300


def identity(backup: Backup, name: str, wanted: Dict[str, Optional[str]], max_age: float, now: float) -> List[str]:
    """What is wrong with what the backup says of itself, against the name it was asked for by and what is expected of it.

    ``wanted`` are ``database`` and ``environment``, None where anything will do; ``max_age`` is in seconds, 0 without limit.
    """
    manifest = backup.manifest
    problems = ["the part %s is missing or has another size than the manifest says" % part for part in backup.missing]
    if manifest.file != name:
        problems.append("its manifest is that of %s" % manifest.file)
    for what, value in wanted.items():
        if value is not None and getattr(manifest, what) != value:
            problems.append("it is of the %s '%s', not '%s'" % (what, getattr(manifest, what), value))
    days = {time.strftime("%Y%m%d", there(backup.at)) for there in (time.gmtime, time.localtime)}
    days |= {time.strftime("%Y%m%d", there(seconds_of(manifest.started))) for there in (time.gmtime, time.localtime)}
    named = ["".join(found) for found in _DAY.findall(name)]
    if named and not days & set(named):
        problems.append("its name says %s, but it was taken on %s" % (named[0], iso(backup.at)))
    if backup.at > now + _AHEAD:
        problems.append("it was taken at %s, which is yet to come" % iso(backup.at))
    if max_age and now - backup.at > max_age:
        problems.append("it is %s old, allowed are %s" % (words(now - backup.at), words(max_age)))
    return problems


class Ladder:
    """The levels in order. A level holds only when all below it do; after the first that does not, nothing more is claimed."""

    def __init__(self) -> None:
        self.findings: List[Finding] = []
        self.level = LEVELS[0]
        self.broken = False

    def step(self, level: str, problems: Sequence[Any], advice: str = "", unsure: bool = False, note: str = "") -> bool:
        """Judge one level by its problems; ``unsure`` ones make it unknown. Returns whether to go on."""
        if problems:
            text = "; ".join(str(one) for one in list(problems)[:5])
            more = "" if len(problems) <= 5 else "; and %d more" % (len(problems) - 5)
            verdict = UNKNOWN if unsure else CRITICAL
            message = (
                "It can't be told whether the backup %s: %s%s."
                if unsure
                else "It is not proven that the backup %s: %s%s."
            )
            message = message % (MEANING[level], text.rstrip("."), more)
            self.findings.append(Finding(level, verdict, list(problems)[:20], [], message, advice))
            self.broken = True
            return False
        self.findings.append(
            Finding(
                level,
                OK,
                [],
                [],
                "The backup %s. %s" % (MEANING[level], note) if note else "The backup %s." % MEANING[level],
            )
        )
        self.level = self.level if level == REPLAY else level
        return True

    def required(self, wanted: str) -> Finding:
        """The finding on what was demanded."""
        reached = LEVELS.index(self.level) >= LEVELS.index(wanted)
        message = "Proven to %s, demanded is %s." % (self.level, wanted)
        advice = "" if reached else "Don't count on this backup; the finding of the first level that failed says why."
        return Finding("level", OK if reached else CRITICAL, self.level, wanted, message, advice)


def objectives(scenario: str, rto: Optional[float], rpo: Optional[float]) -> Tuple[Optional[float], Optional[float]]:
    """Seconds of RTO and RPO: the runbook's for a scenario, unless given."""
    table = RECOVERY_SECONDS[scenario]
    return (table[0] if rto is None else rto, table[1] if rpo is None else rpo)


def reach(backup: Backup, binlogs: List[Binlog], covered_until: Optional[str]) -> Dict[str, Any]:
    """Up to when data can be brought back with this backup: ``{to, by, reason}``.

    By the binary logs only where they follow the backup without a gap. ``covered_until`` is up to when the archive is known to hold
    everything; it counts when the whole chain is usable.
    """
    position = backup.manifest.position
    alone = {"to": iso(backup.at), "by": "backup"}
    if not position:
        return dict(alone, reason="the backup has no position in the binary log: %s" % backup.manifest.position_reason)
    chain = sorted(binlogs, key=lambda binlog: binlog.number)
    start = int(str(position["file"]).rpartition(".")[2])
    usable = [one for one in chain if one.number >= start]
    while usable and gaps(usable, position):
        usable.pop()
    if not usable:
        broken = gaps([one for one in chain if one.number >= start], position)
        return dict(alone, reason="; ".join(broken) or "no binary log is archived")
    whole = usable[-1] is chain[-1]
    ends = [backup.at, *(seconds_of(one.last_event) for one in usable if one.last_event)]
    if whole and covered_until:
        ends.append(seconds_of(covered_until))
    reason = "" if whole else "; ".join(gaps([one for one in chain if one.number >= start], position))
    return {"to": iso(max(ends)), "by": "binlog", "reason": reason}


def loss(reached: Dict[str, Any], at: float, last_event: Optional[str]) -> Dict[str, Any]:
    """What would be lost if the disaster was at ``at`` (Unix seconds)."""
    seconds = max(0.0, at - seconds_of(reached["to"]))
    event = None if last_event is None else max(0.0, at - seconds_of(last_event))
    return dict(reached, loss_at=iso(at), seconds=round(seconds), last_event=last_event, last_event_seconds=event)


def judge_loss(rpo: Dict[str, Any], objective: Optional[float]) -> Finding:
    if objective is None:
        return Finding("rpo", OK, rpo["seconds"], None, "The scenario has no objective for the loss of data.")
    text = "%s would be lost: data can be brought back up to %s by the %s%s." % (
        words(rpo["seconds"]),
        rpo["to"],
        rpo["by"],
        " (%s)" % rpo["reason"] if rpo["reason"] else "",
    )
    return measure("rpo", rpo["seconds"], None, objective, text, "Archive the binary logs, or back up more often.")


def judge_time(seconds: float, objective: Optional[float]) -> Finding:
    text = "From the backup to proven data took %s." % words(seconds)
    warning = None if objective is None else objective * _NEAR
    return measure(
        "rto",
        round(seconds, 1),
        warning,
        objective,
        text,
        "Use a faster engine (physical), a faster disk, or a smaller database.",
    )


def forecast(
    backups: List[Backup], rate: Optional[float], fixed: float, objective: Optional[float], days: int
) -> Dict[str, Any]:
    """How long a restore will take in ``days``, when the size goes on as in the catalogue. ``rate`` is bytes a second, ``fixed`` the
    seconds that do not depend on the size. Numbers are None where there is no telling, and ``reason`` says why.
    """
    points = [(one.at, float(one.manifest.uncompressed_bytes)) for one in backups if one.manifest.uncompressed_bytes]
    nothing = {"days": days, "bytes_per_day": None, "rto_seconds": None, "exceeded_in_days": None}
    if not rate:
        return dict(nothing, reason="nothing was restored")
    if len(points) < 2 or points[-1][0] - points[0][0] < 86400:
        return dict(nothing, reason="the catalogue has no two backups that are a day apart")
    mean_at = sum(at for at, unused in points) / len(points)
    mean_size = sum(size for unused, size in points) / len(points)
    spread = sum((at - mean_at) ** 2 for at, unused in points)
    slope = sum((at - mean_at) * (size - mean_size) for at, size in points) / spread
    newest = points[-1][1]
    later = max(0.0, newest + slope * days * 86400)
    exceeded = None
    if objective is not None and slope > 0:
        exceeded = max(0.0, ((objective - fixed) * rate - newest) / slope / 86400)
    return {
        "days": days,
        "bytes_per_day": round(slope * 86400),
        "rto_seconds": round(fixed + later / rate, 1),
        "exceeded_in_days": None if exceeded is None else round(exceeded),
        "reason": "",
    }


def judge_forecast(told: Dict[str, Any], objective: Optional[float]) -> List[Finding]:
    """A warning when the objective will be missed soon; no finding where there is no telling, because that is no fault."""
    if told["rto_seconds"] is None or objective is None:
        return []
    message = "In %d days a restore will take %s." % (told["days"], words(told["rto_seconds"]))
    late = told["rto_seconds"] > objective
    advice = "The objective will be missed in %s days." % told["exceeded_in_days"] if late else ""
    return [Finding("forecast", WARNING if late else OK, told["rto_seconds"], objective, message, advice)]


def moment(text: str, option: str) -> float:
    """Unix seconds of a time as people write it: ISO 8601, UTC unless it says otherwise.

    :raises BadInput: when it is none.
    """
    try:
        found = datetime.datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as error:
        raise BadInput("%s is '%s', which is no time such as 2026-01-31T02:00:00Z." % (option, text)) from error
    return (found if found.tzinfo else found.replace(tzinfo=datetime.timezone.utc)).timestamp()
