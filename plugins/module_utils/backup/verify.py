# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proving a backup: find it, restore it, hold it to its manifest and its invariants, measure, keep the proof."""

from __future__ import annotations

import dataclasses
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from ..core.ending import ends_when_asked
from ..core.errors import BadInput, Refused, RunbookError
from ..core.times import iso
from ..core.verdict import summary, worst
from ..mysql.login import Login
from ..storage.base import Storage, open_storage, split
from . import binlog_plan, catalogue, contents, verify_data
from . import verify_judge as judge
from .binlog_plan import Replay
from .binlog_ship import read_covered
from .catalogue import LEVELS, Backup, Catalogue
from .manifest import SUFFIX, Manifest
from .restore_engines import LogicalRestore, Restored, make_definers
from .restore_physical import physical
from .restore_replay import Onto, Replayed, bring_forward
from .restore_source import Key, filters, intact
from .restore_target import Target, target
from .scratch import PrivateDir

REPLAY = judge.REPLAY
#: Event stores of a restored database, judged: what is wrong with them. Handed in, because events are another domain.
Invariants = Callable[[Login, str], List[str]]


@dataclasses.dataclass
class Run:
    """What one verification gathers. ``phases`` are seconds."""

    params: Dict[str, Any]
    ladder: judge.Ladder
    phases: Dict[str, float]
    known: Catalogue
    last_event: Optional[str] = None
    server: str = ""
    replayed: Optional[Replayed] = None


def run(params: Dict[str, Any], check_mode: bool, invariants: Invariants) -> Dict[str, Any]:
    """Verify as the options say; in check mode all but the writing of the proof."""
    began = time.time()
    loss_at = judge.moment(params["loss_at"], "loss_at") if params["loss_at"] else began
    if params["until"] and LEVELS.index(params["require_level"]) < LEVELS.index("L3"):
        raise BadInput("until needs require_level L3 or more: only data that are proven are brought forward.")
    place, name = split(params["src"])
    storage = open_storage(place, params)
    storage.check()
    known, backup, absent = find(storage, name, params)
    what = Run(params, judge.Ladder(), {"find": time.time() - began}, known)
    with ends_when_asked("The verification"):
        if backup is None:
            what.ladder.step("L0", absent, "Look for it, or take a new one: without it there is nothing to restore.")
        else:
            _climb(what, storage, backup, backup.manifest.file if name is None else name, began, invariants)
    return _report(what, storage, known, backup, began, loss_at, check_mode)


def find(
    storage: Storage, name: Optional[str], params: Dict[str, Any]
) -> Tuple[Catalogue, Optional[Backup], List[str]]:
    """The catalogue, the backup that is meant, and why there is none. Without a name it is the newest one."""
    known = catalogue.read(storage)
    if name is None:
        wanted = [
            one
            for one in known.backups
            if params["database"] in (None, one.manifest.database)
            and params["environment"] in (None, one.manifest.environment)
            and (one.proven or not params["proven"])
        ]
        broken = ["; ".join("%s" % text for text in known.unreadable.values())] if known.unreadable else []
        kind = "proven backup" if params["proven"] else "backup"
        absent = "there is no such %s at %s" % (kind, storage.place)
        return known, wanted[-1] if wanted else None, [absent, *broken]
    if name.endswith(SUFFIX):
        raise BadInput("src is the manifest; name the backup itself.", "Leave %s out." % SUFFIX)
    if name + SUFFIX in known.unreadable:
        # A manifest under another backup's name can still be read; then it is told which backup it belongs to.
        return known, None, [known.unreadable[name + SUFFIX]]
    found = next((one for one in known.backups if one.manifest.file == name), None)
    if found is not None:
        return known, found, []
    there, address = storage.stat(name), storage.url(name)
    why = "%s is not there" % address
    if there is not None:
        why = "%s (%d bytes) has no manifest, so nothing says what it should be equal to" % (address, there.size_bytes)
    return known, None, [why]


