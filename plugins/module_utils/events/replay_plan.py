# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a replay covers, and why it is refused before anything is touched. Pure: the application's words and options in."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from ..core.errors import BadInput, Refused
from .replay_app import Facts


@dataclasses.dataclass(frozen=True)
class Scope:
    """Which events go to which projectors, into which tables.

    ``classes`` are the names under which events of the handled classes are replayed, ``hidden`` those under which the package would
    pass them over without a word (a second alias, or the full name of a class that has one).
    """

    projectors: Tuple[str, ...]
    tables: Tuple[str, ...]
    classes: Tuple[str, ...]
    hidden: Tuple[str, ...]
    model: Optional[str]
    uuid: Optional[str]
    from_id: int

    @property
    def is_partial(self) -> bool:
        """Whether it leaves events out, so that what comes of it is no read model."""
        return self.uuid is not None or self.from_id > 1

    def where(self, upto: int, parts: int = 1, part: int = 0, key: str = "id") -> Tuple[str, List[Any]]:
        """The condition for the events, as the driver asks for them."""
        marks = ", ".join(["%s"] * len(self.classes))
        text, args = (
            "%s >= %%s AND %s <= %%s AND event_class IN (%s)" % (key, key, marks),
            [self.from_id, upto, *self.classes],
        )
        if self.uuid is not None:
            text, args = text + " AND aggregate_uuid = %s", [*args, self.uuid]
        if parts > 1:
            text, args = text + " AND IFNULL(CRC32(aggregate_uuid) %% %s, 0) = %s", [*args, parts, part]
        return text, args


def scope_of(params: Dict[str, Any], facts: Facts) -> Scope:
    """The scope, with every name known to the application.

    :raises Refused: when a projector is not known, with the nearest that are.
    """
    projectors = tuple(dict.fromkeys(name.lstrip("\\") for name in params["projectors"]))
    for name in projectors:
        if name not in facts.projectors:
            raise Refused(
                "The application has no projector %s.%s" % (name, nearest(name, facts.projectors)),
                "Nothing was changed.",
            )
    handled = list(dict.fromkeys(event for name in projectors for event in facts.projectors[name]["events"]))
    if not handled:
        raise Refused(
            "None of the projectors handles an event class by name, so the package would replay nothing to them."
        )
    classes, hidden = [], []
    for event in handled:
        aliases = [alias for alias, known in facts.class_map.items() if known == event]
        classes.append(aliases[0] if aliases else event)
        hidden += [*aliases[1:], event] if aliases else []
    return Scope(
        projectors,
        tuple(dict.fromkeys(params["projection_tables"])),
        tuple(classes),
        tuple(one for one in hidden if one not in classes),
        params["stored_event_model"],
        params["aggregate_uuid"],
        max(params["from_id"], 1),
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A sentence with the known names that look most like ``name``."""
    short = {one.rsplit("\\", 1)[-1].lower(): one for one in known}
    near = difflib.get_close_matches(name.rsplit("\\", 1)[-1].lower(), short, 3, 0.6)
    if near:
        return " Did you mean %s?" % " or ".join(short[one] for one in near)
    return " It has %s." % (", ".join(sorted(known)) or "none")


def refuse_engine(facts: Facts, engine: str) -> None:
    """:raises Refused: when the driver does not fit this application."""
    if facts.key != "id":
        raise Refused(
            "The key of %s is %s; replays go by a numeric id." % (facts.model, facts.key), "Nothing was changed."
        )
    if engine != "driver":
        return
    if facts.own_repository is not None:
        raise Refused(
            "The application has a stored event repository of its own, %s, which the driver would replace."
            % facts.own_repository,
            "Use engine artisan. Nothing was changed.",
        )
    if not facts.driver_fits:
        raise Refused(
            "The application's laravel-event-sourcing has other methods than the releases the driver was made for (7.12 and later).",
            "Use engine artisan. Nothing was changed.",
        )


def refuse_workers(scope: Scope, workers: int, declared: Sequence[str]) -> None:
    """:raises Refused: when a projector was not declared to be safe with several workers."""
    names = {name.lstrip("\\") for name in declared}
    unsafe = [name for name in scope.projectors if name not in names]
    if workers > 1 and unsafe:
        raise Refused(
            "%d workers apply events of different aggregates in another order than they were stored, and %s is not declared safe for that."
            % (workers, unsafe[0]),
            "List it in aggregate_safe if each row belongs to one aggregate or is only ever added to by one SQL statement; a value that is "
            "read, computed and written back loses updates without an error. Else use one worker.",
        )


def check(params: Dict[str, Any]) -> None:
    """:raises BadInput: when an option is out of its limits or lacks another."""
    limits = {
        "workers": (1, 16),
        "chunk_events": (1, 10000),
        "chunk_rows": (10, 100000),
        "samples": (0, 1000),
        "rounds": (1, 100),
    }
    for name, (low, high) in limits.items():
        if not low <= params[name] <= high:
            raise BadInput("%s must be from %d to %d, not %d." % (name, low, high, params[name]))
    for name in ("from_id", "settle_seconds", "chunk_seconds", "sample_events", "max_blocked_seconds"):
        if params[name] < 0:
            raise BadInput("%s must not be negative." % name)
    if not params["login_db"]:
        raise BadInput("login_db, the application's database, is needed.")
    if params["queues"] and params["queue_prefix"] is None:
        raise BadInput("queues needs queue_prefix, Laravel's prefix of its keys in Redis; it may be empty.")
    if params["undo"] or params["cleanup"]:
        return
    for name in ("projectors", "projection_tables"):
        if not params[name]:
            raise BadInput("%s is needed: a replay without it would mean all of them." % name)
    if params["aggregate_uuid"] is not None:
        lacking = [table for table in params["projection_tables"] if table not in params["aggregate_columns"]]
        if lacking:
            raise BadInput(
                "%s can't be compared for one aggregate: aggregate_columns does not say which of its columns has the uuid."
                % lacking[0],
                "A table whose rows belong to several aggregates can only be proved with all events.",
            )
    for name in ("ignore_columns", "key_columns", "aggregate_columns"):
        unknown = [table for table in params[name] if table not in params["projection_tables"]]
        if unknown:
            raise BadInput("%s names %s, which is none of projection_tables." % (name, unknown[0]))
    if params["activate"] and (params["aggregate_uuid"] is not None or params["from_id"] > 1):
        raise BadInput(
            "A replay of a part of the events can be proved, not activated.", "Leave out aggregate_uuid and from_id."
        )
    if params["strategy"] == "in_place" and (params["activate"] or params["workers"] > 1):
        raise BadInput("strategy in_place has one worker and nothing to activate.")
    if params["engine"] == "artisan" and params["workers"] > 1:
        raise BadInput("engine artisan has one worker.")
