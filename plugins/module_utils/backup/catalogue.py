# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a storage holds: backups with their proofs, archived binary logs, and what is neither. It is read anew each time, kept nowhere."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from typing import Any, Dict, List, Optional, Tuple

from ..core.errors import BadInput
from ..storage.base import Storage, Stored
from .manifest import SUFFIX, Manifest, parse

#: From nothing proven to everything; a proof's ``level`` is one of them.
LEVELS = ("none", "L0", "L1", "L2", "L3", "L4", "L5")
#: From here on a backup counts as proven: it was restored and was equal to what it was taken from.
PROVEN = "L3"
PROOF = ".proof-"
#: Archived binary logs lie below this prefix, ``binlog/<name of the server's log, such as binlog.000042>`` and the record beside it.
BINLOG = "binlog/"
BINLOG_RECORD = ".record.json"


@dataclasses.dataclass(frozen=True)
class Proof:
    """What a verification found. It lies beside the manifest as ``<file>.proof-<UTC time>.json``.

    ``manifest_digest`` is ``Manifest.digest()`` of what was verified; a proof of another manifest proves nothing. ``level`` is how far
    it got, ``verdict`` whether all was well up to there. ``rto`` holds measured seconds by phase, ``rpo`` what would be lost.
    """

    file: str
    manifest_digest: str
    level: str
    verdict: str
    at: str
    seconds: float
    rto: Dict[str, Any] = dataclasses.field(default_factory=dict)
    rpo: Dict[str, Any] = dataclasses.field(default_factory=dict)
    findings: List[Dict[str, Any]] = dataclasses.field(default_factory=list)
    format: int = 1


@dataclasses.dataclass(frozen=True)
class Binlog:
    """One archived binary log. ``name`` is the server's (``binlog.000042``), ``file`` the object's, relative to the storage.

    ``start_position`` is where the part that was shipped begins (normally 4), ``end_position`` where it ends; ``closed`` whether the
    server had gone on to the next one. Times are ISO 8601, of the first and the last event. ``server`` is the server's id.
    """

    name: str
    file: str
    server: str
    size_bytes: int
    sha256: str
    start_position: int
    end_position: int
    closed: bool
    first_event: Optional[str] = None
    last_event: Optional[str] = None
    first_gtid: Optional[str] = None
    last_gtid: Optional[str] = None
    compression: str = "none"
    encryption: Optional[Dict[str, Any]] = None
    shipped: Optional[str] = None
    format: int = 1

    @property
    def number(self) -> int:
        return int(self.name.rpartition(".")[2])


@dataclasses.dataclass(frozen=True)
class Backup:
    """A backup whose manifest can be read. ``missing`` are parts that are not there or have another size than the manifest says."""

    manifest: Manifest
    stored: Stored
    proofs: List[Proof]
    missing: List[str]

    @property
    def at(self) -> float:
        """Unix seconds of the state that is in it."""
        return seconds_of(self.manifest.taken or self.manifest.started)

    @property
    def level(self) -> str:
        """The highest level at which all was well; ``none`` when it was never proven or its last proof failed."""
        if self.missing or not self.proofs or self.proofs[-1].verdict not in ("ok", "warning"):
            return LEVELS[0]
        good = [proof.level for proof in self.proofs if proof.verdict in ("ok", "warning")]
        return max(good, key=LEVELS.index)

    @property
    def proven(self) -> bool:
        return LEVELS.index(self.level) >= LEVELS.index(PROVEN)


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """``backups`` by the time of their state, oldest first. ``unreadable`` maps names of records to what is wrong with them. ``strays``
    are objects that belong to no backup: of runs that were killed before the manifest, or not ours.
    """

    backups: List[Backup]
    binlogs: List[Binlog]
    unreadable: Dict[str, str]
    strays: List[Stored]

    def only(self, database: str, environment: Optional[str]) -> Catalogue:
        """The backups of one database in one environment; without a name of it, those that have none."""
        own = [
            one for one in self.backups if (one.manifest.database, one.manifest.environment) == (database, environment)
        ]
        return dataclasses.replace(self, backups=own)

    def newest(self, proven: bool = False) -> Optional[Backup]:
        """The newest whole backup; with ``proven`` the newest one that was restored and equal."""
        found = [one for one in self.backups if not one.missing and (one.proven or not proven)]
        return found[-1] if found else None


