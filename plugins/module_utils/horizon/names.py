# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as Laravel and Horizon make them: slugs, masters and their hosts, key prefixes. Pure."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from typing import Dict, Iterable, List, Optional, Set, Tuple

#: Keys every Horizon has under its prefix and whose names no user chooses (Repositories/*, Lock.php of Horizon 5).
#: Longest first, because one is the end of another.
ENDINGS = (
    "recent_failed_jobs",
    "last_snapshot_at",
    "metrics:snapshot",
    "measured_queues",
    "completed_jobs",
    "monitored_jobs",
    "measured_jobs",
    "silenced_jobs",
    "pending_jobs",
    "failed_jobs",
    "recent_jobs",
    "supervisors",
    "masters",
)
#: What all of ENDINGS end in, as a pattern of SCAN. A job's key is a UUID and so never among them.
ENDINGS_PATTERN = "*[st]"

QUEUE_KEY = re.compile(r"^(?P<prefix>.*?)queues:(?P<name>.+?)(?::(?:delayed|reserved|notify))?$", re.S)


def slug(text: str, separator: str = "-") -> str:
    """Laravel's ``Str::slug``: ``Web_1.example.com`` is ``web-1examplecom``."""
    other = "_" if separator == "-" else "-"
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    text = re.sub(re.escape(other) + "+", separator, text).replace("@", separator + "at" + separator)
    text = re.sub(r"[^%s0-9a-z\s]+" % re.escape(separator), "", text)
    return re.sub(r"[%s\s]+" % re.escape(separator), separator, text).strip(separator)


def host_of(master: str) -> str:
    """The host's slug in a master's name, which is the slug, a hyphen and four random characters."""
    return master[:-5] if re.match(r".*-[0-9A-Za-z]{4}$", master, re.S) else master


def app_of(prefix: str) -> str:
    """The application's slug in a Horizon prefix: ``ref_bank_horizon:`` and ``{ref_bank_horizon:}`` are of ``ref_bank``."""
    bare = prefix.strip("{}").rstrip(":")
    return re.sub(r"[_-]?horizon$", "", bare)


def find_applications(keys: Iterable[str]) -> List[str]:
    """The Horizon prefixes that these key names speak of, sorted.

    A name counts when the prefix says ``horizon`` or when two different ENDINGS share it. A prefix that continues another one
    is no application but a tag or queue of that other one with an unlucky name.
    """
    found: Dict[str, Set[str]] = {}
    for key in keys:
        ending = next((one for one in ENDINGS if key.endswith(one)), None)
        if ending is not None:
            found.setdefault(key[: -len(ending)], set()).add(ending)
    likely = [
        prefix
        for prefix, endings in found.items()
        if ("horizon" in prefix.lower() or len(endings) > 1) and not prefix.endswith("queues:")
    ]
    return sorted(p for p in likely if not any(q and p != q and p.startswith(q) for q in likely))


def derived_queue_prefixes(horizon_prefix: str) -> List[str]:
    """The Redis prefixes an application of this name may have by default: of skeletons to 12.0, from 12.1, and none."""
    name = app_of(horizon_prefix)
    if not name:
        return [""]
    return [slug(name, "_") + "_database_", slug(name) + "-database-", ""]


@dataclasses.dataclass(frozen=True)
class QueueKey:
    """A queue's name and the part of its keys that is after the prefix: on clusters the name stands in braces there."""

    name: str
    key: str


def parse_queue_key(key: str) -> Optional[Tuple[str, QueueKey]]:
    """``(prefix, queue)`` of a queue's key, or None when it is not one."""
    match = QUEUE_KEY.match(key)
    if match is None or match["prefix"].endswith("illuminate:"):  # illuminate:queues:paused is a flag in the cache
        return None
    name = match["name"]
    bare = name[1:-1] if re.match(r"^\{[^{}]+\}$", name) else name
    return match["prefix"], QueueKey(bare, "queues:" + name)


def escape(text: str) -> str:
    """``text`` as a SCAN pattern that matches only itself."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", text)
