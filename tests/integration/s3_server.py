# SPDX-License-Identifier: GPL-3.0-or-later
"""A private S3 server, as those of servers.py. A file of its own, because it asks by the collection's own code."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.s3 import S3Storage
from integration.servers import await_answer, free_port, spawn


def start_s3(log: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """An S3 server, in memory, with the empty bucket ``bank``; and the module options that reach it."""
    port = free_port()
    options: dict[str, Any] = {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "region": "us-east-1",
        "access_key": "key",
        "secret_key": "c4n4ry-" + secrets.token_hex(8),
        "profile": None,
    }
    process = spawn([str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)], log)
    storage = S3Storage("bank", "", options)
    await_answer(process, lambda: storage.ask("Making the bucket", "create_bucket"), (Unavailable,), log)
    return process, options