def read(storage: Storage, database: Optional[str] = None, environment: Optional[str] = None) -> Catalogue:
    """Read all manifests, proofs and records of a storage; with names, only the backups of that database and environment.

    :raises Unavailable: when the storage can't be read.
    """
    objects = {stored.name: stored for stored in storage.list()}
    unreadable: Dict[str, str] = {}
    backups: List[Backup] = []
    known = set()
    for name in [one for one in objects if one.endswith(SUFFIX) and "/" not in one]:
        known.add(name)
        try:
            manifest = parse(_text(storage, name), storage.url(name))
            if manifest.name != name:
                raise BadInput("%s is the manifest of '%s'." % (storage.url(name), manifest.file))
        except BadInput as error:
            unreadable[name] = error.message
            continue
        proofs, broken = _proofs(storage, manifest, list(objects))
        unreadable.update(broken)
        known.update(part.file for part in manifest.parts)
        missing = [
            part.file
            for part in manifest.parts
            if part.file not in objects or objects[part.file].size_bytes != part.size_bytes
        ]
        if database in (None, manifest.database) and environment in (None, manifest.environment):
            backups.append(Backup(manifest, objects[name], proofs, missing))
    backups.sort(key=lambda backup: (backup.at, backup.manifest.file))
    binlogs, broken = read_binlogs(storage, list(objects))
    unreadable.update(broken)
    strays = [
        stored
        for name, stored in objects.items()
        if name not in known and PROOF not in name and not name.startswith(BINLOG)
    ]
    return Catalogue(backups, binlogs, unreadable, strays)


def write_proof(storage: Storage, proof: Proof) -> str:
    """Put a proof beside its backup; returns its name."""
    name = "%s%s%s.json" % (proof.file, PROOF, re.sub(r"[-:]", "", proof.at))
    storage.put(name, _render(proof))
    return name


def write_binlog(storage: Storage, binlog: Binlog) -> str:
    """Put the record of an archived binary log beside it, when the log itself is complete; returns its name."""
    name = binlog.file + BINLOG_RECORD
    storage.put(name, _render(binlog))
    return name


def gaps(binlogs: List[Binlog], position: Optional[Dict[str, Any]] = None) -> List[str]:
    """What is missing in a chain of archived logs, in sentences; with a backup's ``position`` from there on. Pure.

    Numbers must follow one another, each log but the last be closed, and none begin behind its start (4).
    """
    found: List[str] = []
    chain = sorted(binlogs, key=lambda binlog: binlog.number)
    if position:
        start = int(str(position["file"]).rpartition(".")[2])
        chain = [one for one in chain if one.number >= start]
        if not chain or chain[0].number != start:
            found.append("%s, in which the backup's position lies, is not archived" % position["file"])
        elif chain[0].end_position < int(position["position"]):
            found.append(
                "%s is archived up to %d, the backup's position is %d"
                % (chain[0].name, chain[0].end_position, int(position["position"]))
            )
    for before, after in zip(chain, chain[1:]):
        if after.number != before.number + 1:
            found.append(
                "between %s and %s %d are missing" % (before.name, after.name, after.number - before.number - 1)
            )
        elif not before.closed:
            found.append(
                "%s is archived up to %d only, and %s follows" % (before.name, before.end_position, after.name)
            )
        if after.server != before.server:
            found.append("%s is of server %s, %s of server %s" % (before.name, before.server, after.name, after.server))
    found += [
        "%s is archived from position %d on" % (one.name, one.start_position) for one in chain if one.start_position > 4
    ]
    return found


def seconds_of(text: str) -> float:
    """Unix seconds of a time as ``core.times.iso`` writes it."""
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()


def _render(record: Any) -> bytes:
    return (json.dumps(dataclasses.asdict(record), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _text(storage: Storage, name: str) -> str:
    try:
        return storage.read_small(name).decode()
    except UnicodeDecodeError as error:
        raise BadInput("%s is not text." % storage.url(name)) from error


def _record(storage: Storage, name: str, kind: Any) -> Any:
    try:
        data = json.loads(_text(storage, name))
        known = {field.name for field in dataclasses.fields(kind)}
        return kind(**{key: value for key, value in data.items() if key in known})
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInput("%s is no record of ours (%s)." % (storage.url(name), error)) from error


def _proofs(storage: Storage, manifest: Manifest, names: List[str]) -> Tuple[List[Proof], Dict[str, str]]:
    """The proofs of this very manifest, oldest first, and what is wrong with the others."""
    found, broken = [], {}
    for name in sorted(one for one in names if one.startswith(manifest.file + PROOF)):
        try:
            proof = _record(storage, name, Proof)
            if proof.level not in LEVELS or proof.manifest_digest != manifest.digest():
                raise BadInput("%s proves another backup than this one." % storage.url(name))
            found.append(proof)
        except BadInput as error:
            broken[name] = error.message
    return found, broken


def read_binlogs(storage: Storage, names: List[str]) -> Tuple[List[Binlog], Dict[str, str]]:
    found, broken = [], {}
    for name in sorted(one for one in names if one.startswith(BINLOG) and one.endswith(BINLOG_RECORD)):
        try:
            binlog = _record(storage, name, Binlog)
            if binlog.file not in names:
                raise BadInput("%s is the record of a binary log that is not there." % storage.url(name))
            found.append(binlog)
        except BadInput as error:
            broken[name] = error.message
    return found, broken
