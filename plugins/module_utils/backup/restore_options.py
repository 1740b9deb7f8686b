# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of tasks that read backups; twins of the fragments ``_backup_read``, ``_scratch`` and ``_backup_checks``."""

from __future__ import annotations

from typing import Any, Dict

Spec = Dict[str, Dict[str, Any]]


def backup_read() -> Spec:
    return {
        "src": {"type": "str", "required": True},
        "database": {"type": "str"},
        "environment": {"type": "str"},
        "proven": {"type": "bool", "default": False},
        "max_age_seconds": {"type": "int", "default": 90000},
        "age_identity": {"type": "path"},
        "gpg_home": {"type": "path"},
        "streams": {"type": "int", "default": 2},
    }


def scratch() -> Spec:
    return {
        "scratch_dir": {"type": "path", "default": "/var/tmp"},
        "scratch_server": {"type": "str", "default": "auto"},
        "scratch_memory_bytes": {"type": "int"},
    }


def backup_checks() -> Spec:
    return {
        "assertions": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "name": {"type": "str", "required": True},
                "query": {"type": "str", "required": True},
                "expected": {"type": "str", "required": True},
            },
        },
        "ledgers": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "table": {"type": "str", "required": True},
                "debit_column": {"type": "str", "required": True},
                "credit_column": {"type": "str", "required": True},
                "group_columns": {"type": "list", "elements": "str", "default": []},
            },
        },
        "events": {"type": "dict", "default": {}},
    }