def _climb(what: Run, storage: Storage, backup: Backup, name: str, now: float, invariants: Invariants) -> None:
    params, ladder, manifest = what.params, what.ladder, backup.manifest
    wanted = {"database": params["database"], "environment": params["environment"]}
    problems = judge.identity(backup, name, wanted, params["max_age_seconds"], now)
    if not ladder.step("L0", problems, "Find out how it came to be under this name before it is used.") or _enough(
        what, "L0"
    ):
        return
    replay = _plan_replay(what, storage, manifest)
    if replay is None and params["until"]:
        return
    key = Key(params["age_identity"], params["gpg_home"])
    commands = filters(manifest.compression, manifest.encryption, key)
    if _enough(what, "L1"):
        _whole(ladder, *intact(storage, manifest, commands))
        return
    if manifest.engine == "physical":
        if params["target"] == "server":
            raise BadInput(
                "A physical backup is a whole server; it can't be restored into one.", "Take target scratch."
            )
        with physical(params, storage, manifest, commands) as (there, restored):
            what.phases["restore"], what.server = restored.seconds, there.server
            if _loaded(ladder, restored, there) and not _enough(what, "L2"):
                _prove(what, storage, manifest, there, replay, key, invariants)
        return
    with target(params, manifest) as there:
        what.phases["server"], what.server = there.seconds, there.server
        restored = LogicalRestore(storage, manifest, commands, params["streams"], there.work_dir).into(
            there.login, there.database
        )
        what.phases["restore"] = restored.seconds
        if _loaded(ladder, restored, there) and not _enough(what, "L2"):
            _prove(what, storage, manifest, there, replay, key, invariants)


def _plan_replay(what: Run, storage: Storage, manifest: Manifest) -> Optional[Replay]:
    """Before anything is restored: whether the archived logs lead to ``until``."""
    if not what.params["until"]:
        return None
    try:
        found = binlog_plan.plan(
            manifest.position, manifest.position_reason, what.known.binlogs, what.params["until"], covered(storage)
        )
    except Refused as error:
        what.ladder.step(REPLAY, [error.message], error.advice)
        return None
    return found


def _replay(what: Run, storage: Storage, replay: Replay, manifest: Manifest, there: Target, key: Key) -> bool:
    onto = Onto(there.login, manifest.database, there.database, there.is_mariadb, there.relay_dir)
    with PrivateDir(what.params["scratch_dir"]) as work:
        try:
            what.replayed = bring_forward(storage, replay, key, work.home, onto, there.death)
        except RunbookError as error:
            return what.ladder.step(REPLAY, [error.message], error.advice)
    what.phases["replay"] = what.replayed.seconds
    what.last_event = verify_data.last_event(there.login, there.database, manifest)
    note = "%d transactions, up to %s." % (what.replayed.transactions, what.replayed.to)
    return what.ladder.step(REPLAY, [], note=note)


def _whole(ladder: judge.Ladder, damage: List[str], unread: List[str]) -> bool:
    if unread and not damage:
        return ladder.step("L1", unread, "See to the storage, and verify again.", unsure=True)
    return ladder.step("L1", damage, "Take another backup; this one is lost.")


def _loaded(ladder: judge.Ladder, restored: Restored, there: Target) -> bool:
    death = there.death()
    if not _whole(ladder, restored.damage, restored.unread):
        return False
    refusals = [restored.refusal.message] if restored.refusal else []
    loaded = restored.loaded
    if loaded is not None and loaded.warning_count:
        refusals += [
            "%d warnings, such as: %s (table %s)" % (loaded.warning_count, one["Message"], one["table"] or "-")
            for one in loaded.warnings[:1]
        ]
    if death:
        # The backup may be well; it was not seen.
        return ladder.step("L2", [death, *refusals], "See why the scratch server ended, and verify again.", unsure=True)
    rows = "%d rows in %d tables." % (loaded.rows, len(loaded.tables)) if loaded else ""
    return ladder.step("L2", refusals, "This backup can't be restored as it is.", note=rows)


def _prove(
    what: Run,
    storage: Storage,
    manifest: Manifest,
    there: Target,
    replay: Optional[Replay],
    key: Key,
    invariants: Invariants,
) -> None:
    params, ladder = what.params, what.ladder
    began = time.monotonic()
    seen = verify_data.read_contents(there.login, there.database, manifest, params["streams"])
    differences = [
        "%(what)s: %(observed)s instead of %(expected)s" % one for one in contents.differences(manifest, seen)
    ]
    unknown = contents.uncompared(manifest)
    what.last_event = verify_data.last_event(there.login, there.database, manifest)
    what.phases["compare"] = time.monotonic() - began
    unsure = not manifest.consistent or not differences
    reasons = differences or ["nothing is known of %s" % one for one in unknown]
    if differences and not manifest.consistent:
        reasons = [*differences, "the manifest was not taken in the same state: %s" % manifest.consistent_reason]
    rows = sum(int(facts["rows"] or 0) for facts in seen.tables.values())
    note = "%d tables, %d rows, %d definitions compared." % (len(seen.tables), rows, len(seen.objects))
    if not ladder.step("L3", reasons, "It is not what it was taken from.", unsure=unsure, note=note):
        return
    if replay is not None and not _replay(what, storage, replay, manifest, there, key):
        return
    if _enough(what, "L3"):
        return
    began = time.monotonic()
    if params["target"] == "scratch" and manifest.engine != "physical":
        make_definers(there.login, there.database)
    problems = verify_data.check_assertions(there.login, there.database, params["assertions"])
    problems += verify_data.check_ledger(there.login, there.database, params["ledgers"])
    problems += invariants(there.login, there.database) if manifest.event_stores else []
    what.phases["invariants"] = time.monotonic() - began
    note = "%d event stores, %d ledgers, %d assertions." % (
        len(manifest.event_stores),
        len(params["ledgers"]),
        len(params["assertions"]),
    )
    advice = "The backup is true to its source, so the source has the same fault: look there."
    if not ladder.step("L4", problems, advice, note=note) or _enough(what, "L4"):
        return
    began = time.monotonic()
    problems = verify_data.run_commands(there.login, there.database, params["commands"], there.work_dir)
    what.phases["application"] = time.monotonic() - began
    ladder.step(
        "L5",
        problems or ([] if params["commands"] else ["no commands are given"]),
        "Ask those who know the application.",
    )


