# SPDX-License-Identifier: GPL-3.0-or-later
"""A private S3 server, as those of servers.py. A file of its own, because it asks by the collection's own code."""

from __future__ import annotations

import http.client
import http.server
import secrets
import subprocess
import sys
from collections.abc import Callable
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


class Unwell(http.server.BaseHTTPRequestHandler):
    """Passes requests on to the real server, except those that the test wants to go wrong."""

    protocol_version = "HTTP/1.1"
    upstream = ""
    fault: Callable[[Unwell], bool] = staticmethod(lambda request: False)

    def log_message(self, *arguments: object) -> None:
        pass

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if type(self).fault(self):
            return
        connection = http.client.HTTPConnection(self.upstream.removeprefix("http://"))
        connection.request(self.command, self.path, body, dict(self.headers))
        answered = connection.getresponse()
        data = answered.read()
        connection.close()
        self.send_response(answered.status)
        for key, value in answered.getheaders():
            if key.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                self.send_header(key, value)
        length = answered.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(data)))
        self.end_headers()
        self.wfile.write(self.cut(data) if self.command != "HEAD" else b"")

    def cut(self, data: bytes) -> bytes:
        return data

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any


def answer(request: Unwell, code: int) -> bool:
    request.send_response(code)
    request.send_header("Content-Length", "0")
    request.end_headers()
    return True
