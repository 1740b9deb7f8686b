# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest: the proof that lies beside a backup. Pure: text in, dataclass out, and back."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Dict, Optional

from ..core.errors import BadInput

FORMAT = 1


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a backup holds and how it came to be. Sizes are bytes, times ISO 8601 in UTC.

    The values known only when a dump is complete (``sha256``, sizes, ``finished``) are None in the plan of check mode.
    ``tables`` maps names to ``{rows, engine, consistent}``; ``rows`` is None where it could not be counted and ``consistent``
    says whether the rows were counted in the very state that the dump holds.
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
    rows_consistent: bool = False
    lock: Dict[str, Any] = dataclasses.field(default_factory=dict)
    position: Optional[Dict[str, Any]] = None
    position_reason: str = ""
    sha256: Optional[str] = None
    size_bytes: Optional[int] = None
    uncompressed_bytes: Optional[int] = None
    finished: Optional[str] = None
    format: int = FORMAT

    def as_dict(self) -> Dict[str, Any]:
        return dataclasses.asdict(self)

    def render(self) -> str:
        return json.dumps(self.as_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def parse(text: str, place: str) -> Manifest:
    """Read a manifest back. Keys that a later version added are left out.

    :raises BadInput: when it is no manifest, is incomplete, or of a later format than this one.
    """
    try:
        data = json.loads(text)
        if data["format"] > FORMAT:
            raise BadInput("%s has format %s; this version reads up to %d." % (place, data["format"], FORMAT))
        known = {field.name for field in dataclasses.fields(Manifest)}
        manifest = Manifest(**{key: value for key, value in data.items() if key in known})
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput("%s is not the manifest of a backup (%s)." % (place, error)) from error
    if not manifest.sha256 or not manifest.size_bytes or not manifest.finished:
        raise BadInput("%s is the manifest of a backup that was never completed." % place)
    return manifest
