# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server that misbehaves on command, and a Prometheus whose answers are those of the real one's API."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Site(ThreadingHTTPServer):
    """``url`` is where it is; ``seen`` counts requests by path, ``headers`` holds the last request's headers by path."""

    daemon_threads = True
    #: A test's answer takes long enough to be asked for again before it is sent.
    request_queue_size = 64

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: Counter[str] = Counter()
        self.headers: dict[str, dict[str, str]] = {}
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_port}"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
            self.url = f"https://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what some tests are about."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Site

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        with self.server.lock:
            self.server.seen[path] += 1
            count = self.server.seen[path]
            self.server.headers[path] = {name.lower(): value for name, value in self.headers.items()}
        if path.endswith("/api/v1/query"):
            self.prometheus(parse_qs(urlsplit(self.path).query)["query"][0], count)
            return
        ACTS[path.split("/")[1]](self, count)

    do_HEAD = do_GET

    def answer(self, status: int = 200, body: bytes = b'{"status":"healthy"}', **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def prometheus(self, query: str, count: int) -> None:
        now = time.time()
        if self.headers.get("Authorization") != "Bearer canary-token-5a6b" and query != "open":
            self.answer(401, b"Unauthorized")
            return
        values = {
            "open": "0.5",
            "good": "0.5",
            "slightly bad": "2",
            "bad": "7",
            "nan": "NaN",
            "inf": "+Inf",
            "up": str(1000 + 2 * count),
            "reset": str(1000 - count),
        }
        if query == "wrong(":
            error = {"status": "error", "errorType": "bad_data", "error": "1:7: parse error: unclosed left parenthesis"}
            self.answer(400, json.dumps(error).encode())
            return
        result = [{"metric": {"job": "bank"}, "value": [now - 3600 * (query == "stale"), values.get(query, "1")]}]
        data = {"resultType": "vector", "result": [] if query == "empty" else result}
        self.answer(200, json.dumps({"status": "success", "data": data}).encode())

    def reset(self, count: int) -> None:
        """Ends the connection with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def truncated(self, count: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"healthy")

    def drip(self, count: int) -> None:
        """A byte now and then: no single wait is long, the whole is."""
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        for _ in range(1000):
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.05)

    def slow(self, count: int) -> None:
        time.sleep(float(self.path.split("/")[2]))
        self.answer()


#: First part of the path -> what happens; ``count`` is how often that path was asked.
ACTS: dict[str, Callable[[Handler, int], None]] = {
    "fine": lambda handler, count: handler.answer(),
    "unhealthy": lambda handler, count: handler.answer(200, b'{"status":"down"}'),
    "broken": lambda handler, count: handler.answer(500, b"Server Error"),
    "flaky": lambda handler, count: handler.answer(503 if count % 4 == 0 else 200),
    "outage": lambda handler, count: handler.answer(503 if 3 <= count <= 5 else 200),
    "moved": lambda handler, count: handler.answer(302, b"", Location="/fine"),
    "closed": lambda handler, count: handler.connection.close(),
    "reset": Handler.reset,
    "truncated": Handler.truncated,
    "drip": Handler.drip,
    "slow": Handler.slow,
}


def make_certificate(path: Path) -> Path:
    """A key and a certificate for 127.0.0.1 that signs itself, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.touch(0o600)
    path.write_bytes(key.private_bytes(*plain) + certificate.public_bytes(serialization.Encoding.PEM))
    return path
