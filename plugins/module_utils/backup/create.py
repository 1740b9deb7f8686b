# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a backup: look, plan, take it under a moment of stillness, give it its name, let old ones go."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tempfile
import time
from typing import Any, Dict, List, Optional, Set, Tuple

from ..core.ending import ends_when_asked
from ..core.errors import BadInput, Failed, Refused, TimedOut, Unavailable
from ..core.times import iso
from ..core.verdict import OK, Finding, summary
from ..mysql import connection as mysql
from ..mysql import option_file
from ..mysql.dialect import Server
from ..mysql.login import Login, client_options, resolve
from ..storage.base import Storage, open_storage, split
from . import catalogue, findings, programs, proof, retention
from . import spool as spools
from .contents import METHOD
from .engines import make
from .engines.base import Engine, Job
from .manifest import Manifest, Part
from .pipeline import Streamed
from .source import Source, look
from .take import Taken, Taking

#: A compressed dump is at most about this part of the data's size on disk.
_COMPRESSED_PART = 0.5


@dataclasses.dataclass(frozen=True)
class Plan:
    """Everything decided before anything is written."""

    storage: Storage
    name: str
    engine: Engine
    login: Login
    server: Server
    source: Source
    program: programs.Program
    compressor: List[str]
    encryption: Optional[programs.Encryption]
    data_directory: str
    estimated_bytes: int
    free_bytes: Optional[int]
    findings: List[Finding]


def run(params: Dict[str, Any], check_mode: bool) -> Dict[str, Any]:
    """Make the backup, or in check mode only the plan of it; the result has the same keys."""
    start = time.time()
    level = programs.level(params["compression"], params["compression_level"])
    engine = make(params["engine"])
    place, name = split(params["dest"])
    storage = open_storage(place, params)
    storage.check()
    spool_parent = _spool_parent(params, storage)
    leavings = _leavings(storage, {spool_parent, tempfile.gettempdir()}, check_mode)
    # GnuPG wants a home even to encrypt.
    with spools.spool(tempfile.gettempdir()) if params["encrypt_to"] else contextlib.nullcontext("") as home:
        encryption = programs.encryption(params["encrypt_to"], home)
        name = _name(name, params, engine, encryption, start)
        existing = _existing(storage, name, params)
        if existing is not None:
            result = _result(storage, existing, False, [], 0.0, params, check_mode)
            return dict(result, **leavings, estimated_bytes=existing.size_bytes, free_bytes=storage.free_bytes())
        with mysql.connect(dict(params, login_db=None)) as connection:
            plan = _plan(connection, params, storage, name, engine, level, encryption)
            manifest, seen = _manifest(params, plan, start), plan.findings
            if not check_mode:
                manifest, seen = _make(connection, params, plan, manifest, spool_parent)
    result = _result(storage, manifest, True, seen, 0.0 if check_mode else time.time() - start, params, check_mode)
    return dict(result, **leavings, estimated_bytes=plan.estimated_bytes, free_bytes=plan.free_bytes)


def _spool_parent(params: Dict[str, Any], storage: Storage) -> str:
    if params["spool_dir"]:
        return str(params["spool_dir"])
    return storage.place if storage.free_bytes() is not None else tempfile.gettempdir()


def _leavings(storage: Storage, spool_parents: Set[str], check_mode: bool) -> Dict[str, List[str]]:
    removed, completed = (storage.leftovers(), []) if check_mode else proof.clean(storage)
    for parent in sorted(spool_parents):
        removed += spools.leftovers(parent) if check_mode else spools.clean(parent)
    return {"removed_leftovers": removed, "completed_leftovers": completed}


def _name(
    wanted: Optional[str],
    params: Dict[str, Any],
    engine: Engine,
    encryption: Optional[programs.Encryption],
    start: float,
) -> str:
    """The name of the object to make; without one it is made of the database and the time (UTC).

    :raises BadInput: when the name's ending says another compression or encryption, or it is that of a record.
    """
    packed = programs.SUFFIXES[params["compression"]]
    hidden = programs.ENCRYPTION_SUFFIXES[encryption.kind] if encryption else ""
    if wanted is None:
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(start))
        return "%s-%s%s" % (
            re.sub(r"[^\w.-]", "_", params["database"]).lstrip("."),
            stamp,
            engine.suffix + packed + hidden,
        )
    if wanted.startswith(".") or wanted.endswith(".json") or catalogue.PROOF in wanted:
        raise BadInput("A backup can't be called '%s'." % wanted, "Choose another dest; nothing was done.")
    bare, ending = os.path.splitext(wanted)
    endings = {suffix: kind for kind, suffix in programs.ENCRYPTION_SUFFIXES.items()}
    if endings.get(ending, encryption.kind if encryption else None) != (encryption.kind if encryption else None):
        raise BadInput(
            "dest ends in %s but that is not how it is encrypted." % ending, "Let dest and encrypt_to agree."
        )
    ending = os.path.splitext(bare)[1] if ending in endings else ending
    for other, suffix in programs.SUFFIXES.items():
        if suffix and other != params["compression"] and ending == suffix:
            raise BadInput(
                "dest ends in %s but compression is %s." % (suffix, params["compression"]), "Let them agree."
            )
    return wanted


