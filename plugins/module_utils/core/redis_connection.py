# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Redis connection: the only file that imports the redis library. Not safe to use from two threads."""

from __future__ import annotations

import contextlib
from typing import Any, Dict, Iterator
from urllib.parse import urlsplit

from .errors import Unavailable
from .imports import load


def describe(params: Dict[str, Any]) -> str:
    """Where the connection goes, without credentials."""
    if params.get("redis_url"):
        parsed = urlsplit(params["redis_url"])
        if parsed.scheme == "unix":
            return str(parsed.path)
        return "%s://%s:%s%s" % (parsed.scheme, parsed.hostname, parsed.port or 6379, parsed.path)
    if params.get("redis_unix_socket"):
        return "%s db %d" % (params["redis_unix_socket"], params["redis_db"])
    return "%s:%d db %d" % (params["redis_host"], params["redis_port"], params["redis_db"])


def connect(params: Dict[str, Any]) -> Any:
    """A ``redis.Redis`` for the options of ``options.redis()``. Replies are bytes. Connects and authenticates at once.

    :raises Unavailable: when the server can't be reached, refuses the credentials or the library is missing.
    """
    redis = load("redis", "redis")
    settings = {
        "socket_connect_timeout": params["redis_timeout"],
        "socket_timeout": params["redis_timeout"],
        # The library repeats a command whose answer was lost (redis-py 8: ten times). A command that was carried out once
        # must not be again, and a server that is away is to be told at once.
        "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        # The same shape of replies whatever the server and the library prefer.
        "protocol": 2,
    }
    with errors(params):
        if params.get("redis_url"):
            client = redis.Redis.from_url(params["redis_url"], **settings)
        else:
            tls = {"ssl": True, "ssl_ca_certs": params.get("redis_ca_cert")} if params["redis_tls"] else {}
            place = (
                {"unix_socket_path": params["redis_unix_socket"]}
                if params.get("redis_unix_socket")
                else {"host": params["redis_host"], "port": params["redis_port"]}
            )
            client = redis.Redis(
                db=params["redis_db"],
                username=params.get("redis_username"),
                password=params.get("redis_password"),
                **place,
                **tls,
                **settings,
            )
        client.ping()
    return client


@contextlib.contextmanager
def errors(params: Dict[str, Any]) -> Iterator[None]:
    """Turn the library's errors into Unavailable with the place and what to do."""
    redis = load("redis", "redis")
    try:
        yield
    except redis.exceptions.AuthenticationError as error:
        raise Unavailable(
            "Redis at %s refused the login: %s." % (describe(params), str(error).rstrip(".")),
            "Check redis_username and redis_password.",
        ) from error
    except redis.exceptions.ResponseError as error:
        raise Unavailable(
            "Redis at %s refused a command: %s." % (describe(params), str(error).rstrip(".")),
            "Check the database number, the rights of the user (ACL) and whether this is the primary.",
        ) from error
    except (redis.exceptions.RedisError, OSError, ValueError) as error:
        raise Unavailable(
            "Redis at %s can't be used: %s." % (describe(params), str(error).rstrip(".")),
            "Check the redis_* options and that the server runs and is reachable from where this task runs.",
        ) from error
