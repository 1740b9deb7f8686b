# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which application, which prefixes, which queues: found in the key names with SCAN, never with KEYS."""

from __future__ import annotations

import dataclasses
from typing import Callable, Dict, FrozenSet, List, Optional, Sequence, Set

from ..core.errors import BadInput, Unavailable
from . import names
from .connection import Wire

#: Keys looked at in one step (Redis answers nobody else in the meantime: well under a millisecond) and most steps.
SCAN_COUNT = 1000
SCAN_STEPS = 20000


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the options say; None or empty is: find out."""

    horizon_prefix: Optional[str] = None
    queue_prefix: Optional[str] = None
    app: Optional[str] = None
    trust_prefix: bool = False
    discover: bool = True
    cache_database: Optional[int] = None
    cache_prefix: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in Redis one application's Horizon and queues lie.

    ``horizon_prefix`` is None when no trace of any Horizon was found. ``cache_prefix`` is None when it is not known whether the
    flags of ``queue:pause`` are in this Redis. ``command_lists`` are the targets for whom a list of commands exists.
    ``trusted`` says that no key at all means not running, rather than not known.
    ``settled`` is False while something was guessed because there was no key to find it in: look again before the next snapshot.
    """

    horizon_prefix: Optional[str]
    queue_prefix: str
    queues: Dict[str, names.QueueKey]
    command_lists: FrozenSet[str] = frozenset()
    cache_database: int = 1
    cache_prefix: Optional[str] = None
    settled: bool = True
    trusted: bool = False

    def queue(self, name: str) -> names.QueueKey:
        """The queue of this name. Where Horizon's prefix is a hash tag (clusters, Laravel 13.5), so is the queue's name."""
        tagged = (self.horizon_prefix or "").startswith("{") and not name.startswith("{")
        return self.queues.get(name) or names.QueueKey(name, "queues:{%s}" % name if tagged else "queues:" + name)


def locate(wire: Wire, wanted: Wanted) -> Place:
    """Find what the options left open.

    :raises BadInput: when there are several applications or prefixes and the options choose none, or none of those found.
    """
    if wanted.trust_prefix and wanted.horizon_prefix is None:
        raise BadInput("trust_prefix needs horizon_prefix: a prefix that is to be found first can't be trusted.")
    keys: List[Set[str]] = [set(), set(), set()]
    if wanted.discover:
        given = wanted.horizon_prefix is not None and wanted.queue_prefix is not None
        horizon, queue = names.escape(wanted.horizon_prefix or ""), names.escape(wanted.queue_prefix or "")
        keys = walk(
            wire,
            [
                ("*" if wanted.queue_prefix is None else queue) + "queues:*",
                ("*" if wanted.horizon_prefix is None else horizon) + "commands:*",
                *([] if given else [names.ENDINGS_PATTERN]),
            ],
            lambda key: "queues:" in key or "commands:" in key or key.endswith(names.ENDINGS),
        )
    elif wanted.horizon_prefix is None or wanted.queue_prefix is None:
        raise BadInput("discover=false needs horizon_prefix and queue_prefix.")
    applications = names.find_applications(keys[2] if len(keys) > 2 else ())
    prefix = wanted.horizon_prefix if wanted.horizon_prefix is not None else choose(applications, wanted.app)
    found: Dict[str, Dict[str, names.QueueKey]] = {}
    for key in sorted(keys[0]):
        parsed = names.parse_queue_key(key)
        if parsed and not (prefix and key.startswith(prefix)):
            found.setdefault(parsed[0], {})[parsed[1].name] = parsed[1]
    queue_prefix = wanted.queue_prefix
    if queue_prefix is None:
        queue_prefix = choose_queue_prefix(prefix or "", list(found), applications)
    lists = (prefix or "") + "commands:"
    return Place(
        horizon_prefix=prefix,
        queue_prefix=queue_prefix,
        queues=found.get(queue_prefix, {}),
        command_lists=frozenset(key[len(lists) :] for key in keys[1] if prefix is not None and key.startswith(lists)),
        cache_database=wanted.cache_database if wanted.cache_database is not None else 1,
        cache_prefix=_cache_prefix(wire, wanted, prefix or "", queue_prefix),
        trusted=wanted.trust_prefix,
        settled=prefix is not None and (wanted.queue_prefix is not None or queue_prefix in found),
    )


