# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between MySQL and MariaDB and their versions. Pure: a version string in, a decision out."""

from __future__ import annotations

import dataclasses
import re
from typing import Tuple

MARIADB = "mariadb"
MYSQL = "mysql"


@dataclasses.dataclass(frozen=True)
class Server:
    """``text`` is what ``SELECT VERSION()`` said; ``version`` its first three numbers."""

    flavor: str
    version: Tuple[int, int, int]
    text: str

    @property
    def is_mariadb(self) -> bool:
        return self.flavor == MARIADB

    @property
    def release(self) -> str:
        """The version as people write it, such as ``10.11.19``."""
        return "%d.%d.%d" % self.version


def parse_version(text: str) -> Server:
    """Read a version string. MariaDB says its name; its handshake may put ``5.5.5-`` in front for old replicas.

    A string without a number gives version 0.0.0, which is older than every rule here.
    """
    flavor = MARIADB if "mariadb" in text.lower() else MYSQL
    bare = text[len("5.5.5-") :] if flavor == MARIADB and text.startswith("5.5.5-") else text
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", bare)
    major, minor, patch = (int(number or 0) for number in found.groups()) if found else (0, 0, 0)
    return Server(flavor, (major, minor, patch), text)


def quote_identifier(name: str) -> str:
    """A database, table or column name for use in SQL."""
    return "`%s`" % name.replace("`", "``")
