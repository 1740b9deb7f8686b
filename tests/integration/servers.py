# SPDX-License-Identifier: GPL-3.0-or-later
"""Private servers for tests and benchmarks, each in a directory of its own, on a free loopback port, stopped by pid.

They also die with the process that started them (pdeathsig), so a killed test run leaves nothing behind.
"""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pymysql
import redis

START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """One running server. ``unix_socket`` is a path; the password is that of ``user``."""

    process: subprocess.Popen[bytes]
    directory: Path
    port: int
    unix_socket: str
    user: str
    password: str

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self) -> None:
        """Ask it to end; after 20 s it is killed."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@dataclass
class RedisServer(Server):
    clients: list[redis.Redis] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.url_of_db(0)

    def url_of_db(self, number: int) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/{number}"

    @property
    def options(self) -> dict[str, object]:
        """The module options that reach it."""
        return {"redis_port": self.port, "redis_password": self.password}

    def client(self, db: int = 0) -> redis.Redis:
        """A connection of its own, closed with the server. Replies are bytes, as the modules get them."""
        self.clients.append(redis.Redis(port=self.port, password=self.password, db=db))
        return self.clients[-1]

    def stop(self) -> None:
        for client in self.clients:
            client.close()
        super().stop()


class MysqlServer(Server):
    @property
    def options(self) -> dict[str, object]:
        """The module options that reach it over TCP."""
        return {"login_port": self.port, "login_user": self.user, "login_password": self.password}

    def connect(self, **more: object) -> pymysql.connections.Connection:
        return pymysql.connect(
            unix_socket=self.unix_socket, user=self.user, password=self.password, autocommit=True, **more
        )


def spawn(argv: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def await_answer(
    process: subprocess.Popen[bytes], ask: Callable[[], object], errors: tuple[type[Exception], ...], log: Path
) -> None:
    """Ask until it answers; a server that ended or stays mute raises, with the end of its log."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            ask()
            return
        except errors as error:
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                process.wait()
                raise RuntimeError(f"{process.args} does not answer ({error}):\n{log.read_text()[-3000:]}") from error
            time.sleep(0.05)


def knock(server: Server) -> None:
    """Raises OSError when nobody listens at the port or the socket; pymysql would leave its own socket open then."""
    socket.create_connection(("127.0.0.1", server.port)).close()
    with socket.socket(socket.AF_UNIX) as probe:
        probe.connect(server.unix_socket)


def redis_binary(directory: Path) -> str:
    """The server's own package's, or the same binary out of redis-tools: called redis-server, it is the server."""
    found = shutil.which("redis-server")
    if found:
        return found
    link = directory / "redis-server"
    if not link.exists():
        link.symlink_to("/usr/bin/redis-check-rdb")
    return str(link)


def start_redis(directory: Path, *settings: str) -> RedisServer:
    """A Redis in ``directory`` that keeps nothing on disk; ``settings`` are further lines of its configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    port, password, path = free_port(), secrets.token_hex(8), str(directory / "redis.sock")
    lines = [f"port {port}", "bind 127.0.0.1", f"unixsocket {path}", f"requirepass {password}", f"dir {directory}"]
    config = directory / "redis.conf"
    config.write_text("\n".join([*lines, 'save ""', "appendonly no", *settings]) + "\n")
    log = directory / "redis.log"
    process = spawn([redis_binary(directory), str(config)], log)
    server = RedisServer(process, directory, port, path, "default", password)
    await_answer(process, server.client().ping, (redis.exceptions.ConnectionError,), log)
    return server


@functools.cache
def mariadb_tables() -> Path:
    """A directory whose ``data`` is what each MariaDB begins with: made once a run, because it takes longer than the start."""
    directory = Path(tempfile.mkdtemp(prefix="mariadb-"))
    atexit.register(shutil.rmtree, directory)
    as_root = ["--user=root"] if os.getuid() == 0 else []
    # A starting server deletes the temporary tables it finds in its tmpdir, those of a neighbour too: none is shared.
    place = [f"--datadir={directory}/data", f"--tmpdir={directory}", "--innodb-log-file-size=16M", *as_root]
    made = subprocess.run(
        ["mariadb-install-db", "--no-defaults", *place, "--skip-test-db", "--auth-root-authentication-method=normal"],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise RuntimeError(f"mariadb-install-db failed:\n{made.stdout[-2000:]}{made.stderr[-2000:]}")
    return directory


def start_mariadb(directory: Path, *settings: str) -> MysqlServer:
    """A MariaDB in ``directory`` with an administrator ``admin`` (socket and TCP) and a binary log; fast, not safe.

    ``settings`` are further arguments such as ``--max-connections=20``. No option file of the machine is read.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data, path, log = directory / "data", str(directory / "mysql.sock"), directory / "mysqld.log"
    port, password = free_port(), secrets.token_hex(8)
    as_root = ["--user=root"] if os.getuid() == 0 else []
    common = ["--no-defaults", f"--datadir={data}", f"--tmpdir={directory}", *as_root]
    subprocess.run(["cp", "--archive", "--sparse=always", str(mariadb_tables() / "data"), str(data)], check=True)
    users = directory / "users.sql"
    users.touch(0o600)
    users.write_text(
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}';\n"
        + "".join(
            f"CREATE OR REPLACE USER 'admin'@'{host}' IDENTIFIED BY '{password}';\n"
            f"GRANT ALL ON *.* TO 'admin'@'{host}' WITH GRANT OPTION;\n"
            for host in ("localhost", "127.0.0.1")
        )
    )
    fast = [
        "--innodb-flush-log-at-trx-commit=0",
        "--sync-binlog=0",
        "--innodb-doublewrite=0",
        "--innodb-fast-shutdown=2",
    ]
    place = [f"--port={port}", "--bind-address=127.0.0.1", f"--socket={path}", f"--pid-file={directory}/mysqld.pid"]
    binlog = ["--server-id=1", "--log-bin=binlog", "--binlog-format=ROW"]
    memory = ["--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--skip-name-resolve"]
    mariadbd = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
    argv = [mariadbd, *common, *place, *fast, *binlog, *memory, f"--init-file={users}", *settings]
    process = spawn(argv, log)
    server = MysqlServer(process, directory, port, path, "admin", password)

    def ask() -> None:
        knock(server)
        server.connect().close()

    await_answer(process, ask, (OSError, pymysql.err.OperationalError), log)
    return server
