# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs a dump is made with: which one, its dialect, its arguments."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from typing import List, Tuple

from ..core.errors import Unavailable
from ..mysql.dialect import Server

SUFFIXES = {"zstd": ".zst", "gzip": ".gz", "none": ""}
#: Level 1 of zstd made the smaller file in a third of the time on hex-heavy event payloads, and keeps up with a dump on one core.
DEFAULT_LEVELS = {"zstd": 1, "gzip": 6, "none": 0}
LARGEST_LEVELS = {"zstd": 19, "gzip": 9, "none": 0}


@dataclasses.dataclass(frozen=True)
class DumpProgram:
    """``text`` is its own version line."""

    path: str
    text: str

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.text.lower()

    @property
    def version(self) -> Tuple[int, int]:
        """Of the distribution it came with; its own counts differently in old ones. 0.0 when it can't be told."""
        found = re.search(r"Distrib (\d+)\.(\d+)", self.text) or re.search(r"Ver (\d+)\.(\d+)", self.text)
        return (int(found.group(1)), int(found.group(2))) if found else (0, 0)

    def is_native_to(self, server: Server) -> bool:
        return self.is_mariadb == server.is_mariadb

    def argv(self, options_fd: int, database: str, with_position: bool) -> List[str]:
        """The command; the login is in the option file behind ``options_fd``, and no other option file is read."""
        argv = [self.path, "--defaults-file=/dev/fd/%d" % options_fd, "--single-transaction", "--quick", "--routines"]
        argv += ["--triggers", "--events", "--hex-blob", "--no-tablespaces", "--skip-lock-tables"]
        argv += ["--default-character-set=utf8mb4", "--max-allowed-packet=1G"]
        if not self.is_mariadb:
            argv.append("--set-gtid-purged=OFF")
            if self.version >= (8, 0):
                argv.append("--column-statistics=0")  # 5.7 does not know it, and 8.0 fails with it on older servers
        if with_position:
            argv.append("--master-data=2")
        return [*argv, "--", database]


def find_dump_program(server: Server, wanted: str) -> DumpProgram:
    """``wanted`` is a name or path, or ``auto``: the program that belongs to the server, else the other dialect's.

    :raises Unavailable: when there is none, or it does not run.
    """
    native = ["mariadb-dump", "mysqldump"] if server.is_mariadb else ["mysqldump", "mariadb-dump"]
    names = native if wanted == "auto" else [wanted]
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        raise Unavailable(
            "There is no %s where this task runs." % " or ".join(names),
            "Install the client programs of the server (mariadb-client or mysql-client), or name one with dump_program.",
        )
    try:
        # run_command belongs to the module, and this room knows none.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [path, "--version"], capture_output=True, timeout=10, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable("%s can't be run: %s." % (path, error), "Check dump_program.") from error
    return DumpProgram(path, done.stdout.strip())


def compressor_argv(compression: str, level: int) -> List[str]:
    """The command that compresses its input to its output; none for ``none``.

    :raises Unavailable: when the program is missing.
    """
    if compression == "none":
        return []
    path = shutil.which(compression)
    if path is None:
        raise Unavailable(
            "There is no %s where this task runs." % compression,
            "Install it, or choose another compression (gzip, none).",
        )
    quiet = ["-q"] if compression == "zstd" else ["-n"]
    return [path, *quiet, "-c", "-%d" % level]
