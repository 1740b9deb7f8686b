# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which Horizon is meant; twin of the fragment ``_horizon``."""

from __future__ import annotations

from typing import Any, Dict

from .discovery import Wanted


def horizon() -> Dict[str, Dict[str, Any]]:
    return {
        "horizon_prefix": {"type": "str"},
        "queue_prefix": {"type": "str"},
        "app": {"type": "str"},
        "trust_prefix": {"type": "bool", "default": False},
        "discover": {"type": "bool", "default": True},
    }


def wanted(params: Dict[str, Any]) -> Wanted:
    return Wanted(
        horizon_prefix=params["horizon_prefix"],
        queue_prefix=params["queue_prefix"],
        app=params["app"],
        trust_prefix=params["trust_prefix"],
        discover=params["discover"],
        cache_database=params.get("cache_redis_db"),
        cache_prefix=params.get("cache_prefix"),
    )
