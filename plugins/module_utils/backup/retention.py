# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups may go. Pure: a catalogue in, names out."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..storage.base import Storage
from .catalogue import BINLOG_RECORD, PROOF, Backup, Catalogue


def expired(
    catalogue: Catalogue, now: float, keep_last: Optional[int], keep_days: Optional[float], coming: bool = False
) -> List[Backup]:
    """The backups that neither rule keeps, oldest first; nothing without a rule.

    A backup is kept when it is among the newest ``keep_last`` whole ones or younger than ``keep_days``. The newest whole one and the
    newest proven one are always kept. ``coming`` is whether a newer one is about to be made, which then is the newest.
    """
    if keep_last is None and keep_days is None:
        return []
    whole = [backup for backup in catalogue.backups if not backup.missing]
    last = max((keep_last or 0) - coming, 0)
    kept = {backup.manifest.file for backup in whole[max(len(whole) - last, 0) :]} if last else set()
    for safe in (None if coming else catalogue.newest(), catalogue.newest(proven=True)):
        if safe is not None:
            kept.add(safe.manifest.file)
    if keep_days is not None:
        kept |= {backup.manifest.file for backup in catalogue.backups if now - backup.at < keep_days * 86400}
    return [backup for backup in catalogue.backups if backup.manifest.file not in kept]


def unneeded_binlogs(catalogue: Catalogue, gone: List[Backup]) -> List[str]:
    """The archived binary logs that end before the position of every backup that stays: nothing could be replayed with them.

    None while a backup without a position stays, or when nothing goes.
    """
    stay = [backup for backup in catalogue.backups if backup not in gone]
    positions: List[Dict[str, Any]] = [backup.manifest.position or {} for backup in stay]
    if not gone or not stay or not all(positions):
        return []
    oldest = min(int(str(position["file"]).rpartition(".")[2]) for position in positions)
    return [binlog.file for binlog in catalogue.binlogs if binlog.number < oldest]


def remove(storage: Storage, backup: Backup) -> None:
    """The data first, the manifest last: what is left of a removal that was killed is seen and removed by the next."""
    for part in backup.manifest.parts:
        storage.delete(part.file)
    for stored in storage.list(backup.manifest.file + PROOF):
        storage.delete(stored.name)
    storage.delete(backup.manifest.name)


def remove_binlog(storage: Storage, file: str) -> None:
    """The record first: a log without one is a stray, a record without its log would look like a gap."""
    storage.delete(file + BINLOG_RECORD)
    storage.delete(file)
