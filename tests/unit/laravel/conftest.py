# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from unit.laravel.recordings import FIXTURES


@pytest.fixture
def recorded_down() -> dict[str, Any]:
    """The down file that a real Laravel 11 wrote."""
    return json.loads((FIXTURES / "maintenance/down-file-secret-render.json").read_text())
