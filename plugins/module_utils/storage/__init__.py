# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole named objects in a directory or below a prefix in S3. Knows nothing of what is kept there.

Private to this collection; may change in any release.

``base`` has the interface, ``split(dest)`` and ``open_storage(place, params)``; ``files`` and ``s3`` are the two kinds.
"""
