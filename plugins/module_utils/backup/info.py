# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a catalogue means: how much would be lost now, and what was proven. Pure but for ``run``."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Optional

from ..core.thresholds import RECOVERY_SECONDS
from ..core.times import words
from ..core.verdict import CRITICAL, OK, UNKNOWN, WARNING, Finding, measure, summary
from ..storage.base import open_storage
from . import catalogue
from .binlog_ship import read_covered
from .catalogue import Backup, Catalogue, gaps, seconds_of


def run(params: Dict[str, Any]) -> Dict[str, Any]:
    """Read the storage and judge what is in it."""
    storage = open_storage(params["src"], params)
    storage.check()
    known = catalogue.read(storage, params["database"], params["environment"])
    covered = read_covered(storage)
    rpo = params["rpo_seconds"]
    limits = {
        "rpo_seconds": RECOVERY_SECONDS[params["scenario"]][1] if rpo is None else rpo,
        "max_age_seconds": params["max_age_seconds"],
        "max_proof_age_seconds": params["max_proof_age_seconds"],
    }
    return report(known, covered["until"] if covered else None, limits, time.time(), storage.url)


def report(
    known: Catalogue,
    covered_until: Optional[str],
    limits: Dict[str, Any],
    now: float,
    url: Callable[[str], str],
) -> Dict[str, Any]:
    """The return values of the module. ``covered_until`` is the time up to which the binary logs are archived, None without any."""
    newest, proven = known.newest(), known.newest(proven=True)
    chain = gaps(known.binlogs, newest.manifest.position if newest else None) if known.binlogs else []
    loss = _loss(newest, known, chain, covered_until, now)
    findings = [
        _newest(newest, now, limits["max_age_seconds"]),
        _rpo(loss, limits["rpo_seconds"]),
        _binlogs(known, chain),
        _proven(proven, now, limits["max_proof_age_seconds"]),
        _whole(known),
        _records(known),
    ]
    return {
        "backups": [_backup(one, now, url) for one in known.backups],
        "newest": url(newest.manifest.file) if newest else None,
        "newest_proven": url(proven.manifest.file) if proven else None,
        "loss_seconds": None if loss is None else round(loss),
        "rpo_seconds": limits["rpo_seconds"],
        "binlogs": {
            "first": known.binlogs[0].name if known.binlogs else None,
            "last": known.binlogs[-1].name if known.binlogs else None,
            "count": len(known.binlogs),
            "size_bytes": sum(one.size_bytes for one in known.binlogs),
            "covered_until": covered_until,
            "gaps": chain,
        },
        "strays": [url(one.name) for one in known.strays],
        "unreadable": {url(name): why for name, why in sorted(known.unreadable.items())},
        **summary(findings),
    }


def _backup(one: Backup, now: float, url: Callable[[str], str]) -> Dict[str, Any]:
    manifest = one.manifest
    return {
        "path": url(manifest.file),
        "database": manifest.database,
        "environment": manifest.environment,
        "engine": manifest.engine,
        "encryption": manifest.encryption["kind"] if manifest.encryption else None,
        "taken": manifest.taken,
        "age_seconds": round(now - one.at),
        "size_bytes": manifest.size_bytes,
        "consistent": manifest.consistent,
        "position": manifest.position,
        "missing": one.missing,
        "level": one.level,
        "proven": one.proven,
        "proven_at": one.proofs[-1].at if one.proofs else None,
        "proof_verdict": one.proofs[-1].verdict if one.proofs else None,
    }


def _loss(
    newest: Optional[Backup], known: Catalogue, chain: List[str], covered_until: Optional[str], now: float
) -> Optional[float]:
    """Seconds of data that would be lost if the server were lost now; None when nothing could be restored at all.

    The logs count only when they lead on from the newest whole backup without a gap.
    """
    if newest is None:
        return None
    reachable = newest.at
    if newest.manifest.position and known.binlogs and not chain and covered_until:
        reachable = max(reachable, seconds_of(covered_until))
    return max(0.0, now - reachable)


def _newest(newest: Optional[Backup], now: float, limit: float) -> Finding:
    if newest is None:
        return Finding("newest", CRITICAL, None, limit, "There is no whole backup here.", "Make one, and find out why.")
    age = now - newest.at
    return measure(
        "newest",
        round(age),
        None,
        limit,
        "The newest whole backup is %s old: %s." % (words(age), newest.manifest.file),
        "Find out why the later ones failed, and make one.",
    )


def _rpo(loss: Optional[float], limit: Optional[float]) -> Finding:
    if limit is None:
        return Finding("rpo", OK, loss, None, "The objectives of this scenario name no loss.")
    if loss is None:
        return Finding("rpo", CRITICAL, None, limit, "Everything would be lost now.", "Make a backup.")
    return measure(
        "rpo",
        round(loss),
        None,
        limit,
        "If the server were lost now, the last %s would be lost." % words(loss),
        "Archive the binary logs often enough (binlog_archive), and without a gap.",
    )


def _binlogs(known: Catalogue, chain: List[str]) -> Finding:
    if not known.binlogs:
        return Finding(
            "binlogs",
            WARNING,
            [],
            [],
            "No binary logs are archived here, so nothing after a backup can be restored.",
            "Run binlog_archive on a schedule.",
        )
    if chain:
        return Finding(
            "binlogs",
            CRITICAL,
            chain,
            [],
            "The binary logs have gaps: %s." % "; ".join(chain),
            "Make a new backup now.",
        )
    return Finding("binlogs", OK, [], [], "The binary logs lead on from the newest backup without a gap.")


def _proven(proven: Optional[Backup], now: float, limit: float) -> Finding:
    if proven is None:
        return Finding(
            "proven",
            CRITICAL,
            None,
            limit,
            "None of these backups was ever restored and found equal.",
            "Run backup_verify.",
        )
    age = now - seconds_of(proven.proofs[-1].at)
    return measure(
        "proven",
        round(age),
        limit,
        None,
        "The newest proven backup is %s, proven to %s %s ago." % (proven.manifest.file, proven.level, words(age)),
        "Run backup_verify.",
    )


def _whole(known: Catalogue) -> Finding:
    broken = {one.manifest.file: one.missing for one in known.backups if one.missing}
    failed = [
        one.manifest.file for one in known.backups if one.proofs and one.proofs[-1].verdict in (CRITICAL, UNKNOWN)
    ]
    if not broken and not failed:
        return Finding("whole", OK, [], [], "All data of all backups are there.")
    told = ["%s lacks %s" % (file, ", ".join(missing)) for file, missing in broken.items()]
    told += ["the last verification of %s failed" % file for file in failed]
    seen = sorted({*broken, *failed})
    return Finding(
        "whole", WARNING, seen, [], "Not to be relied on: %s." % "; ".join(told), "Find out how that came about."
    )


def _records(known: Catalogue) -> Finding:
    if not known.unreadable:
        return Finding("records", OK, [], [], "All manifests, proofs and records can be read.")
    names = sorted(known.unreadable)
    why = " ".join(known.unreadable[name] for name in names)
    return Finding("records", WARNING, names, [], "Some records count for nothing: %s" % why, "Look at them.")
