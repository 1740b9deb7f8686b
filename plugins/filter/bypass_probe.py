# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: bypass_probe
short_description: A health_gate probe of a URL, let in to an application that is down for maintenance
version_added: 1.0.0
author:
  - FinAegis contributors
description:
  - Makes an element of the option C(http) of M(finaegis.runbook.health_gate) from a URL.
  - With O(secret) it carries the cookie that Laravel hands out for the secret, valid for an hour, so that an application that is
    down for maintenance can be examined before anybody else is let in. The secret itself is not in the cookie.
positional: secret
options:
  _input:
    description: The URL.
    type: str
    required: true
  secret:
    description: The secret the application was taken down with; omitted or empty, the probe is that of any visitor.
    type: str
    default: ''
  options:
    description: More options of the probe, such as C(p95_critical_ms).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Examine the application before it is opened
  finaegis.runbook.health_gate:
    http: "{{ ['https://www.example.com/health'] | map('finaegis.runbook.bypass_probe', bypass_secret) | list }}"
    duration_seconds: 10
    minimum_samples: 5
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The probe.
  type: dict
  sample: {name: "https://www.example.com/health", url: "https://www.example.com/health"}
"""

import time
from typing import Any, Callable, Dict, Optional

from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.maintenance import bypass_cookie

_COOKIE_SECONDS = 3600


def bypass_probe(url: str, secret: str = "", options: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
    probe: Dict[str, Any] = {"name": url, "url": url, **(options or {})}
    if secret:
        probe["secret_headers"] = {"Cookie": bypass_cookie(secret, int(time.time()) + _COOKIE_SECONDS)}
    return probe


class FilterModule:
    def filters(self) -> Dict[str, Callable[..., Dict[str, Any]]]:
        return {"bypass_probe": bypass_probe}
