# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a backup: look, plan, dump under a moment of stillness, prove, give it its name."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from typing import Any, Dict, Iterator, List, Optional

from ..core.errors import BadInput, Failed, Refused, RunbookError, TimedOut
from ..core.times import iso
from ..core.verdict import OK, UNKNOWN, WARNING, Finding, summary
from ..mysql import connection as mysql
from ..mysql import option_file
from ..mysql.dialect import Server
from ..mysql.login import Login, client_options, resolve
from . import file_destination as files
from . import programs
from .manifest import Manifest, Part
from .pipeline import Pipeline
from .source import GlobalReadLock, Source, Table, count_rows, gtid_at, look, open_snapshot, read_position

#: A compressed dump is at most about this part of the data's size on disk.
_COMPRESSED_PART = 0.5


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything decided before anything is written."""

    path: str
    login: Login
    server: Server
    source: Source
    program: programs.DumpProgram
    compressor: List[str]
    estimated_bytes: int
    free_bytes: int
    findings: List[Finding]


@dataclasses.dataclass(frozen=True)
class Taken:
    """What the moment of the snapshot gave."""

    tables: Dict[str, Dict[str, Any]]
    lock: Dict[str, Any]
    position: Optional[Dict[str, Any]]
    position_reason: str


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Make the backup, or in check mode only the plan of it; the result has the same keys."""
    start = time.time()
    level = _level(params["compression"], params["compression_level"])
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(start))
    path = files.target(params["dest"], params["database"], params["compression"], stamp)
    directory = os.path.dirname(path)
    removed, completed = (files.leftovers(directory), []) if check_mode else files.clean(directory)
    leavings = {"removed_leftovers": removed, "completed_leftovers": completed}
    existing = _existing(path, params)
    if existing is not None:
        return dict(_result(path, existing, False, [], 0.0), **leavings)
    with mysql.connect(dict(params, login_db=None)) as connection:
        plan = _plan(connection, params, path, level)
        manifest = _manifest(params, plan, start)
        findings = plan.findings
        if not check_mode:
            manifest, findings = _dump(connection, params, plan, manifest)
    result = _result(path, manifest, True, findings, 0.0 if check_mode else time.time() - start)
    return dict(result, estimated_bytes=plan.estimated_bytes, free_bytes=plan.free_bytes, **leavings)


def _level(compression: str, wanted: Optional[int]) -> int:
    largest = programs.LARGEST_LEVELS[compression]
    if wanted is None:
        return programs.DEFAULT_LEVELS[compression]
    if not 1 <= wanted <= largest:
        raise BadInput(
            "compression_level is %d; %s takes %s." % (wanted, compression, "1 to %d" % largest if largest else "none")
        )
    return wanted


def _existing(path: str, params: Dict[str, Any]) -> Optional[Manifest]:
    """The proven backup to reuse, or None when one is to be made.

    :raises Refused: when something is in the way.
    """
    if not os.path.lexists(path):
        return None
    try:
        manifest, problem = files.verify(path), ""
    except BadInput as error:
        manifest, problem = None, error.message
    if params["reuse"] and manifest is not None:
        if (manifest.database, manifest.environment) == (params["database"], params["environment"]):
            return manifest
        problem = "it is a backup of '%s' in environment '%s'" % (manifest.database, manifest.environment)
    if params["overwrite"]:
        return None
    raise Refused(
        "%s exists already; %s." % (path, problem.rstrip(".") or "it is a complete backup"),
        "Choose another dest, or set reuse (keeps a proven one) or overwrite; nothing was done.",
    )


def _plan(connection: mysql.Connection, params: Dict[str, Any], path: str, level: int) -> Plan:
    server = mysql.server(connection)
    source = look(connection, server, params["database"])
    program = programs.find_dump_program(server, params["dump_program"])
    compressor = programs.compressor_argv(params["compression"], level)
    expected = int(source.data_bytes * (_COMPRESSED_PART if compressor else 1))
    free = files.check_space(path, expected, params["min_free_bytes"])
    findings = [_rights(source), _engines(source), _dialect(program, server)]
    return Plan(path, resolve(params), server, source, program, compressor, expected, free, findings)


