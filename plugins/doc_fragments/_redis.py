# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Twin of core.options.redis().
    DOCUMENTATION = r"""
options:
  redis_url:
    description:
      - Where Redis is, as one URL such as C(redis://user:password@host:6379/0), C(rediss://...) for TLS or C(unix:///path?db=0).
      - When given, the other connection options except O(redis_timeout) are ignored.
    type: str
  redis_host:
    description: Name or address of the Redis server.
    type: str
    default: 127.0.0.1
  redis_port:
    description: TCP port of the Redis server.
    type: int
    default: 6379
  redis_db:
    description: Number of the logical database, C(REDIS_DB) of the Laravel application.
    type: int
    default: 0
  redis_username:
    description: Name of the ACL user; omitted, Redis' C(default) user is meant.
    type: str
  redis_password:
    description: Password of the user; omitted, no login is tried.
    type: str
  redis_unix_socket:
    description: Path of the server's socket; when given, O(redis_host) and O(redis_port) are ignored.
    type: path
  redis_tls:
    description: Whether to speak TLS; the server's certificate is always verified.
    type: bool
    default: false
  redis_ca_cert:
    description: File with the certificate authorities to trust, in PEM; omitted, the system's are used.
    type: path
  redis_timeout:
    description: Seconds to wait for a connection and for each answer before the task fails.
    type: float
    default: 5.0
requirements:
  - redis (the Python library) where the task runs
"""
