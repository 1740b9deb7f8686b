# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application as a visitor sees it: one GET, redirects not followed."""

from __future__ import annotations

import dataclasses
import http.client
import urllib.error
from typing import Dict, Optional

from ansible.module_utils import urls

from .maintenance import Answer

#: A maintenance page is another one for JSON clients, and caches on the way must not answer.
_HEADERS = {"Accept": "text/html,*/*;q=0.8", "Cache-Control": "no-cache"}


@dataclasses.dataclass(frozen=True)
class Visitor:
    """How to connect. ``timeout`` is in seconds for each request."""

    validate_certs: bool
    ca_cert: Optional[str]
    use_proxy: bool
    timeout: float

    def get(self, url: str, cookie: Optional[str] = None) -> Answer:
        """The status a GET answers with, or the error that left it without an answer."""
        headers: Dict[str, str] = dict(_HEADERS, **({"Cookie": cookie} if cookie else {}))
        try:
            with urls.open_url(
                url,
                headers=headers,
                http_agent="finaegis.runbook",
                use_proxy=self.use_proxy,
                timeout=self.timeout,
                validate_certs=self.validate_certs,
                ca_path=self.ca_cert,
                follow_redirects="none",
            ) as answer:
                return Answer(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, location=error.headers.get("Location", ""))
        except (urllib.error.URLError, http.client.HTTPException, urls.ConnectionError, OSError, ValueError) as error:
            return Answer(None, error=str(getattr(error, "reason", "") or error).rstrip("."))