def _rights(source: Source) -> Finding:
    missing = source.missing_rights
    if not missing:
        return Finding("rights", OK, missing, [], "Nothing is hidden from this user.")
    message = "Not seen among this user's own grants: %s." % ", ".join(missing)
    advice = "What a user may not see a dump leaves out without a word. Grant them, unless a role of the user does."
    return Finding("rights", UNKNOWN, missing, [], message, advice)


def _engines(source: Source) -> Finding:
    others = {table.name: table.engine for table in source.tables if not table.transactional}
    if not others:
        return Finding("engines", OK, {}, {}, "All tables are transactional.")
    return Finding(
        "engines",
        WARNING,
        others,
        {},
        "Tables whose engine has no snapshots: %s. Rows written to them during the dump may be half in it."
        % ", ".join(sorted(others)),
        "Convert them to InnoDB, or let nobody write to them during the backup.",
    )


def _dialect(program: programs.DumpProgram, server: Server) -> Finding:
    if program.is_native_to(server):
        return Finding("program", OK, program.text, server.text, "The dump program belongs to the server.")
    return Finding(
        "program",
        WARNING,
        program.text,
        server.text,
        "The dump program is the other dialect's.",
        "Install the server's own client.",
    )


def _manifest(params: Dict[str, Any], plan: Plan, start: float) -> Manifest:
    return Manifest(
        engine="dump",
        database=params["database"],
        environment=params["environment"],
        file=os.path.basename(plan.path),
        compression=params["compression"],
        server={"flavor": plan.server.flavor, "version": plan.server.text},
        program=plan.program.text,
        started=iso(start),
        tables={t.name: {"rows": None, "engine": t.engine, "consistent": False} for t in plan.source.tables},
        position_reason="not read before the dump starts",
    )


def _dump(connection: mysql.Connection, params: Dict[str, Any], plan: Plan, manifest: Manifest) -> Any:
    """Returns the finished manifest and the findings."""
    native = plan.program.is_mariadb and plan.server.is_mariadb
    options = client_options(plan.login, plan.program.is_mariadb)
    until = time.monotonic() + params["timeout_seconds"] if params["timeout_seconds"] else None
    with _sigterm_raises(), option_file.descriptor("client", options) as fd:
        destination = files.FileDestination(plan.path)
        try:
            argv = plan.program.argv(fd, params["database"], with_position=native and plan.source.binary_log)
            taken, streamed = _stream(connection, params, plan, argv, fd, destination, until)
            problem = streamed.problem()
            if problem:
                raise Failed(
                    "The dump of '%s' is not a backup: %s." % (params["database"], problem.rstrip(".")), _nothing(plan)
                )
            manifest = dataclasses.replace(
                manifest,
                tables=taken.tables,
                consistent=all(table["consistent"] for table in taken.tables.values()),
                lock=taken.lock,
                position=taken.position,
                position_reason=taken.position_reason,
                parts=[
                    Part(
                        os.path.basename(plan.path),
                        "whole",
                        streamed.sha256,
                        streamed.size_bytes,
                        streamed.uncompressed_bytes,
                    )
                ],
                size_bytes=streamed.size_bytes,
                uncompressed_bytes=streamed.uncompressed_bytes,
                finished=iso(time.time()),
            )
            destination.commit(manifest)
        except OSError as error:
            raise Failed(
                "The backup can't be written to %s: %s." % (plan.path, error.strerror or error), _nothing(plan)
            ) from error
        finally:
            destination.abandon()
    return manifest, [*plan.findings, _rows(manifest), _position(manifest)]


def _nothing(plan: Plan) -> str:
    return "Nothing of it is left; what was at %s before is untouched." % plan.path