def _existing(storage: Storage, name: str, params: Dict[str, Any]) -> Optional[Manifest]:
    """The proven backup to reuse, or None when one is to be made.

    :raises Refused: when something is in the way.
    """
    if storage.stat(name) is None:
        return None
    try:
        manifest, problem = proof.verify(storage, name), ""
    except BadInput as error:
        manifest, problem = None, error.message
    if params["reuse"] and manifest is not None:
        if (manifest.database, manifest.environment) == (params["database"], params["environment"]):
            return manifest
        problem = "it is a backup of '%s' in environment '%s'" % (manifest.database, manifest.environment)
    if params["overwrite"]:
        return None
    raise Refused(
        "%s exists already; %s." % (storage.url(name), problem.rstrip(".") or "it is a complete backup"),
        "Choose another dest, or set reuse (keeps a proven one) or overwrite; nothing was done.",
    )


def _plan(
    connection: mysql.Connection,
    params: Dict[str, Any],
    storage: Storage,
    name: str,
    engine: Engine,
    level: int,
    encryption: Optional[programs.Encryption],
) -> Plan:
    server = mysql.server(connection)
    source = look(connection, server, params["database"])
    directory = engine.look(connection)
    program = engine.program(server, params["program"])
    compressor = programs.compressor_argv(params["compression"], level)
    size = source.server_bytes if engine.needs_files else source.data_bytes
    expected = int(size * (_COMPRESSED_PART if compressor else 1))
    free = _check_space(storage, expected, params["min_free_bytes"])
    seen = [
        findings.rights(source),
        findings.engines(source),
        findings.program(program, server, engine.dialect(program, server)),
    ]
    return Plan(
        storage,
        name,
        engine,
        resolve(params),
        server,
        source,
        program,
        compressor,
        encryption,
        directory,
        expected,
        free,
        seen,
    )


def _check_space(storage: Storage, expected: int, keep: int) -> Optional[int]:
    """Free bytes, when the backup fits and ``keep`` bytes stay free after it; None where space is no question.

    :raises Refused: when not.
    """
    free = storage.free_bytes()
    if free is not None and free - expected < keep:
        raise Refused(
            "%s has %d bytes free; the backup takes about %d and min_free_bytes wants %d left. Nothing was done."
            % (storage.place, free, expected, keep),
            "Free space, choose another dest, or lower min_free_bytes.",
            free_bytes=free,
            estimated_bytes=expected,
        )
    return free


def _manifest(params: Dict[str, Any], plan: Plan, start: float) -> Manifest:
    unknown = {"rows": None, "checksum": None, "consistent": False}
    return Manifest(
        engine=plan.engine.name,
        database=params["database"],
        environment=params["environment"],
        file=plan.name,
        compression=params["compression"],
        encryption=plan.encryption.as_dict() if plan.encryption else None,
        server={"flavor": plan.server.flavor, "version": plan.server.text},
        program=plan.program.text,
        started=iso(start),
        tables={table.name: dict(unknown, engine=table.engine) for table in plan.source.tables},
        checksum_method=METHOD,
        consistent_reason="not read before the backup starts",
        position_reason="not read before the backup starts",
    )


