# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring a backup for real: into an empty database of a server that is used, marked until it is proven, settings put back always."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import time
from typing import Any, Callable, Dict, Iterator, List, Optional

from ..core.ending import ends_when_asked
from ..core.errors import BadInput, Failed, RunbookError
from ..core.times import iso
from ..core.verdict import OK, WARNING, Finding, summary
from ..mysql import connection as mysql
from ..mysql.login import Login, resolve
from ..storage.base import Storage, open_storage, split
from . import binlog_plan, contents, restore_state, scratch_programs, verify, verify_data
from . import verify_judge as judge
from .binlog_plan import Replay
from .catalogue import Backup
from .restore_engines import LogicalRestore, drop_database, make_database
from .restore_load import Loaded
from .restore_replay import Onto, Replayed, bring_forward
from .restore_source import Key, filters, intact
from .restore_state import Found
from .scratch import PrivateDir, sweep

_PROGRESS_SECONDS = 2.0


@dataclasses.dataclass
class Plan:
    """Everything decided before anything is changed."""

    storage: Storage
    backup: Backup
    login: Login
    database: str
    is_mariadb: bool
    found: Found
    commands: List[List[str]]
    key: Key
    replay: Optional[Replay]
    settings: Dict[str, str]
    reached: Dict[str, Any]


def run(params: Dict[str, Any], check_mode: bool, invariants: verify.Invariants) -> Dict[str, Any]:
    """Restore; in check mode everything up to the first change, which includes reading the whole backup."""
    began = time.time()
    if params["loss_at"]:
        judge.moment(params["loss_at"], "loss_at")
    ladder = judge.Ladder()
    phases: Dict[str, float] = {}
    with ends_when_asked("The restore"):
        sweep(params["scratch_dir"])
        plan = _plan(params, ladder, began)
        phases["find"] = time.time() - began
        started = time.monotonic()
        damage, unread = intact(plan.storage, plan.backup.manifest, plan.commands)
        phases["read"] = time.monotonic() - started
        if not ladder.step("L1", [*damage, *unread], "Take another backup; nothing was changed.", unsure=bool(unread)):
            raise _failure("The backup can't be used", ladder)
        replayed = None if check_mode else _perform(params, plan, ladder, phases, invariants)
    return _result(params, plan, ladder, phases, replayed, began, check_mode)


def _plan(params: Dict[str, Any], ladder: judge.Ladder, now: float) -> Plan:
    place, name = split(params["src"])
    storage = open_storage(place, params)
    storage.check()
    known, backup, absent = verify.find(storage, name, params)
    if backup is None:
        raise BadInput("There is nothing to restore: %s." % "; ".join(absent), "Check src; nothing was done.")
    manifest = backup.manifest
    if manifest.engine == "physical":
        raise BadInput(
            "%s is a copy of a whole server, which can't be loaded into a running one." % manifest.file,
            "Unpack it into an empty data directory, prepare it with the backup program, and start a server on it; or restore a "
            "backup of the engine dump or mydumper. Nothing was done.",
        )
    wanted = {"database": params["database"], "environment": params["environment"]}
    problems = judge.identity(backup, name or manifest.file, wanted, params["max_age_seconds"], now)
    if not ladder.step("L0", problems, "Nothing was changed."):
        raise _failure("The backup is not the one that is meant", ladder)
    login = dataclasses.replace(resolve(params), database=None)
    database = params["target_database"] or manifest.database
    with mysql.login(login) as connection:
        server = mysql.server(connection)
    scratch_programs.refuse_unfit(scratch_programs.ServerProgram(login.place, None, server), manifest.server, False)
    found = restore_state.look(login, database)
    restore_state.refuse(found, database, login.place, params["overwrite"], params["overwrite_database"])
    replay = None
    if params["until"]:
        replay = binlog_plan.plan(
            manifest.position, manifest.position_reason, known.binlogs, params["until"], verify.covered(storage)
        )
    key = Key(params["age_identity"], params["gpg_home"])
    commands = filters(manifest.compression, manifest.encryption, key)
    settings = dict(restore_state.read_settings(login))
    settings.update(found.note.get("settings") or {})  # a killed run left the server with others than its own
    return Plan(
        storage,
        backup,
        login,
        database,
        server.is_mariadb,
        found,
        commands,
        key,
        replay,
        settings,
        judge.reach(backup, known.binlogs, verify.covered(storage)),
    )


