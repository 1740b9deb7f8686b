# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shipping binary logs to a storage: close the one in use when it is time, fetch each closed one, look through it, store it, note it.

Killed at any point nothing false is left: a log counts when its record is there, and that is written last.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from typing import Any, Dict, List, Optional, Tuple

from ..core.ending import ends_when_asked, in_one_piece
from ..core.errors import BadInput, Failed, Refused, Unavailable
from ..core.times import iso
from ..core.verdict import summary
from ..mysql import connection as mysql
from ..mysql import option_file
from ..mysql.dialect import Server
from ..mysql.login import Login, client_options, resolve
from ..storage.base import CHUNK, Storage, open_storage
from . import binlog_file, binlog_plan, catalogue
from .catalogue import BINLOG, BINLOG_RECORD, Binlog
from .programs import ENCRYPTION_SUFFIXES, SUFFIXES, compressor_argv, encryption
from .programs import level as compression_level
from .scratch import PrivateDir, sweep

#: Up to when the archive holds everything: ``{until, file, position, server}``; ``file`` and ``position`` are where the server was then.
COVERED = BINLOG + "covered.json"
_LOG = re.compile(r"^%s(.+?\.\d+)(?:\.|$)" % re.escape(BINLOG))


@dataclasses.dataclass(frozen=True)
class Source:
    """The server's logs, its place in them, its id, and its clock (Unix seconds) just before."""

    logs: List[Tuple[str, int]]
    file: str
    position: int
    server: str
    now: float


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Ship what there is; in check mode only say what would be."""
    if params["max_age_seconds"] < 1 or params["interval_seconds"] < 0:
        raise BadInput("max_age_seconds must be 1 or more, and interval_seconds not negative.")
    began = time.time()
    storage = open_storage(params["dest"], params)
    storage.check()
    covered = read_covered(storage)
    login = resolve(params)
    with ends_when_asked("The archiving"), mysql.connect(dict(params, login_db=None)) as connection:
        server = mysql.server(connection)
        looked = time.time()
        source = look(connection, server)
        known = archived(storage, source)
        _refuse_foreign(known, covered, source, storage)
        binlog_plan.to_ship(source.logs, known)
        since = seconds(covered)
        idle = covered is not None and (covered["file"], covered["position"]) == (source.file, source.position)
        rotate = not idle and binlog_plan.must_rotate(
            since, source.now, params["interval_seconds"], params["max_age_seconds"]
        )
        after = source
        if rotate and not check_mode:
            connection.rows("FLUSH BINARY LOGS")
            after = look(connection, server)
        logs = [*source.logs, (_successor(source.file), 0)] if rotate and check_mode else after.logs
        planned = binlog_plan.to_ship(logs, known)
        shipped: List[Binlog] = []
        if rotate or idle:
            # Everything that was written before we looked is in logs that are closed now.
            covered = {
                "until": iso(source.now),
                "file": after.file,
                "position": after.position,
                "server": source.server,
            }
        if not check_mode:
            sweep(params["work_dir"])
            shipped = _ship(params, storage, server, login, source.server, planned)
            known = archived(storage, after)
            if covered and (rotate or idle):
                storage.put(COVERED, json.dumps(covered).encode())
    now = source.now + time.time() - looked
    findings = binlog_plan.judge_archive(known, seconds(covered), now, params["max_age_seconds"])
    return {
        "changed": rotate or bool(planned),
        "rotated": rotate,
        "shipped": [name for name, unused in planned],
        "shipped_bytes": sum(one.size_bytes for one in shipped),
        "active": after.file,
        "covered_until": covered["until"] if covered else None,
        "archived": len(known),
        "seconds": round(time.time() - began, 3),
        "diff": {
            "before": {"logs": len(known) - len(shipped)},
            "after": {"logs": len(known) - len(shipped) + len(planned)},
        },
        **summary(findings),
    }


def look(connection: mysql.Connection, server: Server) -> Source:
    """:raises Refused: when the server writes no binary log."""
    if not int(connection.value("SELECT @@log_bin")):
        raise Refused("The server at %s writes no binary log." % connection.place, "Set log_bin, and restart it.")
    now = connection.value("SELECT UTC_TIMESTAMP()")
    status = "SHOW BINARY LOG STATUS" if not server.is_mariadb and server.version >= (8, 2, 0) else "SHOW MASTER STATUS"
    place = connection.rows(status)[0]
    logs = [(str(row["Log_name"]), int(row["File_size"])) for row in connection.rows("SHOW BINARY LOGS")]
    moment = now.replace(tzinfo=datetime.timezone.utc).timestamp()
    return Source(logs, str(place["File"]), int(place["Position"]), str(connection.value("SELECT @@server_id")), moment)


def archived(storage: Storage, source: Source) -> List[Binlog]:
    """What is archived. Records are read of the newest log and of those that the server still has; of older ones, which were judged when
    they were shipped, the listing is enough: this runs every minute, and there are hundreds a day.
    """
    names = [stored.name for stored in storage.list(BINLOG)]
    records = [name for name in names if name.endswith(BINLOG_RECORD) and name[: -len(BINLOG_RECORD)] in names]
    logs = {name: found.group(1) for name in records for found in [_LOG.match(name)] if found}
    newest = max(logs, key=lambda name: binlog_plan.number(logs[name]), default="")
    still = {name for name, unused in source.logs}
    wanted = [name for name in logs if logs[name] in still or name == newest]
    read, broken = catalogue.read_binlogs(storage, [*wanted, *(name[: -len(BINLOG_RECORD)] for name in wanted)])
    if newest in broken:
        raise Failed(broken[newest], "Remove it together with its log, so that the log is shipped again.")
    server = next((one.server for one in read if one.name == logs.get(newest)), source.server)
    older = [
        Binlog(logs[name], name[: -len(BINLOG_RECORD)], server, 0, "", 4, 0, True)
        for name in logs
        if name not in wanted
    ]
    return sorted([*older, *read], key=lambda one: one.number)


def read_covered(storage: Storage) -> Optional[Dict[str, Any]]:
    """What the last shipping noted; None when there was none or it can't be read."""
    if storage.stat(COVERED) is None:
        return None
    try:
        found = json.loads(storage.read_small(COVERED))
        return {
            "until": str(found["until"]),
            "file": str(found["file"]),
            "position": int(found["position"]),
            "server": str(found["server"]),
        }
    except (ValueError, KeyError, TypeError):
        return None