def _stream(
    connection: mysql.Connection,
    params: Dict[str, Any],
    plan: Plan,
    argv: List[str],
    fd: int,
    destination: files.FileDestination,
    until: Optional[float],
) -> Any:
    """Start the dump while nobody can write, count in the same state, wait for the end."""
    reader = mysql.login(dataclasses.replace(plan.login, database=None))
    lock = GlobalReadLock(connection, params["lock_timeout_seconds"])
    pipeline: Optional[Pipeline] = None
    try:
        lock.take()
        open_snapshot(reader, plan.server)
        position, reason = _position_now(connection, plan, lock)
        pipeline = Pipeline(argv, plan.compressor, destination.sink, fd)
        # While the lock is held the dump has to open its snapshot; that it did shows in its output.
        same_state = lock.held and pipeline.snapshot_opened.wait(lock.remaining()) and pipeline.text.past_snapshot
        if lock.held and not same_state:
            lock.reason = "the dump did not open its snapshot within lock_timeout_seconds."
        lock.release()
        counts = count_rows(reader, params["database"], plan.source.tables)
        streamed = pipeline.finish(None if until is None else max(0.0, until - time.monotonic()))
        if streamed is None:
            raise TimedOut(
                "The dump took longer than timeout_seconds (%s)." % params["timeout_seconds"], _nothing(plan)
            )
        if pipeline.text.position:
            file, place = pipeline.text.position
            position, reason = {"file": file, "position": place, "gtid": gtid_at(connection, file, place)}, ""
        elif position and not same_state:
            position, reason = None, lock.reason
        tables = {t.name: _table(t, counts[t.name], bool(same_state)) for t in plan.source.tables}
        facts = {"held": bool(same_state), "seconds": round(lock.seconds, 3), "reason": lock.reason}
        return Taken(tables, facts, position, reason), streamed
    finally:
        if pipeline is not None:
            pipeline.stop()
        reader.close()


def _table(table: Table, rows: Optional[int], same_state: bool) -> Dict[str, Any]:
    return {"rows": rows, "engine": table.engine, "consistent": same_state and table.transactional and rows is not None}


def _position_now(connection: mysql.Connection, plan: Plan, lock: GlobalReadLock) -> Any:
    """Position and the reason why there is none. Without the lock it would belong to another state than the dump's."""
    if not plan.source.binary_log:
        return None, "the server writes no binary log (log_bin is off)."
    if not lock.held:
        return None, lock.reason
    try:
        position = read_position(connection, plan.server)
    except mysql.SqlError as error:
        return None, error.message
    if plan.server.is_mariadb:
        position["gtid"] = gtid_at(connection, position["file"], position["position"])
    return position, ""


def _rows(manifest: Manifest) -> Finding:
    if manifest.consistent:
        return Finding(
            "rows", OK, True, True, "The rows of every table were counted in the very state that was dumped."
        )
    advice = "Grant RELOAD, and allow a longer lock_timeout_seconds where long statements run."
    message = "Row counts may differ from the dump. %s" % (manifest.lock["reason"] or "Some tables have no snapshots.")
    return Finding("rows", WARNING, False, True, message, advice)


def _position(manifest: Manifest) -> Finding:
    if manifest.position:
        return Finding("position", OK, manifest.position, None, "The dump's place in the binary log is known.")
    return Finding(
        "position",
        WARNING,
        None,
        None,
        "The dump's place in the binary log is not known: %s" % manifest.position_reason,
        "Without it what happened after the dump can't be replayed.",
    )


def _result(path: str, manifest: Manifest, changed: bool, findings: List[Finding], seconds: float) -> Dict[str, Any]:
    size = manifest.uncompressed_bytes
    reused = Finding(
        "proof",
        OK,
        manifest.parts[0].sha256 if manifest.parts else None,
        None,
        "The existing file matches its manifest; it was not made again.",
    )
    return {
        "changed": changed,
        "path": path,
        "manifest_path": path + files.MANIFEST_SUFFIX,
        "manifest": manifest.as_dict(),
        "size_bytes": manifest.size_bytes,
        "estimated_bytes": manifest.size_bytes,
        "free_bytes": files.free_bytes(path),
        "seconds": round(seconds, 3),
        "throughput_bytes_per_second": round(size / seconds) if size and seconds else None,
        "diff": {"before": {"path": None if changed else path}, "after": {"path": path}},
        **summary(findings or [reused]),
    }


@contextlib.contextmanager
def _sigterm_raises() -> Iterator[None]:
    """So that a task that is asked to end cleans up like one that failed."""

    def ended(*_: object) -> None:
        raise RunbookError("The backup was ended by SIGTERM before it was complete.", "Nothing was left of it.")

    before = signal.signal(signal.SIGTERM, ended)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
