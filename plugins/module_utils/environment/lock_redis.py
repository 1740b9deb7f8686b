# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock in Redis: one key, one script, and Redis' own clock, so that skew between controllers can't matter."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from ..core import redis_connection
from .locking import Store

#: Replaces the document if it is still the one that was read; '' stands for none. Redis runs a script as one step.
SWAP = """
local found = redis.call('GET', KEYS[1]) or ''
if found ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


class RedisStore(Store):
    def __init__(self, params: Dict[str, Any]) -> None:
        self._params = params
        self._key = params["key_prefix"] + params["environment"]
        self.place = "key %s of Redis at %s" % (self._key, redis_connection.describe(params))
        self._client = redis_connection.connect(params)

    def read(self) -> Tuple[Optional[str], float]:
        with redis_connection.errors(self._params):
            pipeline = self._client.pipeline(transaction=False)
            pipeline.time()
            pipeline.get(self._key)
            (seconds, microseconds), found = pipeline.execute()
        return None if found is None else found.decode("utf-8", "replace"), seconds + microseconds / 1e6

    def swap(self, old: Optional[str], new: str) -> bool:
        with redis_connection.errors(self._params):
            return bool(self._client.eval(SWAP, 1, self._key, old or "", new))
