# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was verified, kept in a file between runs: how far each pass is, and what it found on the way."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from typing import Any, Dict, Iterable, List, Optional, Tuple

from ..core.errors import BadInput, Refused
from .history import Segment
from .passes import State

FORMAT = "finaegis.runbook.event_store_verify/1"


@dataclasses.dataclass
class Entry:
    """One event table. ``events`` is final up to its last full range; ``tail`` is the range behind it, which was not full and is
    read anew the next time, so that it can grow: ``{"segment": [...], "anomalies": {...}}``.

    ``checks``, ``known_classes`` and ``tolerance_seconds`` say what the events were verified for. ``first`` and ``last`` are
    events by which the store is known again. ``passes`` are the others, which begin again when they are through.
    """

    hashed: bool = False
    checks: List[str] = dataclasses.field(default_factory=list)
    known_classes: List[str] = dataclasses.field(default_factory=list)
    tolerance_seconds: int = 0
    first: Optional[Dict[str, Any]] = None
    last: Optional[Dict[str, Any]] = None
    events: State = dataclasses.field(default_factory=State)
    tail: Optional[Dict[str, Any]] = None
    segments: List[Segment] = dataclasses.field(default_factory=list)
    passes: Dict[str, State] = dataclasses.field(default_factory=dict)

    @property
    def begun(self) -> bool:
        return bool(self.segments or self.tail)

    def all_segments(self) -> List[Segment]:
        return [*self.segments, *([self.tail["segment"]] if self.tail else [])]

    @property
    def upto(self) -> Any:
        """The last id verified."""
        segments = self.all_segments()
        return segments[-1][0] if segments else None


class Checkpoint:
    """The entries of all tables, by ``schema.table``. Without a path, or with ``keep`` false, nothing is written."""

    def __init__(
        self, path: Optional[str], entries: Dict[str, Entry], token: Optional[str] = None, keep: bool = True
    ) -> None:
        self.path, self.entries = path, entries
        self._token, self._keep = token, keep
        self._written = _content(entries)

    def entry(self, label: str) -> Entry:
        return self.entries.setdefault(label, Entry())

    def forget(self, labels: Iterable[str]) -> None:
        """Begin anew with these tables; the file keeps what it has until something else is saved."""
        for label in labels:
            self.entries.pop(label, None)

    def save(self) -> bool:
        """Write what is new; whether there was (without ``keep``: would be) anything. The file is always a whole one: old or new.

        :raises Refused: when another run has written it meanwhile.
        """
        content = _content(self.entries)
        if self.path is None or content == self._written:
            return False
        if not self._keep:
            return True
        if _read(self.path)[1] != self._token:
            raise Refused(
                "The checkpoint %s was written by another run while this one was at work." % self.path,
                "Run one at a time, or give each its own checkpoint. What this run found is lost; run it again.",
            )
        self._token = uuid.uuid4().hex
        document = {"format": FORMAT, "token": self._token, "tables": json.loads(content)}
        _replace(self.path, json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n")
        self._written = content
        return True


def load(path: Optional[str], keep: bool) -> Checkpoint:
    """The checkpoint at ``path``, empty when there is no such file yet; ``keep`` false never writes it.

    :raises BadInput: when the directory can't be written or the file is no checkpoint of ours.
    """
    if path is None:
        return Checkpoint(None, {})
    parent = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(parent) or not os.access(parent, os.W_OK | os.X_OK):
        raise BadInput(
            "The checkpoint %s can't be kept: %s is no directory this user can write to." % (path, parent),
            "Create it, or change the option checkpoint; nothing was read.",
        )
    entries, token = _read(path)
    return Checkpoint(path, entries, token, keep)


def _content(entries: Dict[str, Entry]) -> str:
    kept = {label: dataclasses.asdict(entry) for label, entry in entries.items() if entry != Entry()}
    return json.dumps(kept, sort_keys=True)


def _read(path: str) -> Tuple[Dict[str, Entry], Optional[str]]:
    try:
        with open(path, encoding="utf-8") as handle:
            document = json.load(handle)
        if document["format"] != FORMAT:
            raise ValueError("its format is %r, not %s" % (document["format"], FORMAT))
        return {label: _entry(one) for label, one in document["tables"].items()}, document["token"]
    except FileNotFoundError:
        return {}, None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            "%s is no checkpoint of event_store_verify: %s." % (path, getattr(error, "strerror", None) or error),
            "Check the option checkpoint, or remove the file to verify from the beginning.",
        ) from error


def _entry(stored: Dict[str, Any]) -> Entry:
    values = dict(stored)
    values["events"] = State(**values["events"])
    values["passes"] = {name: State(**state) for name, state in values["passes"].items()}
    return Entry(**values)


def _replace(path: str, text: str) -> None:
    """Always under the same temporary name, so that a run that was killed here leaves nothing the next one does not take over."""
    temporary = path + ".new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(temporary, path)
