# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest: what a backup holds, beside the backup. Pure: text in, dataclass out, and back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any, Dict, List, Optional

from ..core.errors import BadInput

FORMAT = 1
SUFFIX = ".manifest.json"


@dataclasses.dataclass(frozen=True)
class Part:
    """One object of a backup, ``file`` relative to where the manifest lies; sizes in bytes, ``sha256`` of the object as it is stored.

    ``role`` is ``whole``: everything is in it. Other roles may come with a later format.
    """

    file: str
    role: str
    sha256: str
    size_bytes: int
    uncompressed_bytes: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a backup holds and how it came to be. Sizes are bytes, times ISO 8601 in UTC.

    What is known only when a backup is complete (``parts``, ``finished``, ...) is None or empty in the plan of check mode.

    - ``engine`` is ``dump`` (SQL text), ``mydumper`` (a tar archive of mydumper's directory) or ``physical`` (an xbstream).
    - ``file`` is the name of the first part, relative to where the manifest lies; the manifest is called ``file`` + ``SUFFIX``.
    - ``compression`` is ``zstd``, ``gzip`` or ``none``; ``encryption`` is None or ``{kind: age|gpg, recipients: [...]}``. A part was
      compressed first and encrypted then.
    - ``taken`` is when the state was that is in the backup, by the server's clock.
    - ``consistent`` says that ``tables``, ``event_stores``, ``objects`` and ``position`` were read in the very state that is in the
      backup; ``consistent_reason`` why not. ``lock`` is ``{held, seconds, reason}`` of the global read lock.
    - ``tables`` maps names to ``{rows, checksum, engine, consistent}``; rows and checksum are None where they could not be read.
    - ``event_stores`` maps tables to ``{highest_id, rows, chain, block}``, see ``contents.py``.
    - ``objects`` maps ``table:name``, ``view:name``, ``trigger:name``, ``procedure:name``, ``function:name``, ``event:name`` to the
      SHA-256 of their definition.
    - ``checksum_method`` names how checksums were computed; only equal methods compare.
    - ``position`` is ``{file, position, gtid}`` in the binary log, None with ``position_reason``.
    """

    engine: str
    database: str
    environment: Optional[str]
    file: str
    compression: str
    server: Dict[str, str]
    program: str
    started: str
    tables: Dict[str, Dict[str, Any]]
    encryption: Optional[Dict[str, Any]] = None
    parts: List[Part] = dataclasses.field(default_factory=list)
    taken: Optional[str] = None
    event_stores: Dict[str, Dict[str, Any]] = dataclasses.field(default_factory=dict)
    objects: Dict[str, str] = dataclasses.field(default_factory=dict)
    checksum_method: str = ""
    consistent: bool = False
    consistent_reason: str = ""
    lock: Dict[str, Any] = dataclasses.field(default_factory=dict)
    position: Optional[Dict[str, Any]] = None
    position_reason: str = ""
    size_bytes: Optional[int] = None
    uncompressed_bytes: Optional[int] = None
    finished: Optional[str] = None
    format: int = FORMAT

    @property
    def name(self) -> str:
        """The name of the manifest itself."""
        return self.file + SUFFIX

    def as_dict(self) -> Dict[str, Any]:
        return dataclasses.asdict(self)

    def render(self) -> str:
        return json.dumps(self.as_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def digest(self) -> str:
        """SHA-256 of the manifest's text: a proof names it, so that it proves this backup and no other of the same name."""
        return hashlib.sha256(self.render().encode()).hexdigest()


def parse(text: str, place: str) -> Manifest:
    """Read a manifest back. Keys that a later version added are left out.

    :raises BadInput: when it is no manifest, is incomplete, or of a later format than this one.
    """
    try:
        data = json.loads(text)
        if data["format"] > FORMAT:
            raise BadInput("%s has format %s; this version reads up to %d." % (place, data["format"], FORMAT))
        known = {field.name for field in dataclasses.fields(Manifest)}
        fields = {key: value for key, value in data.items() if key in known}
        known = {field.name for field in dataclasses.fields(Part)}
        fields["parts"] = [Part(**{k: v for k, v in part.items() if k in known}) for part in data["parts"]]
        manifest = Manifest(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput("%s is not the manifest of a backup (%s)." % (place, error)) from error
    if not manifest.parts or not manifest.size_bytes or not manifest.finished:
        raise BadInput("%s is the manifest of a backup that was never completed." % place)
    names = [manifest.file, *(part.file for part in manifest.parts)]
    if any(not isinstance(name, str) or "/" in name or name.startswith(".") for name in names) or names[0] != names[1]:
        raise BadInput("%s names objects that do not lie beside it." % place)
    return manifest