def seconds(covered: Optional[Dict[str, Any]]) -> Optional[float]:
    return catalogue.seconds_of(covered["until"]) if covered else None


def _successor(name: str) -> str:
    """The name that the server's next log will have."""
    base, unused, digits = name.rpartition(".")
    return "%s.%0*d" % (base, len(digits), int(digits) + 1)


def _refuse_foreign(binlogs: List[Binlog], covered: Optional[Dict[str, Any]], source: Source, storage: Storage) -> None:
    servers = {one.server for one in binlogs} | ({covered["server"]} if covered else set())
    if servers - {source.server}:
        raise Refused(
            "%s holds the binary logs of the server with id %s; this one has id %s."
            % (storage.place, ", ".join(sorted(servers)), source.server),
            "Give each server a dest of its own.",
        )


def _ship(
    params: Dict[str, Any],
    storage: Storage,
    server: Server,
    login: Login,
    server_id: str,
    planned: List[Tuple[str, int]],
) -> List[Binlog]:
    shipped: List[Binlog] = []
    if not planned:
        return shipped
    names = ["mariadb-binlog", "mysqlbinlog"] if server.is_mariadb else ["mysqlbinlog", "mariadb-binlog"]
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        raise Unavailable(
            "There is no %s where this task runs." % " or ".join(names), "Install the server's client programs."
        )
    level = compression_level(params["compression"], None)
    with PrivateDir(params["work_dir"]) as work:
        secret = encryption(params["encrypt_to"], work.home)
        filters = [compressor_argv(params["compression"], level), secret.argv if secret else []]
        suffix = SUFFIXES[params["compression"]] + (ENCRYPTION_SUFFIXES[secret.kind] if secret else "")
        for name, size in planned:
            path = _fetch(program, login, "mariadb" in os.path.basename(os.path.realpath(program)), name, work.home)
            try:
                with open(path, "rb") as handle:
                    span = binlog_file.span(handle, name)
                if span.size != size:
                    raise Failed("%s arrived with %d bytes; the server has %d." % (name, span.size, size), "Try again.")
                stored, digest = _store(storage, path, BINLOG + name + suffix, [argv for argv in filters if argv])
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            record = Binlog(
                name=name,
                file=BINLOG + name + suffix,
                server=server_id,
                size_bytes=stored,
                sha256=digest,
                start_position=4,
                end_position=span.size,
                closed=True,  # the server has gone on to another one
                first_event=iso(span.first_time) if span.first_time else None,
                last_event=iso(span.last_time) if span.last_time else None,
                last_gtid=", ".join(span.gtids.values()) or None,
                compression=params["compression"],
                encryption=secret.as_dict() if secret else None,
                shipped=iso(time.time()),
            )
            catalogue.write_binlog(storage, record)
            shipped.append(record)
    return shipped


def _fetch(program: str, login: Login, is_mariadb: bool, name: str, directory: str) -> str:
    """One log as the server sends it to a replica, byte for byte."""
    with option_file.descriptor("client", client_options(login, is_mariadb)) as fd:
        argv = [program, "--defaults-file=/dev/fd/%d" % fd, "--read-from-remote-server", "--raw"]
        argv += ["--result-file=%s/" % directory, name]
        # Needs the option file's descriptor, which run_command closes.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=[fd],
            env=dict(os.environ, MYSQL_TEST_LOGIN_FILE=os.devnull, LC_ALL="C"),
            check=False,
        )
    path = os.path.join(directory, name)
    if done.returncode or not os.path.exists(path):
        said = " ".join(done.stderr.decode("utf-8", "replace").split())[-500:]
        raise Failed(
            "%s could not be fetched from %s: %s" % (name, login.place, said or "the program said nothing"),
            "The user needs REPLICATION SLAVE, and BINLOG MONITOR (MariaDB) or REPLICATION CLIENT (MySQL).",
        )
    return path


def _store(storage: Storage, path: str, name: str, filters: List[List[str]]) -> Tuple[int, str]:
    """Compress and encrypt a file into the storage; size and SHA-256 of what is there then."""
    digest, size = hashlib.sha256(), 0
    processes: List[subprocess.Popen[bytes]] = []
    with open(path, "rb") as handle, storage.create(name) as upload:
        source: Any = handle
        try:
            for argv in filters:
                with in_one_piece():
                    # Programs joined by pipes are beyond run_command.
                    process = subprocess.Popen(  # pylint: disable=ansible-bad-function
                        argv, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                    )
                    if processes:
                        source.close()
                    processes.append(process)
                source = process.stdout
            for chunk in iter(lambda: source.read(CHUNK), b""):
                upload.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            for argv, process in zip(filters, processes):
                if process.wait():
                    raise Failed(
                        "%s ended with %d while %s was packed." % (argv[0], process.returncode, name), "Try again."
                    )
            upload.prepare()
            upload.commit()
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                process.wait()
                if process.stdout:
                    process.stdout.close()
    return size, digest.hexdigest()