def _perform(
    params: Dict[str, Any], plan: Plan, ladder: judge.Ladder, phases: Dict[str, float], invariants: verify.Invariants
) -> Optional[Replayed]:
    manifest = plan.backup.manifest
    restore_state.begin(
        plan.login, plan.database, plan.found, manifest.file, manifest.digest(), time.time(), plan.settings
    )
    whole = False
    try:
        with _fast(plan, params["fast"]), PrivateDir(params["scratch_dir"]) as work:
            replayed = _load(params, plan, ladder, phases, work.home)
            _prove_rules(params, plan, ladder, phases, invariants)
        whole = True
    finally:
        if whole:
            restore_state.end(plan.login, plan.database)
        else:
            # What is not proven must not be taken for restored. The marker stays if even this fails.
            with contextlib.suppress(RunbookError):
                drop_database(plan.login, plan.database)
                if plan.found.state != restore_state.MISSING:
                    make_database(plan.login, plan.database)
    return replayed


def _load(
    params: Dict[str, Any], plan: Plan, ladder: judge.Ladder, phases: Dict[str, float], work_dir: str
) -> Optional[Replayed]:
    manifest = plan.backup.manifest
    progress = _progress(
        params["progress_file"], sum(int(facts.get("rows") or 0) for facts in manifest.tables.values())
    )
    restored = LogicalRestore(plan.storage, manifest, plan.commands, params["streams"], work_dir, progress).into(
        plan.login, plan.database
    )
    phases["restore"] = restored.seconds
    refusals = [restored.refusal.message] if restored.refusal else []
    refusals += [str(one["Message"]) for one in (restored.loaded.warnings if restored.loaded else [])]
    if not ladder.step("L2", [*restored.damage, *restored.unread, *refusals], "The database was emptied again."):
        raise _failure("The backup could not be loaded into '%s'" % plan.database, ladder)
    began = time.monotonic()
    seen = verify_data.read_contents(plan.login, plan.database, manifest, params["streams"])
    seen.tables.pop(restore_state.MARKER, None)
    seen.objects.pop("table:" + restore_state.MARKER, None)
    differences = [
        "%(what)s: %(observed)s instead of %(expected)s" % one for one in contents.differences(manifest, seen)
    ]
    phases["compare"] = time.monotonic() - began
    if not ladder.step("L3", differences, "The database was emptied again.", unsure=not manifest.consistent):
        raise _failure("What was restored is not what was backed up", ladder)
    if plan.replay is None:
        return None
    onto = Onto(plan.login, manifest.database, plan.database, plan.is_mariadb)
    try:
        replayed = bring_forward(plan.storage, plan.replay, plan.key, work_dir, onto)
    except RunbookError as error:
        ladder.step(judge.REPLAY, [error.message], error.advice)
        raise _failure("The binary logs could not be replayed", ladder) from error
    phases["replay"] = replayed.seconds
    ladder.step(judge.REPLAY, [], note="%d transactions, up to %s." % (replayed.transactions, replayed.to))
    return replayed


def _prove_rules(
    params: Dict[str, Any], plan: Plan, ladder: judge.Ladder, phases: Dict[str, float], invariants: verify.Invariants
) -> None:
    began = time.monotonic()
    problems = verify_data.check_assertions(plan.login, plan.database, params["assertions"])
    problems += verify_data.check_ledger(plan.login, plan.database, params["ledgers"])
    problems += invariants(plan.login, plan.database) if plan.backup.manifest.event_stores else []
    phases["invariants"] = time.monotonic() - began
    proven = ladder.step("L4", problems, "The data are what was backed up, and broke these rules there already.")
    if not proven and params["require_level"] == "L4":
        raise _failure("What was restored breaks its rules, and the database was emptied again", ladder)


@contextlib.contextmanager
def _fast(plan: Plan, wanted: bool) -> Iterator[None]:
    """Commits that do not wait for the disk; the server's own settings come back whatever happens, and were noted in the marker."""
    if wanted:
        restore_state.change_settings(plan.login, restore_state.FAST)
    try:
        yield
    finally:
        refused = restore_state.change_settings(plan.login, plan.settings)
        if refused or restore_state.read_settings(plan.login) != plan.settings:
            raise Failed(
                "The server's settings could not be put back: they should be %s. %s"
                % (plan.settings, " ".join(refused)),
                "Set them by hand: until then a crash of the server may lose committed transactions.",
            )


