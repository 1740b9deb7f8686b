# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which events undo others. Pure: events in, compensating events out. Nothing is ever deleted: history only grows."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ..core.errors import BadInput, Refused

#: Key in the metadata of a compensating event: the id of the event that it undoes.
MARK = "compensates-event-id"
#: Keys that the package writes itself, for each event anew.
_OWN_KEYS = frozenset({"aggregate-root-uuid", "aggregate-root-version", "created-at", "stored-event-id", MARK})
_HASH = re.compile(r"^(?:[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})$")
_PATH = re.compile(r"^\$(?:\.\w+)+$")
_MISSING = object()


@dataclasses.dataclass(frozen=True)
class Event:
    """A stored event of one aggregate; ``id`` as text, because ids need not be numbers."""

    id: str
    version: int
    event_class: str
    properties: Any
    meta: Dict[str, Any]

    @property
    def undoes(self) -> Optional[str]:
        """The id of the event that this one undoes, None for an ordinary one."""
        return None if self.meta.get(MARK) is None else str(self.meta[MARK])


@dataclasses.dataclass(frozen=True)
class Inverse:
    """``properties`` are those of the inverse event: ``$.path`` is a value of the undone one, ``{"negate": "$.path"}`` its negative."""

    event_class: str
    inverse_class: str
    properties: Dict[str, Any]
    event_version: int


@dataclasses.dataclass(frozen=True)
class Compensation:
    """``version`` is the one it will have, ``meta`` what the undone event's metadata has beside the package's own keys, and the mark."""

    undoes: str
    undone_class: str
    version: int
    event_class: str
    event_version: int
    properties: Dict[str, Any]
    meta: Dict[str, Any]


def inverses(options: Sequence[Dict[str, Any]]) -> Dict[str, Inverse]:
    """The option ``inverses`` by event class.

    :raises BadInput: when a class is named twice or a path is none.
    """
    found: Dict[str, Inverse] = {}
    for one in options:
        if one["event_class"] in found:
            raise BadInput("inverses names %s twice." % one["event_class"])
        if one["event_version"] < 1:
            raise BadInput("The event_version of %s must be 1 or more." % one["inverse_class"])
        for name, value in one["properties"].items():
            path = value.get("negate") if isinstance(value, dict) and set(value) == {"negate"} else value
            wrong = not isinstance(path, str) or not _PATH.match(path)
            if wrong and (path is not value or (isinstance(path, str) and path.startswith("$"))):
                raise BadInput(
                    "%s of %s is %r, which is no path such as $.amount." % (name, one["inverse_class"], path)
                )
        found[one["event_class"]] = Inverse(
            one["event_class"], one["inverse_class"], one["properties"], one["event_version"]
        )
    return found


def compensated(events: Sequence[Event]) -> List[str]:
    """The ids of the events that one of ``events`` undoes."""
    return [one.undoes for one in events if one.undoes is not None]


def plan(events: Sequence[Event], known: Dict[str, Inverse], skip: Sequence[str]) -> List[Compensation]:
    """What undoes ``events``, those of one aggregate from an event to its last, by version. The newest is undone first.

    :raises Refused: when it is not said what undoes a class, or an event lacks what the inverse needs.
    """
    done = set(compensated(events))
    wanted = [one for one in events if one.undoes is None and one.id not in done and one.event_class not in skip]
    unknown = sorted({one.event_class for one in wanted} - set(known))
    if unknown:
        raise Refused(
            "inverses does not say what undoes %s. Nothing was done." % ", ".join(unknown),
            "Add it, or name it in skip_classes when there is nothing to undo.",
        )
    last = max((one.version for one in events), default=0)
    return [_inverse(one, known[one.event_class], last + place) for place, one in enumerate(reversed(wanted), start=1)]


def _inverse(event: Event, inverse: Inverse, version: int) -> Compensation:
    return Compensation(
        undoes=event.id,
        undone_class=event.event_class,
        version=version,
        event_class=inverse.inverse_class,
        event_version=inverse.event_version,
        properties={name: _value(event, value) for name, value in inverse.properties.items()},
        meta={**{key: value for key, value in event.meta.items() if key not in _OWN_KEYS}, MARK: _plain(event.id)},
    )


def _plain(number: str) -> Any:
    return int(number) if number.isdigit() else number


def _value(event: Event, template: Any) -> Any:
    if isinstance(template, dict) and set(template) == {"negate"}:
        found = _at(event, template["negate"])
        if isinstance(found, bool) or not isinstance(found, (int, float)):
            raise Refused("%s of event %s is %r, which has no negative." % (template["negate"], event.id, found))
        return -found
    return _at(event, template) if isinstance(template, str) and template.startswith("$") else template


def _at(event: Event, path: str) -> Any:
    found = event.properties
    for key in path.split(".")[1:]:
        found = found.get(key, _MISSING) if isinstance(found, dict) else _MISSING
    if found is _MISSING:
        raise Refused(
            "Event %s (%s) has nothing at %s, which its inverse needs. Nothing was done."
            % (event.id, event.event_class, path),
            "Correct inverses, or undo this event in another way.",
        )
    return found


def hashes(properties: Any, path: str = "$") -> Iterator[str]:
    """Where there is a text that looks like a SHA-2 or SHA-3 hash: such events are chained by the application."""
    pairs = (
        properties.items()
        if isinstance(properties, dict)
        else enumerate(properties)
        if isinstance(properties, list)
        else ()
    )
    for key, value in pairs:
        here = "%s.%s" % (path, key)
        if isinstance(value, str) and _HASH.match(value):
            yield here
        else:
            yield from hashes(value, here)