def _make(
    connection: mysql.Connection, params: Dict[str, Any], plan: Plan, manifest: Manifest, spool_parent: str
) -> Tuple[Manifest, List[Finding]]:
    """Returns the finished manifest and the findings."""
    filters = [argv for argv in (plan.compressor, plan.encryption.argv if plan.encryption else []) if argv]
    options = client_options(plan.login, plan.program.is_mariadb or plan.server.is_mariadb)
    with contextlib.ExitStack() as stack:
        stack.enter_context(ends_when_asked("The backup"))
        fd = stack.enter_context(option_file.descriptor("client", options))
        spool = stack.enter_context(spools.spool(spool_parent)) if plan.engine.needs_spool else ""
        job = Job(
            plan.source.name,
            plan.login,
            plan.server,
            plan.program,
            plan.source.binary_log,
            fd,
            params["threads"],
            plan.data_directory,
            spool,
            plain_text=plan.engine.takes_bytes and plan.source.plain_text,
        )
        taking = Taking(
            connection,
            plan.login,
            plan.engine,
            job,
            filters,
            params["lock_timeout_seconds"],
            params["timeout_seconds"] or None,
        )
        try:
            upload = stack.enter_context(plan.storage.create(plan.name))
            taken, streamed = taking.run(upload)
            upload.prepare()
            manifest = _finished(manifest, taken, streamed, plan.source)
            beside = stack.enter_context(plan.storage.create(manifest.name))
            beside.write(manifest.render().encode())
            beside.prepare()
            stored = upload.commit()
            beside.commit()
        except OSError as error:
            raise Failed(
                "The backup can't be written to %s: %s." % (plan.storage.url(plan.name), error.strerror or error),
                _nothing(plan),
            ) from error
        except mysql.SqlError:
            raise
        except Unavailable as error:
            message = "The backup can't be written: %s" % error.message
            raise Failed(message, "%s %s" % (error.advice, _nothing(plan))) from error
        except (Failed, TimedOut) as error:
            raise type(error)(error.message, error.advice or _nothing(plan), **error.data) from error
    seen = [*plan.findings, findings.contents(manifest), findings.position(manifest)]
    return manifest, seen + findings.checksum(stored, plan.storage.place)


def _nothing(plan: Plan) -> str:
    return "Nothing of it is left; what was at %s before is untouched." % plan.storage.url(plan.name)


def _finished(manifest: Manifest, taken: Taken, streamed: Streamed, source: Source) -> Manifest:
    steady = {table.name for table in source.tables if table.transactional}
    tables = {
        name: dict(facts, consistent=taken.same_state and name in steady and facts["checksum"] is not None)
        for name, facts in taken.contents.tables.items()
    }
    unsteady = [name for name in tables if name not in steady]
    reason = taken.reason or ("Tables without snapshots: %s." % ", ".join(unsteady) if unsteady else "")
    part = Part(manifest.file, "whole", streamed.sha256, streamed.size_bytes, streamed.uncompressed_bytes)
    return dataclasses.replace(
        manifest,
        tables=tables,
        event_stores=taken.contents.event_stores,
        objects=taken.contents.objects,
        consistent=all(table["consistent"] for table in tables.values()),
        consistent_reason=reason,
        lock=taken.lock,
        position=taken.position,
        position_reason=taken.position_reason,
        taken=taken.taken,
        parts=[part],
        size_bytes=streamed.size_bytes,
        uncompressed_bytes=streamed.uncompressed_bytes,
        finished=iso(time.time()),
    )


def _result(
    storage: Storage,
    manifest: Manifest,
    changed: bool,
    seen: List[Finding],
    seconds: float,
    params: Dict[str, Any],
    check_mode: bool,
) -> Dict[str, Any]:
    gone = _let_go(storage, params, changed and check_mode, check_mode)
    size, path = manifest.uncompressed_bytes, storage.url(manifest.file)
    reused = Finding(
        "proof", OK, manifest.name, None, "The existing backup matches its manifest; it was not made again."
    )
    return {
        "changed": changed or bool(gone),
        "path": path,
        "manifest_path": path + manifest.name[len(manifest.file) :],
        "manifest": manifest.as_dict(),
        "size_bytes": manifest.size_bytes,
        "seconds": round(seconds, 3),
        "throughput_bytes_per_second": round(size / seconds) if size and seconds else None,
        "removed": gone,
        "diff": {"before": {"path": None if changed else path, "old": gone}, "after": {"path": path, "old": []}},
        **summary(seen or [reused]),
    }


def _let_go(storage: Storage, params: Dict[str, Any], coming: bool, check_mode: bool) -> List[str]:
    """Remove what the rules of retention don't keep; addresses of what was (check mode: would be) removed. ``coming`` is whether there
    will be one more than there is.
    """
    if params["keep_last"] is None and params["keep_days"] is None:
        return []
    found = catalogue.read(storage)
    own = found.only(params["database"], params["environment"])
    old = retention.expired(own, time.time(), params["keep_last"], params["keep_days"], coming)
    logs = retention.unneeded_binlogs(found, old)
    if not check_mode:
        for backup in old:
            retention.remove(storage, backup)
        for file in logs:
            retention.remove_binlog(storage, file)
    return [storage.url(name) for name in [*(backup.manifest.file for backup in old), *logs]]
