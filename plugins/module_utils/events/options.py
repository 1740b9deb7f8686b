# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say which event stores are meant; twin of the fragment ``_event_store``."""

from __future__ import annotations

import re
from typing import Any, Dict, List

from ..core.errors import BadInput


def event_store() -> Dict[str, Dict[str, Any]]:
    return {
        "schemas": {"type": "list", "elements": "str", "default": []},
        "tables": {"type": "list", "elements": "str", "default": []},
        "snapshots": {"type": "dict", "default": {}},
        "time_zone": {"type": "str", "default": "+00:00"},
    }


def wanted_schemas(params: Dict[str, Any]) -> List[str]:
    """The schemas the options name.

    :raises BadInput: when they name none, or the time zone is no offset.
    """
    if not re.match(r"^[+-]\d\d:\d\d$", params["time_zone"]):
        raise BadInput("time_zone is '%s', which is no offset such as +00:00." % params["time_zone"])
    schemas = list(params["schemas"]) or ([params["login_db"]] if params["login_db"] else [])
    if not schemas:
        raise BadInput("No database is named.", "Give schemas, or login_db for a single one.")
    return schemas