def _progress(path: Optional[str], rows: int) -> Callable[[Loaded], None]:
    """Keeps a small JSON file up to date for whoever waits."""
    began = time.monotonic()
    last = [0.0]

    def tell(loaded: Loaded) -> None:
        now = time.monotonic()
        if path is None or now - last[0] < _PROGRESS_SECONDS:
            return
        last[0] = now
        part = loaded.rows / rows if rows else None
        left = None if not part else round((now - began) * (1 - part) / part)
        told = {
            "at": iso(time.time()),
            "rows": loaded.rows,
            "of_rows": rows,
            "tables": len(loaded.tables),
            "seconds_left": left,
        }
        with contextlib.suppress(OSError):
            with open(path + ".new", "w", encoding="utf-8") as handle:
                json.dump(told, handle)
            os.replace(path + ".new", path)

    return tell


def _recovered_to(plan: Plan, replayed: Optional[Replayed]) -> Dict[str, Any]:
    """Up to when the data are there now (check mode: would be), in the form of ``verify_judge.reach``."""
    backup = {"to": iso(plan.backup.at), "by": "backup", "reason": "no binary logs were asked for"}
    if plan.replay is None:
        return backup
    if plan.replay.stop["kind"] == binlog_plan.LATEST:
        return plan.reached
    if plan.replay.stop["kind"] == "time":
        return {"to": iso(plan.replay.stop["value"]), "by": "binlog", "reason": "that was asked for"}
    if replayed is not None and replayed.last_event:
        return {"to": replayed.last_event, "by": "binlog", "reason": "that was asked for"}
    return backup


def _failure(what: str, ladder: judge.Ladder) -> Failed:
    last = ladder.findings[-1]
    return Failed("%s. %s" % (what, last.message), last.advice, level=ladder.level, **summary(ladder.findings))


def _result(
    params: Dict[str, Any],
    plan: Plan,
    ladder: judge.Ladder,
    phases: Dict[str, float],
    replayed: Optional[Replayed],
    began: float,
    check_mode: bool,
) -> Dict[str, Any]:
    manifest = plan.backup.manifest
    seconds = time.time() - began
    objective = judge.objectives(params["scenario"], params["rto_seconds"], None)[0]
    findings = list(ladder.findings)
    at = judge.moment(params["loss_at"], "loss_at") if params["loss_at"] else began
    rpo = judge.loss(_recovered_to(plan, replayed), at, replayed.last_event if replayed else None)
    rpo["objective"] = judge.objectives(params["scenario"], None, params["rpo_seconds"])[1]
    findings.append(judge.judge_loss(rpo, rpo["objective"]))
    if not check_mode:
        findings.append(judge.judge_time(seconds, objective))
    if plan.found.state == restore_state.UNFINISHED:
        message = "A restore of %s, begun at %s, had not ended; it was started over." % (
            plan.found.note.get("backup"),
            plan.found.note.get("started"),
        )
        findings.append(Finding("unfinished", WARNING, plan.found.note, None, message))
    if check_mode:
        findings.append(
            Finding("plan", OK, plan.found.state, None, "Nothing was changed; this is what would be restored.")
        )
    size, restore = manifest.uncompressed_bytes or 0, phases.get("restore")
    return {
        "changed": True,
        "backup": plan.storage.url(manifest.file),
        "target_database": plan.database,
        "before": plan.found.state,
        "level": ladder.level,
        "replayed": None if replayed is None else dataclasses.asdict(replayed),
        "restored_to": replayed.last_event or iso(plan.backup.at) if replayed else iso(plan.backup.at),
        "rto": {
            "phases": {k: round(v, 3) for k, v in phases.items()},
            "seconds": None if check_mode else round(seconds, 3),
            "objective": objective,
        },
        "rpo": rpo,
        "gib_per_minute": round(size / restore / (1 << 30) * 60, 3) if restore else None,
        "diff": {"before": {plan.database: plan.found.state}, "after": {plan.database: manifest.file}},
        **summary(findings),
    }
