# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The task event_replay: its own options, what it reads before it makes anything, and the result."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any, Dict, Iterator, List, Optional

from ..core import verdict
from ..core.errors import BadInput
from ..core.verdict import CRITICAL, OK, UNKNOWN, Finding
from ..mysql.connection import login, server
from ..mysql.login import resolve
from ..transport.base import make
from . import replay_activate, replay_counts, replay_in_place, replay_plan, replay_schema
from .replay_app import Application, one_place, refuse_model
from .replay_aside import Ground, Rebuild, Site, rebuild, sample
from .replay_compare import Drift, shape_of
from .replay_schema import Names


def names_of(params: Dict[str, Any]) -> Names:
    live = params["login_db"]
    names = Names(live, params["scratch_schema"] or live + "_replay", params["old_schema"] or live + "_replaced")
    if len({names.live, names.scratch, names.old}) != 3:
        raise BadInput("login_db, scratch_schema and old_schema must be three databases.")
    return names


@contextlib.contextmanager
def site_of(params: Dict[str, Any], check_mode: bool) -> Iterator[Site]:
    """The server under the lock, and the application asked; what a killed task left half-done is made good first."""
    names = names_of(params)
    admin = dataclasses.replace(resolve(params), database=None)
    transport = make(params)
    environment = {str(key): str(value) for key, value in params["environment"].items()}
    app = Application(transport, one_place(transport), params["app_dir"], params["php"], environment, params["timeout"])
    with login(admin) as connection:
        # It lasts as long as a replay may, for the lock lives in it.
        connection.rows("SET SESSION sql_mode = '', time_zone = '+00:00', wait_timeout = 2419200")
        if not server(connection).is_mariadb:  # MySQL keeps what it tells of a table for a day
            connection.rows("SET SESSION information_schema_stats_expiry = 0")
        with replay_schema.one_at_a_time(connection, names):
            if not check_mode:
                replay_in_place.recover(app, connection, names, params)
            facts = app.facts(params["stored_event_model"])
            refuse_model(facts, names.live)
            yield Site(connection, admin, names, app, facts, params)