def _enough(what: Run, level: str) -> bool:
    """Whether nothing above ``level`` is wanted. With commands the application is asked without being demanded."""
    wanted = what.params["require_level"]
    return LEVELS.index(wanted) <= LEVELS.index(level) and not (what.params["commands"] and wanted == "L4")


def _report(
    what: Run,
    storage: Storage,
    known: Catalogue,
    backup: Optional[Backup],
    began: float,
    loss_at: float,
    check_mode: bool,
) -> Dict[str, Any]:
    params = what.params
    rto_objective, rpo_objective = judge.objectives(params["scenario"], params["rto_seconds"], params["rpo_seconds"])
    findings = [*what.ladder.findings, what.ladder.required(params["require_level"])]
    rto: Dict[str, Any] = {
        "phases": {k: round(v, 3) for k, v in what.phases.items()},
        "seconds": None,
        "objective": rto_objective,
    }
    rpo: Dict[str, Any] = {"objective": rpo_objective, "seconds": None}
    told: Dict[str, Any] = {}
    throughput = None
    if backup is not None:
        size, restore = backup.manifest.uncompressed_bytes, what.phases.get("restore")
        reached = judge.reach(backup, known.binlogs, covered(storage))
        rpo = dict(judge.loss(reached, loss_at, what.last_event), objective=rpo_objective)
        findings.append(judge.judge_loss(rpo, rpo_objective))
        if restore and not what.ladder.broken:
            total = sum(what.phases.values())
            rto["seconds"] = round(total, 3)
            throughput = round((size or 0) / restore / (1 << 30) * 60, 3)
            findings.append(judge.judge_time(total, rto_objective))
        same = [one for one in known.backups if one.manifest.database == backup.manifest.database]
        rate = (size or 0) / restore if restore and not what.ladder.broken else None
        told = judge.forecast(
            same, rate, sum(what.phases.values()) - (restore or 0), rto_objective, params["forecast_days"]
        )
        findings += judge.judge_forecast(told, rto_objective)
    outcome = summary(findings)
    proof = None
    if backup is not None and params["proof"] and not check_mode:
        proof = storage.url(_keep_proof(storage, backup, what, outcome, rto, rpo, began))
    return {
        "changed": bool(backup is not None and params["proof"]),
        "backup": None if backup is None else storage.url(backup.manifest.file),
        "manifest": None if backup is None else backup.manifest.as_dict(),
        "level": what.ladder.level,
        "replayed": None if what.replayed is None else dataclasses.asdict(what.replayed),
        "server": what.server,
        "rto": rto,
        "rpo": rpo,
        "gib_per_minute": throughput,
        "forecast": told,
        "proof": proof,
        "seconds": round(time.time() - began, 3),
        **outcome,
    }


def _keep_proof(
    storage: Storage, backup: Backup, what: Run, outcome: Dict[str, Any], rto: Any, rpo: Any, began: float
) -> str:
    """The verdict of a proof is that on the backup itself; whether the objectives are met is another matter."""
    proof = catalogue.Proof(
        file=backup.manifest.file,
        manifest_digest=backup.manifest.digest(),
        level=what.ladder.level,
        verdict=worst(one.verdict for one in what.ladder.findings),
        at=iso(began),
        seconds=round(time.time() - began, 3),
        rto=rto,
        rpo=rpo,
        findings=outcome["findings"],
    )
    return catalogue.write_proof(storage, proof)


def covered(storage: Storage) -> Optional[str]:
    """Up to when the archive of binary logs holds everything, as the last shipping said."""
    found = read_covered(storage)
    return found["until"] if found else None
