# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every room shares and no domain owns: option groups, guarded imports, errors, verdicts, waiting, the Redis connection.

Private to this collection; may change in any release.
"""
