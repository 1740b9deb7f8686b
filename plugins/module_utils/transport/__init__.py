# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a command runs where the application lives: on this host now, in the pods of a workload later. Knows nothing of Laravel.

Private to this collection; may change in any release.
"""
