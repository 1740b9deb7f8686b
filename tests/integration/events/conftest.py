# SPDX-License-Identifier: GPL-3.0-or-later
"""The captured store, loaded once; both kinds of server."""

from __future__ import annotations

from pathlib import Path

import pytest
from integration.events.stores import Captured
from integration.mysql.conftest import either_server, mysql9_server
from integration.servers import MysqlServer

__all__ = ["captured", "either_server", "mysql9_server"]


@pytest.fixture(scope="session")
def captured(mysql_server: MysqlServer) -> Captured:
    store = Captured(mysql_server)
    store.load()
    return store


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """A place for an archive."""
    path = tmp_path / "archive"
    path.mkdir()
    return path