def ground_of(site: Site) -> Ground:
    """Everything read and found fit, with nothing made yet."""
    params, connection, names, facts = site.params, site.connection, site.names, site.facts
    scope = replay_plan.scope_of(params, facts)
    replay_plan.refuse_engine(facts, "artisan" if params["strategy"] == "in_place" else params["engine"])
    replay_plan.refuse_workers(scope, params["workers"], params["aggregate_safe"])
    store = replay_counts.store_table(connection, names.live, facts.table)
    if store.name in scope.tables:
        raise BadInput("projection_tables names %s, the event store itself." % store.name)
    replay_schema.refuse_tables(connection, names, scope.tables, params["activate"])
    if params["strategy"] == "in_place":
        replay_in_place.refuse_projectors(params, facts, scope)
    if params["activate"] or params["strategy"] == "in_place":
        replay_activate.refuse_running(site)
        replay_activate.refuse_queues(params, scope.projectors, facts)
    replay_counts.refuse_archived(connection, names, store)
    replay_counts.refuse_hidden(connection, names, store.name, scope)
    shapes = [
        shape_of(
            connection,
            names,
            table,
            params["ignore_columns"].get(table, []),
            params["key_columns"].get(table),
            params["aggregate_columns"].get(table),
        )
        for table in scope.tables
    ]
    return Ground(connection, site.admin, names, site.app, facts, params, scope, store, shapes)


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Do what the options say."""
    replay_plan.check(params)
    with site_of(params, check_mode) as site:
        if params["cleanup"]:
            removed = replay_activate.cleanup(site.connection, site.names, check_mode)
            return {"changed": bool(removed), "removed": removed}
        if params["undo"]:
            return replay_activate.undo(site, check_mode)
        ground = ground_of(site)
        if check_mode:
            return planned(ground)
        if params["strategy"] == "in_place":
            return replayed(ground, replay_in_place.replay(ground))
        with rebuild(ground, params["restart"]) as built:
            built.catch_up()
            drifts = built.compare()
            result = proved(ground, built, drifts)
            if params["activate"]:
                result["activation"] = replay_activate.activate(ground, built, drifts)
                result["changed"] = result["activation"]["activated"]
        if not params["keep"]:
            replay_schema.drop(ground.connection, ground.names.scratch)
        return result


def planned(ground: Ground) -> Dict[str, Any]:
    """What a replay would do, with the time it would take by a measured sample."""
    classes = ground.by_class(ground.head())
    state = replay_schema.read_state(ground.connection, ground.names)
    each = sample(ground)
    return {
        **_common(ground),
        "changed": ground.params["activate"] or ground.params["strategy"] == "in_place",
        "upto": ground.head(),
        "classes": classes,
        "events": sum(classes.values()),
        "applied": 0,
        "chunks": 0,
        "retried": 0,
        "memory_bytes": 0,
        "skipped": 0,
        "seconds": 0.0,
        "events_per_second": None,
        "resumed": state is not None and state.plan == ground.plan() and not ground.params["restart"],
        "expected_seconds": None if each is None else round(each * sum(classes.values()) / ground.params["workers"], 1),
        "drift": [],
        "verdict": UNKNOWN,
        "findings": [],
    }


def _common(ground: Ground) -> Dict[str, Any]:
    known = ground.facts.projectors
    return {
        "projectors": [{"name": name, **known[name]} for name in ground.scope.projectors],
        "tables": list(ground.scope.tables),
        "store": ground.store.label,
        "model": ground.facts.model,
    }


def proved(ground: Ground, built: Rebuild, drifts: List[Drift]) -> Dict[str, Any]:
    """The result of a rebuild that was compared."""
    at, work = built.progress(), built.engine.work
    findings = judge(at.skipped, at.skipped_ids, drifts, ground.facts.connections, ground.params["allow_connections"])
    applied = at.events - built.first.events
    return {
        **_common(ground),
        "changed": False,
        "upto": built.goal,
        "classes": at.classes,
        "events": at.events,
        "applied": applied,
        "resumed": built.resumed,
        "chunks": work.chunks,
        "retried": work.retried,
        "memory_bytes": work.memory_bytes,
        "skipped": at.skipped,
        "seconds": round(work.seconds, 3),
        "events_per_second": round(applied / work.seconds, 1) if work.seconds else None,
        "expected_seconds": None,
        "drift": [drift.as_dict(shape, ground.params["samples"]) for drift, shape in zip(drifts, ground.shapes)],
        **verdict.summary(findings),
    }


def replayed(ground: Ground, done: replay_in_place.Replayed) -> Dict[str, Any]:
    """The result of a replay in place: its drift is what it changed."""
    events = sum(done.classes.values())
    findings = [
        Finding(
            "replay", OK, events, events, "%d events were applied, as many as SQL counts, and none failed." % events
        )
    ]
    return {
        **_common(ground),
        "changed": any(drift.total for drift in done.drifts),
        "upto": done.upto,
        "classes": done.classes,
        "events": events,
        "applied": events,
        "resumed": False,
        "chunks": 1,
        "retried": 0,
        "memory_bytes": done.memory_bytes,
        "skipped": 0,
        "seconds": done.seconds,
        "events_per_second": round(events / done.seconds, 1) if done.seconds else None,
        "expected_seconds": None,
        "drift": [drift.as_dict(shape, ground.params["samples"]) for drift, shape in zip(done.drifts, ground.shapes)],
        "blocked_seconds": round(done.blocked_seconds, 3),
        **verdict.summary(findings),
    }


def judge(
    skipped: int, skipped_ids: List[int], drifts: List[Drift], connections: List[str], allowed: Optional[List[str]]
) -> List[Finding]:
    """One finding for each table, one for events that a projector failed to apply."""
    findings = []
    for drift in drifts:
        numbers = drift.numbers()
        text = "%(missing)d rows missing, %(extra)d extra, %(different)d different" % numbers
        if drift.total:
            advice = "See the samples. Check that no projector's job waits or failed; activate puts the rebuilt table in its place."
            findings.append(
                Finding("drift:" + drift.table, CRITICAL, drift.total, 0, "%s: %s." % (drift.table, text), advice)
            )
        elif drift.unsettled:
            message = "%s: %d rows changed while they were compared." % (drift.table, drift.unsettled)
            findings.append(
                Finding("drift:" + drift.table, UNKNOWN, drift.unsettled, 0, message, "Run it when less is written.")
            )
        else:
            message = "%s: all %d rows are as the events say." % (drift.table, drift.rows_live)
            findings.append(Finding("drift:" + drift.table, OK, 0, 0, message))
    if skipped:
        message = "Projectors threw at %d events (ids %s), and catch_exceptions let them pass." % (
            skipped,
            ", ".join(map(str, skipped_ids)),
        )
        findings.append(
            Finding(
                "skipped",
                CRITICAL,
                skipped,
                0,
                message,
                "Their rows are wrong; see the application's log.",
            )
        )
    open_ones = [name for name in connections if name in (allowed or [])]
    if open_ones:
        message = "The projectors could write through the connections %s, which were left open." % ", ".join(open_ones)
        findings.append(Finding("connections", UNKNOWN, open_ones, [], message, "Leave them out of allow_connections."))
    return findings
