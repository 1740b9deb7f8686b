# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of event_replay."""

from __future__ import annotations

from typing import Any, Dict

Spec = Dict[str, Dict[str, Any]]


def replay_spec() -> Spec:
    """All but those of the connections."""
    return {
        "projectors": {"type": "list", "elements": "str", "default": []},
        "projection_tables": {"type": "list", "elements": "str", "default": []},
        "activate": {"type": "bool", "default": False},
        "undo": {"type": "bool", "default": False},
        "cleanup": {"type": "bool", "default": False},
        "undo_max_events": {"type": "int", "default": 0},
        "writers": {"type": "str", "choices": ["stopped", "maintenance"], "default": "stopped"},
        "max_blocked_seconds": {"type": "float", "default": 30.0},
        "queues": {"type": "list", "elements": "str", "default": []},
        "queue_prefix": {"type": "str"},
        **rebuilding(),
    }


def rebuilding() -> Spec:
    """How a read model is rebuilt and compared; twin of the fragment ``_event_replay``."""
    return {
        "strategy": {"type": "str", "choices": ["aside", "in_place"], "default": "aside"},
        "idempotent": {"type": "list", "elements": "str", "default": []},
        "engine": {"type": "str", "choices": ["driver", "artisan"], "default": "driver"},
        "stored_event_model": {"type": "str"},
        "aggregate_uuid": {"type": "str"},
        "from_id": {"type": "int", "default": 0},
        "environment": {"type": "dict", "default": {}, "no_log": False},
        "allow_connections": {"type": "list", "elements": "str", "default": []},
        "scratch_schema": {"type": "str"},
        "old_schema": {"type": "str"},
        "replay_user": {"type": "str"},
        "replay_password": {"type": "str", "no_log": True},
        "workers": {"type": "int", "default": 1},
        "aggregate_safe": {"type": "list", "elements": "str", "default": []},
        "chunk_events": {"type": "int", "default": 1000},
        "chunk_seconds": {"type": "float", "default": 5.0},
        "settle_seconds": {"type": "float", "default": 2.0},
        "restart": {"type": "bool", "default": False},
        "keep": {"type": "bool", "default": False},
        "ignore_columns": {"type": "dict", "default": {}},
        "aggregate_columns": {"type": "dict", "default": {}},
        "key_columns": {"type": "dict", "default": {}, "no_log": False},
        "chunk_rows": {"type": "int", "default": 2000},
        "rounds": {"type": "int", "default": 5},
        "samples": {"type": "int", "default": 5},
        "sample_events": {"type": "int", "default": 2000},
        "timeout": {"type": "float"},
    }
