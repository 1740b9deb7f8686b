# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Artisan as it really speaks: contracts that judge each command, which commands exist, maintenance mode.

Knows nothing of Horizon's Redis keys.

Private to this collection; may change in any release.
"""
