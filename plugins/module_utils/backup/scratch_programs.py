# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server program of this machine: which one, whether it can hold a backup, how it is started for scratch."""

from __future__ import annotations

import dataclasses
import os
import pwd
import re
import shutil
import subprocess
from typing import Dict, List, Optional

from ..core.errors import Refused, Unavailable
from ..mysql.dialect import Server, parse_version

#: Where distributions keep the server, which is seldom on the PATH of those who are not root.
_PLACES = os.pathsep.join(["/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/mysql/bin"])


@dataclasses.dataclass(frozen=True)
class ServerProgram:
    """``install`` makes MariaDB's data directory; MySQL's server does that itself."""

    path: str
    install: Optional[str]
    server: Server

    def install_argv(self, data: str, tmp: str) -> List[str]:
        common = ["--no-defaults", "--datadir=" + data, "--tmpdir=" + tmp, "--user=" + _user()]
        if self.server.is_mariadb:
            extra = ["--skip-test-db", "--auth-root-authentication-method=normal", "--skip-name-resolve"]
            return [str(self.install), *common, *extra]
        return [self.path, *common, "--initialize-insecure"]

    def server_argv(self, home: str, memory_bytes: int) -> List[str]:
        """Reached by its socket only, loses everything in a crash of the machine, runs no events of the bank."""
        argv = [self.path, "--no-defaults", "--user=" + _user(), "--datadir=%s/data" % home, "--tmpdir=%s/tmp" % home]
        argv += ["--socket=%s/sock" % home, "--pid-file=%s/server.pid" % home, "--log-error=%s/server.log" % home]
        argv += [
            "--skip-networking",
            "--skip-name-resolve",
            "--event-scheduler=OFF",
            "--skip-log-bin",
            "--server-id=4294967290",
        ]
        argv += ["--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-fast-shutdown=2"]
        argv += ["--innodb-buffer-pool-size=%d" % memory_bytes, "--max-allowed-packet=1G", "--local-infile=OFF"]
        argv += ["--secure-file-priv=%s/tmp" % home, "--skip-slave-start", "--relay-log=%s/relay/relay" % home]
        argv += ["--character-set-server=utf8mb4"]
        if self.server.is_mariadb:
            return [*argv, "--innodb-log-file-size=256M", "--innodb-adaptive-hash-index=OFF", "--aria-log-file-size=8M"]
        redo = "--innodb-redo-log-capacity=512M" if self.server.version >= (8, 0, 30) else "--innodb-log-file-size=256M"
        return [*argv, "--mysqlx=OFF", redo]


def find(wanted: str, flavor: Optional[str] = None) -> ServerProgram:
    """``wanted`` is a path or name, or ``auto``: the server of ``flavor``, or any when that is None.

    :raises Unavailable: when there is none, or it does not run.
    """
    names = {"mariadb": ["mariadbd"], "mysql": ["mysqld"]}.get(flavor or "", ["mariadbd", "mysqld"])
    names = names if wanted == "auto" else [wanted]
    where = os.pathsep.join([os.environ.get("PATH", ""), _PLACES])
    path = next(filter(None, (shutil.which(name, path=where) for name in names)), None)
    if path is None:
        raise Unavailable(
            "There is no %s where this task runs, and so nothing to restore into." % " or ".join(names),
            "Install the server's package (it need not run), name the program with scratch_server, or name a server with target.",
        )
    try:
        # run_command belongs to the module, and this room knows none.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            [path, "--no-defaults", "--version"], capture_output=True, timeout=20, check=True, text=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable("%s can't be run: %s." % (path, error), "Check scratch_server.") from error
    found = re.search(r"Ver (\S+)", done.stdout)
    server = parse_version((found.group(1) if found else "") + (" MySQL" if "MySQL" in done.stdout else ""))
    install = shutil.which("mariadb-install-db", path=where) or shutil.which("mysql_install_db", path=where)
    if server.is_mariadb and install is None:
        raise Unavailable("There is no mariadb-install-db beside %s." % path, "Install the server's whole package.")
    return ServerProgram(path, install, server)


def refuse_unfit(program: ServerProgram, made_on: Dict[str, str], physical: bool) -> None:
    """A dump fits a server of the same kind that is not older; a copy of data files only the very same release series.

    :raises Refused: when the backup was made on a server whose data this one can't hold.
    """
    origin = parse_version(made_on["version"])
    same_kind = made_on["flavor"] == program.server.flavor
    series, ours = origin.version[:2], program.server.version[:2]
    if same_kind and (ours == series or (not physical and ours > series)):
        return
    raise Refused(
        "The backup was made on %s %s; %s is %s %s, which can't %s it."
        % (
            made_on["flavor"],
            origin.release,
            program.path,
            program.server.flavor,
            program.server.release,
            "open the data files of" if physical else "be trusted to hold",
        ),
        "Run this where %s %s.%s%s is installed, or name its program with scratch_server."
        % (made_on["flavor"], series[0], series[1], "" if physical else " or newer"),
    )


def default_memory() -> int:
    """Bytes for the server's buffer pool: a quarter of what is free, from 128 MiB to 4 GiB."""
    try:
        with open("/proc/meminfo", encoding="ascii") as handle:
            free = int(re.findall(r"MemAvailable:\s+(\d+)", handle.read())[0]) * 1024
    except (OSError, LookupError):
        free = 0
    return max(128 << 20, min(4 << 30, free // 4))


def _user() -> str:
    """The server refuses to run as root unless told by name that it is meant."""
    return pwd.getpwuid(os.getuid()).pw_name
