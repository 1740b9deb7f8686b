# SPDX-License-Identifier: GPL-3.0-or-later
"""Oracle's MySQL as a private server, beside the MariaDB of ``integration.servers``; see tools/mysql_server.sh."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pymysql
from integration.runner import CHECKOUT
from integration.servers import MysqlServer, await_answer, free_port, knock, spawn


class NoServer(RuntimeError):
    """This machine can't have the server; the text says why."""


@cache
def built() -> Path:
    """The directory with ``mysqld`` and ``data``; made when it is missing.

    :raises NoServer: with the script's own words.
    """
    script = CHECKOUT / "tools/mysql_server.sh"
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoServer(" ".join(done.stderr.split())[-1000:] or f"{script.name} ended with {done.returncode}")
    return Path(done.stdout.strip())


def start_mysql(directory: Path, *settings: str) -> MysqlServer:
    """Oracle's MySQL in ``directory``, as ``start_mariadb`` does it; ``settings`` are further arguments of the server.

    :raises NoServer: when this machine can't have it.
    """
    place = built()
    directory.mkdir(parents=True, exist_ok=True)
    data, path, log = directory / "data", str(directory / "mysql.sock"), directory / "mysqld.log"
    shutil.copytree(place / "data", data)
    port, password = free_port(), secrets.token_hex(8)
    users = directory / "users.sql"
    users.touch(0o600)
    # One statement a line: the server reads the file so.
    users.write_text(
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n"
        + "".join(
            f"CREATE USER IF NOT EXISTS 'admin'@'{host}' IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON *.* TO 'admin'@'{host}' WITH GRANT OPTION;\n"
            for host in ("localhost", "127.0.0.1")
        )
    )
    as_root = ["--user=root"] if os.getuid() == 0 else []
    where = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={path}", f"--pid-file={directory}/mysqld.pid"]
    fast = [
        "--innodb-flush-log-at-trx-commit=0",
        "--sync-binlog=0",
        "--innodb-doublewrite=OFF",
        "--innodb-fast-shutdown=2",
    ]
    memory = ["--innodb-buffer-pool-size=64M", "--innodb-redo-log-capacity=16M", "--skip-name-resolve", "--mysqlx=OFF"]
    argv = [
        str(place / "mysqld"),
        *as_root,
        f"--datadir={data}",
        f"--tmpdir={directory}",
        *where,
        "--server-id=1",
        "--log-bin=binlog",
    ]
    process = spawn([*argv, *fast, *memory, f"--init-file={users}", *settings], log)
    server = MysqlServer(process, directory, port, path, "admin", password)

    def ask() -> None:
        knock(server)
        server.connect().close()

    await_answer(process, ask, (OSError, pymysql.err.OperationalError), log)
    return server
