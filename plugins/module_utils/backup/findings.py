# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen of a backup, judged. Pure."""

from __future__ import annotations

from typing import List

from ..core.verdict import OK, UNKNOWN, WARNING, Finding
from ..mysql.dialect import Server
from ..storage.base import Stored
from .contents import uncompared
from .manifest import Manifest
from .programs import Program
from .source import Source


def rights(source: Source) -> Finding:
    missing = source.missing_rights
    if not missing:
        return Finding("rights", OK, missing, [], "Nothing is hidden from this user.")
    message = "Not seen among this user's own grants: %s." % ", ".join(missing)
    advice = "What a user may not see a dump leaves out without a word. Grant them, unless a role of the user does."
    return Finding("rights", UNKNOWN, missing, [], message, advice)


def engines(source: Source) -> Finding:
    others = {table.name: table.engine for table in source.tables if not table.transactional}
    if not others:
        return Finding("engines", OK, {}, {}, "All tables are transactional.")
    return Finding(
        "engines",
        WARNING,
        others,
        {},
        "Tables whose engine has no snapshots: %s. Rows written to them during the backup may be half in it."
        % ", ".join(sorted(others)),
        "Convert them to InnoDB, or let nobody write to them during the backup.",
    )


def program(found: Program, server: Server, native: bool) -> Finding:
    if native:
        return Finding("program", OK, found.text, server.text, "The program belongs to the server.")
    return Finding(
        "program",
        WARNING,
        found.text,
        server.text,
        "The program is the other dialect's.",
        "Install the server's own client.",
    )


def contents(manifest: Manifest) -> Finding:
    """Whether the manifest describes the very state that is in the backup, and all of it."""
    missing = uncompared(manifest)
    if manifest.consistent and not missing:
        return Finding("contents", OK, True, True, "The manifest was read in the very state that is in the backup.")
    reasons = [manifest.consistent_reason] if manifest.consistent_reason else []
    if missing:
        reasons.append("This user could not read: %s." % ", ".join(missing))
    return Finding(
        "contents",
        WARNING,
        manifest.consistent,
        True,
        "The manifest may differ from the backup. %s" % " ".join(reasons),
        "Grant RELOAD, and allow a longer lock_timeout_seconds where long statements run.",
    )


def position(manifest: Manifest) -> Finding:
    if manifest.position:
        return Finding("position", OK, manifest.position, None, "The backup's place in the binary log is known.")
    return Finding(
        "position",
        WARNING,
        None,
        None,
        "The backup's place in the binary log is not known: %s" % manifest.position_reason,
        "Without it what happened after the backup can't be replayed.",
    )


def checksum(stored: Stored, address: str) -> List[Finding]:
    """For storages that are asked to compare: whether the checksum they have is ours."""
    if not address.startswith("s3:"):
        return []
    if stored.checksum:
        return [Finding("storage", OK, stored.checksum, None, "The storage has the same checksum as what was sent.")]
    return [
        Finding(
            "storage",
            WARNING,
            None,
            None,
            "The storage told no checksum that could be compared; only the size was.",
            "It may encrypt with keys of its own. A verification reads it all back.",
        )
    ]