def walk(
    wire: Wire, patterns: Sequence[str], keep: Callable[[str], bool], database: Optional[int] = None
) -> List[Set[str]]:
    """For each pattern the names that match it and that ``keep`` wants, walking through all key names once."""
    found: List[Set[str]] = [set() for unused in patterns]
    cursors: Dict[int, str] = dict.fromkeys(range(len(patterns)), "0")
    for _step in range(SCAN_STEPS):
        scans = [("SCAN", cursor, "MATCH", patterns[i], "COUNT", SCAN_COUNT) for i, cursor in cursors.items()]
        for i, (cursor, keys) in zip(list(cursors), wire.ask(scans, database=database)):
            found[i].update(key for key in keys if keep(key))
            cursors[i] = cursor
            if cursor in ("0", 0):
                del cursors[i]
        if not cursors:
            return found
    raise Unavailable(
        "Redis at %s has more than %d keys, too many to look through." % (wire.place, SCAN_STEPS * SCAN_COUNT),
        "Give horizon_prefix and queue_prefix and set discover=false.",
    )


def choose(applications: Sequence[str], app: Optional[str]) -> Optional[str]:
    """The one prefix meant; None when there is none at all.

    :raises BadInput: naming those there are.
    """
    listed = ", ".join("app '%s' with prefix '%s'" % (names.app_of(prefix), prefix) for prefix in applications)
    matching = list(applications)
    if app is not None and applications:
        matching = [prefix for prefix in applications if names.slug(names.app_of(prefix)) == names.slug(app)]
        if not matching:
            raise BadInput("No Horizon of the application '%s' is in this Redis database." % app, "Found: %s." % listed)
    if len(matching) > 1:
        raise BadInput(
            "This Redis database holds the keys of %d Horizons: %s." % (len(matching), listed),
            "Choose one with horizon_prefix%s." % ("" if app else ", or with app"),
        )
    return matching[0] if matching else None


def choose_queue_prefix(horizon_prefix: str, found: Sequence[str], applications: Sequence[str]) -> str:
    """The prefix of the queues' keys: one that was found and fits the application's name, or the only one there is.

    Where no queue holds a job there is nothing to find, and the default name is right for this moment: all are empty.

    :raises BadInput: when several were found and none fits.
    """
    derived = names.derived_queue_prefixes(horizon_prefix)
    others = {p for a in applications if a != horizon_prefix for p in names.derived_queue_prefixes(a) if p}
    left = [prefix for prefix in found if prefix not in others]
    for prefix in derived:
        if prefix in left:
            return prefix
    if not left:
        return derived[0]
    if len(left) == 1 and len(applications) < 2:
        return left[0]
    raise BadInput(
        "Queues with several prefixes are in this Redis database, and none has the default name for %s: %s."
        % (horizon_prefix or "the application", ", ".join("'%s'" % prefix for prefix in sorted(left))),
        "Give queue_prefix, the prefix of the Redis connection in the application's config/database.php.",
    )


def _cache_prefix(wire: Wire, wanted: Wanted, horizon_prefix: str, queue_prefix: str) -> Optional[str]:
    """What stands before ``illuminate:`` in this application's cache keys, or None when it has none here (or it is not asked)."""
    if wanted.cache_prefix is not None or wanted.cache_database is None or not wanted.discover:
        return wanted.cache_prefix
    try:
        (keys,) = walk(wire, ["*illuminate:queue*"], lambda _key: True, wanted.cache_database)
    except Unavailable:  # no such database, or not allowed: then it is simply not known
        return None
    prefixes = {key.split("illuminate:queue")[0] for key in keys}
    app = names.app_of(horizon_prefix)
    own = (names.slug(app, "_") + "_cache_", names.slug(app) + "-cache-")
    starts = {queue_prefix, *names.derived_queue_prefixes(horizon_prefix)} - {""}
    fitting = [prefix for prefix in prefixes if prefix in own or prefix.startswith(tuple(starts))]
    return fitting[0] if len(fitting) == 1 else None
