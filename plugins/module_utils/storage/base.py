# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where whole files are kept, as one interface: a directory or a prefix in S3. Nothing under its final name is ever incomplete."""

from __future__ import annotations

import abc
import dataclasses
import os
import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..core.errors import BadInput, Failed

#: Bytes of one piece that ``read`` gives, at most.
CHUNK = 1 << 20
#: Manifests, proofs and the like are small; anything larger under such a name is not one of ours.
SMALL = 16 << 20
_S3 = re.compile(r"^s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<key>.*))?$")


@dataclasses.dataclass(frozen=True)
class Stored:
    """One complete object. ``name`` is relative to the storage, ``modified`` Unix seconds by the storage's clock.

    ``checksum`` says which checksum of the storage's own was compared with ours when it was written (``sha256``, ``md5``), and is
    empty where it has none to compare, as after ``list`` and ``stat``.
    """

    name: str
    size_bytes: int
    modified: float
    checksum: str = ""


class Upload(abc.ABC):
    """One object being written, in constant memory. It is seen by nobody before ``commit``; as a context manager it is aborted
    unless it was committed.
    """

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    @abc.abstractmethod
    def write(self, chunk: bytes) -> None:
        """:raises OSError: when the disk is full or gone. :raises RunbookError: when S3 refuses."""

    @abc.abstractmethod
    def prepare(self) -> None:
        """Make durable what was written, as far as that is possible without showing it."""

    @abc.abstractmethod
    def commit(self) -> Stored:
        """Give it its name and look at it again: size, and checksum where the storage has one.

        :raises Failed: when what the storage has is not what was sent; it is removed then.
        """

    @abc.abstractmethod
    def abort(self) -> None:
        """Leave no trace of it; does nothing after ``commit``, never fails."""


class Storage(abc.ABC):
    """``place`` is the directory or ``s3://bucket/prefix``, for messages. Names are relative and may hold ``/``."""

    place: str

    @abc.abstractmethod
    def check(self) -> None:
        """See that it is there and that it may be read: the directory, or the bucket and the prefix.

        :raises BadInput: when it is not there. :raises Unavailable: when it can't be asked.
        """

    @abc.abstractmethod
    def url(self, name: str) -> str:
        """The path or the ``s3://`` address of an object."""

    @abc.abstractmethod
    def list(self, prefix: str = "") -> List[Stored]:
        """The objects whose names begin with ``prefix``, by name."""

    @abc.abstractmethod
    def stat(self, name: str) -> Optional[Stored]:
        """The object, or None."""

    @abc.abstractmethod
    def read(self, name: str, start: int = 0) -> Iterator[bytes]:
        """The bytes from ``start`` on, in pieces of at most ``CHUNK``. A broken connection is taken up where it broke, some times.

        :raises BadInput: when there is no such object. :raises Unavailable: when it can't be read to its end.
        """

    @abc.abstractmethod
    def create(self, name: str) -> Upload:
        """Begin an object; one of the same name is replaced at ``commit`` and not before."""

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is as removed as it can be."""

    @abc.abstractmethod
    def leftovers(self) -> List[str]:
        """What killed runs left here and nobody works on: addresses of temporary files, or of unfinished uploads."""

    @abc.abstractmethod
    def clean(self) -> List[str]:
        """Remove the leftovers; the addresses of what was removed."""

    def free_bytes(self) -> Optional[int]:
        """Bytes free, None where there is no such limit."""
        return None

    def read_small(self, name: str) -> bytes:
        """A whole small object.

        :raises BadInput: when it is not there or larger than ``SMALL``.
        """
        found = bytearray()
        for chunk in self.read(name):
            found += chunk
            if len(found) > SMALL:
                raise BadInput("%s is larger than %d bytes; no record of ours is." % (self.url(name), SMALL))
        return bytes(found)

    def put(self, name: str, data: bytes) -> Stored:
        """Write a small object as a whole, replacing one of the same name."""
        with self.create(name) as upload:
            upload.write(data)
            upload.prepare()
            return upload.commit()


def split(dest: str) -> Tuple[str, Optional[str]]:
    """Take the option ``dest`` apart into the place and the name in it; the name is None when only a place was given.

    A place is an existing directory, a path that ends in ``/``, or an S3 address that ends in ``/`` or has no key.

    :raises BadInput: when an S3 address is none.
    """
    if dest.startswith("s3:"):
        found = _S3.match(dest)
        if not found:
            raise BadInput(
                "'%s' is no S3 address." % dest, "Write it as s3://bucket/prefix/ or s3://bucket/prefix/name."
            )
        prefix, slash, name = (found.group("key") or "").rpartition("/")
        return "s3://%s/%s" % (found.group("bucket"), prefix + slash), name or None
    path = os.path.abspath(dest)
    return (
        (path, None) if dest.endswith("/") or os.path.isdir(path) else (os.path.dirname(path), os.path.basename(path))
    )


def open_storage(place: str, params: Dict[str, Any]) -> Storage:
    """The storage at a directory or ``s3://bucket/prefix/``; ``params`` are those of ``core.options.s3()``. Asks nothing yet.

    :raises BadInput: when an S3 address is none. :raises Unavailable: when boto3 is missing.
    """
    if place.startswith("s3:"):
        from .s3 import S3Storage

        found = _S3.match(place if place.endswith("/") else place + "/")
        if not found:
            raise BadInput("'%s' is no S3 address." % place, "Write it as s3://bucket/prefix/.")
        return S3Storage(found.group("bucket"), found.group("key") or "", params)
    from .files import FileStorage

    return FileStorage(os.path.abspath(place))


def expect(address: str, sent: int, seen: Optional[int]) -> None:
    """:raises Failed: when an object just written has another size than what was sent."""
    if seen != sent:
        raise Failed(
            "%s has %s bytes after %d were written." % (address, "no" if seen is None else seen, sent),
            "It was removed. Try again; if it happens again the storage can't be trusted.",
        )
