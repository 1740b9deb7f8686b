# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument-spec groups; each function returns a fresh dict and has a twin of the same name among the doc fragments."""

from __future__ import annotations

from typing import Any, Dict

from .verdict import CRITICAL, OK, UNKNOWN, WARNING

Spec = Dict[str, Dict[str, Any]]


def redis() -> Spec:
    return {
        "redis_url": {"type": "str", "no_log": True},
        "redis_host": {"type": "str", "default": "127.0.0.1"},
        "redis_port": {"type": "int", "default": 6379},
        "redis_db": {"type": "int", "default": 0},
        "redis_username": {"type": "str"},
        "redis_password": {"type": "str", "no_log": True},
        "redis_unix_socket": {"type": "path"},
        "redis_tls": {"type": "bool", "default": False},
        "redis_ca_cert": {"type": "path"},
        "redis_timeout": {"type": "float", "default": 5.0},
    }


def mysql() -> Spec:
    return {
        "login_host": {"type": "str", "default": "127.0.0.1"},
        "login_port": {"type": "int", "default": 3306},
        "login_user": {"type": "str"},
        "login_password": {"type": "str", "no_log": True},
        "login_unix_socket": {"type": "path"},
        "login_db": {"type": "str"},
        "config_file": {"type": "path"},
        "ca_cert": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "check_hostname": {"type": "bool", "default": True},
        "connect_timeout": {"type": "int", "default": 10},
    }


def s3() -> Spec:
    return {
        "endpoint_url": {"type": "str"},
        "region": {"type": "str"},
        "access_key": {"type": "str", "no_log": False},
        "secret_key": {"type": "str", "no_log": True},
        "profile": {"type": "str"},
    }


def transport() -> Spec:
    return {
        "app_dir": {"type": "path", "required": True},
        "php": {"type": "str", "default": "php"},
        "transport": {
            "type": "dict",
            "default": {"kind": "local"},
            "options": {"kind": {"type": "str", "choices": ["local"], "default": "local"}},
        },
    }


def wait(timeout: int, sleep: float) -> Spec:
    """``timeout`` and ``sleep`` are the module's own defaults in seconds; its documentation repeats them."""
    return {
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "int", "default": timeout},
        "wait_sleep": {"type": "float", "default": sleep},
    }


def judgement(*fail_on: str) -> Spec:
    """``fail_on`` is the module's own default: which verdicts fail the task."""
    return {
        "fail_on": {
            "type": "list",
            "elements": "str",
            "choices": [OK, WARNING, CRITICAL, UNKNOWN],
            "default": list(fail_on),
        },
    }
