# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the objects of a backup are those that its manifest describes."""

from __future__ import annotations

import hashlib
from typing import List, Tuple

from ..core.errors import BadInput
from ..storage.base import Storage
from ..storage.files import FileStorage
from .manifest import SUFFIX, Manifest, parse


def load(storage: Storage, file: str) -> Manifest:
    """The manifest of the backup ``file``.

    :raises BadInput: when there is none, or it is none.
    """
    place = storage.url(file + SUFFIX)
    try:
        manifest = parse(storage.read_small(file + SUFFIX).decode(), place)
    except UnicodeDecodeError as error:
        raise BadInput("%s is not the manifest of a backup." % place) from error
    if manifest.file != file:
        raise BadInput("%s is the manifest of '%s'." % (place, manifest.file))
    return manifest


def prove(storage: Storage, manifest: Manifest) -> None:
    """Read every part to its end and compare size and SHA-256 with the manifest.

    :raises BadInput: saying what differs.
    """
    for part in manifest.parts:
        digest, size = hashlib.sha256(), 0
        for chunk in storage.read(part.file):
            digest.update(chunk)
            size += len(chunk)
        if (size, digest.hexdigest()) != (part.size_bytes, part.sha256):
            raise BadInput(
                "%s is not the file its manifest describes: size or checksum differ." % storage.url(part.file)
            )


def verify(storage: Storage, file: str) -> Manifest:
    """``load`` and ``prove``."""
    manifest = load(storage, file)
    prove(storage, manifest)
    return manifest


def clean(storage: Storage) -> Tuple[List[str], List[str]]:
    """Remove what killed runs left. One may be the manifest of a backup that got its final name just before the kill: that backup was
    complete, so the manifest gets its name too. Returns the removed addresses and the backups completed in this way.
    """
    completed = []
    if isinstance(storage, FileStorage):
        for leftover in storage.leftovers():
            name = storage.named_by(leftover)
            if name.endswith(SUFFIX) and storage.stat(name[: -len(SUFFIX)]):
                try:
                    with open(leftover, encoding="utf-8") as handle:
                        prove(storage, parse(handle.read(), leftover))
                except (BadInput, OSError, UnicodeDecodeError):
                    continue
                storage.adopt(leftover)
                completed.append(storage.url(name[: -len(SUFFIX)]))
    return storage.clean(), completed
