# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups: engines, manifest, catalogue. Knows nothing of how Ansible asks; where files lie is the room ``storage``.

Private to this collection; may change in any release.

How a storage looks (a directory or ``s3://bucket/prefix/``)::

    bank-20260131T020000Z.sql.zst                              a backup: its first part, and the others named in the manifest
    bank-20260131T020000Z.sql.zst.manifest.json                written last: without it the rest is no backup
    bank-20260131T020000Z.sql.zst.proof-20260201T030000Z.json  what a verification found, one a verification
    binlog/binlog.000042.zst                                   an archived binary log
    binlog/binlog.000042.zst.record.json                       what is in it, written last

The rooms, for those who build on them:

- ``manifest``: ``Manifest``, ``Part``, ``parse``, ``SUFFIX``. ``Manifest.digest()`` is what a proof names.
- ``catalogue``: ``read(storage, database, environment)`` gives backups with their proofs, archived binary logs, records that can't be
  read, strays; ``Proof`` and ``write_proof``, ``Binlog`` and ``write_binlog``, ``gaps(binlogs, position)``, ``LEVELS``, ``PROVEN``.
- ``contents``: ``read(connection, server, database)`` gives what a manifest says of tables, event stores and objects, from any server;
  ``differences(manifest, contents)`` compares. A verification reads the restored copy with the same code.
- ``programs``: how to compress, encrypt, and back (``unpack_argv``).
- ``create``, ``source``, ``pipeline``, ``engines``, ``retention``: the taking of a backup.
"""
