# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP request, timed and bounded, safe to make from several threads.

Not by ansible.module_utils.urls.open_url: it installs its opener, and with it the certificate checks of one probe, for the whole
process, so that of two requests at the same time one may go out under the settings of the other.
"""

from __future__ import annotations

import dataclasses
import http.client
import ssl
import time
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional
from urllib.parse import urlsplit

from ansible.module_utils.urls import make_context

from ..core.errors import BadInput

#: Bytes of a body that are read; health pages are smaller, and a gate is no download.
BODY_BYTES = 1024 * 1024
AGENT = "finaegis.runbook"


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole answer, or at least the first ``BODY_BYTES`` of it. ``ms`` runs from the connection to the last byte read."""

    status: int
    body: bytes
    ms: float


class NoAnswer(Exception):
    """No whole answer came; the text says why."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """None makes urllib hand the redirect itself back."""


class HttpClient:
    """Requests to one URL with one set of settings. ``secret_headers`` are not sent on after a redirect."""

    def __init__(
        self,
        url: str,
        headers: Dict[str, Any],
        secret_headers: Dict[str, Any],
        timeout: float,
        validate_certs: bool = True,
        ca_cert: Optional[str] = None,
        follow_redirects: bool = False,
        use_proxy: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput("'%s' is not an address to watch." % url, "Give a whole http:// or https:// URL.")
        if parts.username or parts.password:
            raise BadInput(
                "The URL of %s carries credentials." % parts.hostname,
                "URLs are shown in results and logs: give them as an Authorization header in secret_headers.",
            )
        self._url, self._timeout = url, timeout
        self._headers = {"User-Agent": AGENT, "Cache-Control": "no-cache", **_text(headers)}
        self._secret_headers = _text(secret_headers)
        handlers: List[urllib.request.BaseHandler] = [] if use_proxy else [urllib.request.ProxyHandler({})]
        try:
            context = make_context(cafile=ca_cert, validate_certs=validate_certs)
        except OSError as error:
            raise BadInput(
                "The certificates in %s can't be read: %s." % (ca_cert, error), "Give a file in PEM."
            ) from error
        handlers.append(urllib.request.HTTPSHandler(context=context))
        if not follow_redirects:
            handlers.append(_NoRedirects())
        self._opener = urllib.request.build_opener(*handlers)

    def request(self, method: str = "GET", query: str = "") -> Answer:
        """Make the request; ``query`` is appended to the URL.

        :raises NoAnswer: when no whole answer came within the time limit, or it came over a connection not to be trusted.
        """
        request = urllib.request.Request(self._url + query, headers=self._headers, method=method)
        for name, value in self._secret_headers.items():
            request.add_unredirected_header(name, value)
        start = time.monotonic()
        try:
            with self._open(request) as response:
                body = self._read(response, start)
                return Answer(response.getcode(), body, (time.monotonic() - start) * 1000)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(self._why(error)) from error

    def _open(self, request: urllib.request.Request) -> Any:
        try:
            return self._opener.open(request, timeout=self._timeout)
        except urllib.error.HTTPError as error:
            return error  # an answer like any other; it closes its connection when it is forgotten

    def _read(self, response: Any, start: float) -> bytes:
        """The time limit of the socket is for each piece; a server that sends drop by drop must meet this one, for the whole."""
        body = b""
        while len(body) < BODY_BYTES:
            if time.monotonic() - start > self._timeout:
                raise TimeoutError
            piece = response.read1(65536)
            if not piece:
                if response.length:
                    raise http.client.IncompleteRead(body, response.length)
                break
            body += piece
        return body

    def _why(self, error: Exception) -> str:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        # socket.timeout is TimeoutError only from Python 3.10 on.
        if isinstance(reason, TimeoutError) or "timed out" in str(reason):
            return "no whole answer within %g s" % self._timeout
        if isinstance(reason, ssl.SSLCertVerificationError):
            return "the certificate is not trusted: %s" % reason.verify_message
        if isinstance(reason, http.client.IncompleteRead):
            return "the connection was closed in the middle of the answer"
        if isinstance(reason, http.client.RemoteDisconnected):
            return "the connection was closed without an answer"
        if isinstance(reason, OSError) and reason.strerror:
            return reason.strerror
        return "%s %s" % (type(reason).__name__, reason)


def _text(headers: Dict[str, Any]) -> Dict[str, str]:
    """The values as text that HTTP can carry. Errors name the header only: the value may be a secret."""
    found = {name: str(value) for name, value in headers.items()}
    for name, value in found.items():
        try:
            value.encode("latin-1")
            bad = any(char in "\r\n\0" for char in name + value)
        except UnicodeEncodeError:
            bad = True
        if bad:
            raise BadInput(
                "The header %r has characters that HTTP can't carry." % name, "Remove line ends and the like."
            )
    return found
