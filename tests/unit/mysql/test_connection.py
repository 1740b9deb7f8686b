# SPDX-License-Identifier: GPL-3.0-or-later
"""What no server is needed for; the rest is in tests/integration/mysql."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.connection import SqlError, login
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.login import Login


def test_a_server_that_accepts_and_says_nothing_does_not_hold_us_for_ever() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(1)
        port = mute.getsockname()[1]
        with pytest.raises(SqlError, match=f"127.0.0.1:{port} as 'me' can't be used: .*timed out") as error:
            login(Login("127.0.0.1", port, "me", "s3cret", connect_timeout=1))
    assert "s3cret" not in str(error.value)


def test_a_closed_port_is_said_with_what_to_check() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SqlError, match="refused.*Check login_host and login_port") as error:
        login(Login("127.0.0.1", port, "me"))
    assert error.value.code == 2003
