# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event stores of spatie/laravel-event-sourcing: discovery by columns, integrity, projection lag. Knows nothing of Horizon.

Private to this collection; may change in any release.
"""
