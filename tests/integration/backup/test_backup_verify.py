# SPDX-License-Identifier: GPL-3.0-or-later
"""backup_verify: a good backup is proven, and every kind of bad one is caught at its level and never called ok."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import scratch, verify
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.manifest import SUFFIX
from ansible_collections.finaegis.runbook.plugins.module_utils.events.restored import event_rules
from ansible_collections.finaegis.runbook.plugins.modules import backup_verify
from integration.backup import handmade
from integration.backup.handmade import sql
from integration.runner import CHECKOUT, run_tasks
from integration.servers import MysqlServer

MODULE = "finaegis.runbook.backup_verify"
CHECKS: dict[str, Any] = {
    "database": "proven",
    "environment": "test",
    "ledgers": [
        {
            "table": "journal_lines",
            "debit_column": "debit_amount",
            "credit_column": "credit_amount",
            "group_columns": ["currency"],
        }
    ],
    "assertions": [{"name": "accounts", "query": "SELECT COUNT(*) FROM accounts", "expected": "100"}],
}


@pytest.fixture(scope="module")
def bank(mysql_server: MysqlServer) -> Iterator[MysqlServer]:
    handmade.make_bank(mysql_server, "proven")
    yield mysql_server
    sql(mysql_server, "DROP DATABASE proven")


@pytest.fixture(scope="module")
def original(bank: MysqlServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return handmade.take(bank, "proven", tmp_path_factory.mktemp("original"))


@pytest.fixture
def good(original: Path, tmp_path: Path) -> Path:
    """A good backup of one's own to spoil."""
    directory = tmp_path / "backups"
    shutil.copytree(original.parent, directory)
    return directory / original.name


def check(server: MysqlServer, src: Path | str, **more: Any) -> dict[str, Any]:
    """The module's work without Ansible, restoring to the shared server; the database it makes there must be gone afterwards."""
    options = {**CHECKS, **server.options, "src": str(src), "target": "server", **more}
    found = ArgumentSpecValidator(backup_verify.argument_spec()).validate(options)
    assert not found.error_messages
    params = found.validated_parameters
    try:
        return verify.run(params, False, event_rules(params["events"]))
    finally:
        assert sql(server, "SHOW DATABASES LIKE 'proven\\_%'") == []


def finding(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in result["findings"] if one["check"] == name)


def test_a_good_backup_is_proven_in_a_scratch_server_and_nothing_is_left(good: Path, tmp_path: Path) -> None:
    scratch_dir = tmp_path / "s"
    scratch_dir.mkdir()
    options = {**CHECKS, "src": f"{good.parent}/", "scratch_dir": str(scratch_dir), "scratch_memory_bytes": 128 << 20}
    command = {
        "argv": [
            "sh",
            "-c",
            'mariadb --no-defaults -S "$DB_SOCKET" -u "$DB_USERNAME" "$DB_DATABASE" -Ne "SELECT COUNT(*) FROM rich"',
        ]
    }
    planned, proven, absent = run_tasks(
        [
            {MODULE: {**options, "require_level": "L1"}, "check_mode": True},
            {MODULE: {**options, "require_level": "L5", "commands": [{**command, "expect": "^0$"}]}},
            {MODULE: {**options, "database": "other", "fail_on": []}},
        ]
    )
    assert planned["level"] == "L1" and planned["changed"] and planned["proof"] is None, planned
    # The view counts as its definer, whom the scratch server has to know.
    assert not proven.get("failed") and proven["level"] == "L5" and proven["verdict"] == "ok", proven
    assert set(planned) == set(proven)
    assert set(proven["rto"]["phases"]) == {"find", "server", "restore", "compare", "invariants", "application"}
    assert json.loads(Path(proven["proof"]).read_text())["level"] == "L5"
    assert not absent.get("failed") and absent["level"] == "none" and absent["verdict"] == "critical"
    assert list(scratch_dir.iterdir()) == []
    assert scratch.leftovers(str(scratch_dir)) == [] and b"scratch_dir" not in b"".join(
        path.read_bytes() for path in good.parent.iterdir()
    )


def test_what_is_proven_is_said_and_kept(bank: MysqlServer, good: Path) -> None:
    taken = verify.judge.moment(json.loads(Path(f"{good}{SUFFIX}").read_text())["taken"], "taken")
    result = check(bank, good, loss_at=verify.iso(taken + 137))
    assert result["level"] == "L4" and result["verdict"] == "ok", result["findings"]
    assert result["rpo"]["seconds"] == 137 and result["rpo"]["by"] == "backup" and result["rpo"]["reason"]
    assert result["rpo"]["last_event"] == "2026-01-01T00:33:20Z"
    assert result["rto"]["seconds"] > 0 and result["gib_per_minute"] > 0
    proof = json.loads(Path(result["proof"]).read_text())
    assert (proof["level"], proof["verdict"], proof["rpo"]["seconds"]) == ("L4", "ok", 137)
    (known,) = verify.catalogue.read(verify.open_storage(str(good.parent), {})).backups
    assert known.proven and known.level == "L4"
    late = check(bank, good, loss_at=verify.iso(taken + 901), proof=False)
    assert late["verdict"] == "critical" and finding(late, "rpo")["verdict"] == "critical" and late["level"] == "L4"


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path, fitting: bool) -> None:
    data = path.read_bytes()[:-200]
    path.write_bytes(data)
    if fitting:
        part = json.loads(Path(f"{path}{SUFFIX}").read_text())["parts"][0]
        handmade.remanifest(path, parts=[handmade.Part(**{**part, "size_bytes": len(data)})])


def yesterday(path: Path) -> None:
    day = verify.iso(time.time() - 86400)
    handmade.remanifest(path, taken=day, started=day, finished=day)


def renamed(path: Path) -> None:
    """Another day's backup, manifest and all, under this name."""
    other = "proven-20250101T020000Z.sql.zst"
    part = json.loads(Path(f"{path}{SUFFIX}").read_text())["parts"][0]
    handmade.remanifest(path, file=other, parts=[handmade.Part(**{**part, "file": other})])


def tables(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(Path(f"{path}{SUFFIX}").read_text())["tables"]
    return found


def with_a_table_more(path: Path) -> None:
    handmade.remanifest(path, tables={**tables(path), "gone": {"rows": 1, "checksum": "1"}})


def without_checksums(path: Path) -> None:
    handmade.remanifest(path, tables={name: dict(facts, checksum=None) for name, facts in tables(path).items()})


def replaced(old: bytes, new: bytes) -> Callable[[Path], None]:
    """Changes the first ``old`` in the dump."""
    return lambda path: handmade.reforge(path, lambda text: text.replace(old, new, 1))


def without_an_event(path: Path) -> None:
    handmade.reforge(path, handmade.without_row("stored_events", 1234))


def emptied(text: bytes) -> bytes:
    return text[:177]


def half_way(text: bytes) -> bytes:
    return text[: text.index(b"-- Table structure for table `stored_events`")]


BAD: list[tuple[str, Callable[[Path], None], str, str]] = [
    ("truncated", lambda path: cut(path, False), "L0", "another size"),
    ("truncated, manifest made to fit", lambda path: cut(path, True), "L1", "SHA-256"),
    ("a byte flipped in the middle", flipped, "L1", "SHA-256"),
    ("yesterday's under today's name", yesterday, "L0", "its name says"),
    ("another day's with its manifest", renamed, "L0", "manifest of 'proven-20250101T020000Z"),
    (
        "another environment's",
        lambda path: handmade.remanifest(path, environment="staging"),
        "L0",
        "'staging', not 'test'",
    ),
    ("half-written: no manifest", lambda path: Path(f"{path}{SUFFIX}").unlink(), "L0", "has no manifest"),
    ("not there", lambda path: path.unlink(), "L0", "missing"),
    ("manifest is rubbish", lambda path: Path(f"{path}{SUFFIX}").write_text("{"), "L0", "not the manifest"),
    ("empty dump of 177 bytes", lambda path: handmade.reforge(path, emptied), "L1", "does not end as a complete dump"),
    (
        "mysqldump failed half-way",
        lambda path: handmade.reforge(path, half_way),
        "L1",
        "does not end as a complete dump",
    ),
    ("another database's text", replaced(b"Database: proven", b"Database: shop"), "L1", "'shop'"),
    ("a row the server refuses", replaced(b"(2,'00000000-0000", b"(1,'00000000-0000"), "L2", "Duplicate entry"),
    ("a value that does not fit", replaced(b"'EUR'", b"'EURO'"), "L2", "Data"),
    ("one row changed", replaced(b",77.0000,", b",78.0000,"), "L3", "table accounts checksum"),
    ("one event missing", without_an_event, "L3", "event store stored_events chain"),
    ("a table missing", with_a_table_more, "L3", "table gone"),
    ("a view changed", replaced(b"> 100", b"> 101"), "L3", "view:rich"),
    ("a table nobody could read", without_checksums, "L3", "nothing is known"),
]


@pytest.mark.parametrize(("spoil", "level", "said"), [one[1:] for one in BAD], ids=[one[0] for one in BAD])
def test_bad_backups_are_caught_at_their_level(
    bank: MysqlServer, good: Path, spoil: Callable[[Path], None], level: str, said: str
) -> None:
    spoil(good)
    result = check(bank, good)
    caught = finding(result, level)
    assert caught["verdict"] in ("critical", "unknown") and said in caught["message"], result["findings"]
    assert result["level"] == ("none" if level == "L0" else f"L{int(level[1]) - 1}")
    assert result["verdict"] == "critical" and finding(result, "level")["verdict"] == "critical"
    known = verify.catalogue.read(verify.open_storage(str(good.parent), {}))
    assert not any(one.proven for one in known.backups)


SOURCE_FAULTS = [
    ("an event missing", "DELETE FROM stored_events WHERE id = 150", "version_gap"),
    ("a version twice", "UPDATE stored_events SET aggregate_version = 5 WHERE id = 350", "duplicate_version"),
    (
        "a ledger that does not balance",
        "UPDATE journal_lines SET debit_amount = debit_amount + 1 WHERE id = 3",
        "debits of",
    ),
    (
        "an assertion that fails",
        "INSERT INTO accounts (uuid, balance) VALUES ('x', -1)",
        "accounts is 101, expected is 100",
    ),
]


@pytest.mark.parametrize(
    ("statement", "said"), [one[1:] for one in SOURCE_FAULTS], ids=[one[0] for one in SOURCE_FAULTS]
)
def test_faults_of_the_source_are_caught_in_a_backup_that_is_true_to_it(
    bank: MysqlServer, tmp_path: Path, statement: str, said: str
) -> None:
    handmade.make_bank(bank, "faulty")
    sql(
        bank,
        "ALTER TABLE faulty.stored_events DROP KEY aggregate_uuid, ADD KEY (aggregate_uuid)",
        "USE faulty",
        statement,
    )
    try:
        path = handmade.take(bank, "faulty", tmp_path)
        result = check(bank, path, database="faulty", target_database="proven_faulty")
    finally:
        sql(bank, "DROP DATABASE faulty")
    assert result["level"] == "L3" and said in finding(result, "L4")["message"], result["findings"]


COMMANDS: list[tuple[dict[str, Any], str]] = [
    ({"argv": ["false"]}, "ended with 1"),
    ({"argv": ["echo", "all is well"]}, "never asked the restored database"),
    ({"argv": ["no-such-program"]}, "can't be run"),
    ({"argv": ["sleep", "9"], "timeout_seconds": 1}, "took longer than 1 s"),
    ({"argv": ["echo", "x"], "expect": "y"}, "did not say 'y'"),
]


def test_commands_that_fail_lie_or_look_elsewhere(bank: MysqlServer, good: Path) -> None:
    result = check(bank, good, commands=[command for command, _ in COMMANDS])
    assert result["level"] == "L4" and result["verdict"] == "critical"
    for problem, (_, said) in zip(finding(result, "L5")["observed"], COMMANDS, strict=True):
        assert said in problem


def scratch_check(src: Path, base: Path, **more: Any) -> dict[str, Any]:
    options = {**CHECKS, "src": str(src), "scratch_dir": str(base), "scratch_memory_bytes": 128 << 20, **more}
    params = ArgumentSpecValidator(backup_verify.argument_spec()).validate(options).validated_parameters
    return verify.run(params, False, event_rules({}))


def test_a_scratch_server_that_is_killed_proves_nothing_and_leaves_nothing(
    bank: MysqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = handmade.take(bank, "proven", tmp_path)
    real = verify.LogicalRestore.into

    def killed(self: Any, login: Any, database: str) -> Any:
        home = os.path.dirname(str(login.unix_socket))
        pid = scratch._server_pid(home)
        assert pid
        os.kill(pid, signal.SIGKILL)
        return real(self, login, database)

    monkeypatch.setattr(verify.LogicalRestore, "into", killed)
    result = scratch_check(path, tmp_path)
    assert result["level"] == "L1" and finding(result, "L2")["verdict"] == "unknown", result["findings"]
    assert "ended by signal 9" in finding(result, "L2")["message"] and result["verdict"] == "critical"
    assert json.loads(Path(result["proof"]).read_text())["verdict"] == "unknown"
    assert not list(tmp_path.glob("finaegis-scratch-*"))


def test_a_disk_that_fills_up_during_the_restore(
    bank: MysqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit on the size of files stands for the disk, set when the server is up: a table's file can't grow beyond it."""
    path = handmade.take(bank, "proven", tmp_path)
    real = verify.LogicalRestore.into

    def full(self: Any, login: Any, database: str) -> Any:
        pid = scratch._server_pid(os.path.dirname(str(login.unix_socket)))
        assert pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (600_000, 600_000))
        return real(self, login, database)

    monkeypatch.setattr(verify.LogicalRestore, "into", full)
    result = scratch_check(path, tmp_path)
    assert result["level"] == "L1" and result["verdict"] == "critical", result["findings"]
    assert finding(result, "L2")["verdict"] in ("critical", "unknown")
    assert not list(tmp_path.glob("finaegis-scratch-*"))


def test_too_little_space_is_refused_before_anything_is_started(good: Path, tmp_path: Path) -> None:
    handmade.remanifest(good, uncompressed_bytes=1 << 50)
    with pytest.raises(verify.RunbookError, match="Nothing was restored"):
        scratch_check(good, tmp_path)
    assert not list(tmp_path.glob("finaegis-scratch-*"))


@pytest.mark.parametrize("version", ["10.12.1-MariaDB", "12.0.1-MariaDB", "8.4.0"])
def test_a_server_that_is_not_fit_is_refused(good: Path, tmp_path: Path, version: str) -> None:
    handmade.remanifest(good, server={"flavor": "mariadb" if "Maria" in version else "mysql", "version": version})
    with pytest.raises(verify.RunbookError, match="can't be trusted to hold|There is no mysqld|mysqld"):
        scratch_check(good, tmp_path, scratch_server="mariadbd" if "Maria" in version else "auto")
    assert not list(tmp_path.glob("finaegis-scratch-*"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_task_that_is_ended_leaves_nothing_or_the_next_one_removes_it(
    good: Path, tmp_path: Path, how: signal.Signals
) -> None:
    script = tmp_path / "run.py"
    options = {**CHECKS, "src": str(good), "scratch_dir": str(tmp_path), "scratch_memory_bytes": 128 << 20}
    options["assertions"] = [{"name": "slow", "query": "SELECT SLEEP(60)", "expected": "0"}]
    script.write_text(
        "import json, sys\nsys.path[:0] = ['.collections', 'tests']\n"
        "from integration.backup import test_backup_verify as t\n"
        f"options = json.loads({json.dumps(json.dumps(options))})\n"
        "t.scratch_check(options.pop('src'), options.pop('scratch_dir'), **options)\n"
    )
    child = subprocess.Popen([sys.executable, str(script)], cwd=CHECKOUT, stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not (sleeping := list(tmp_path.glob("finaegis-scratch-*/data/proven/stored_events.ibd"))):
        assert time.monotonic() < until and child.poll() is None, child.stderr.read() if child.stderr else ""
        time.sleep(0.1)
    home = sleeping[0].parents[2]
    pid = scratch._server_pid(str(home))
    child.send_signal(how)
    _, said = child.communicate(timeout=60)
    if how == signal.SIGTERM:
        assert b"ended by SIGTERM" in said and not home.exists()
    else:
        assert home.exists() and scratch.leftovers(str(tmp_path)) == [str(home)]
        assert scratch.sweep(str(tmp_path)) == [str(home)] and not home.exists()
    assert pid and scratch._server_pid(str(home)) is None


def test_what_another_task_is_using_is_not_swept(tmp_path: Path) -> None:
    program = scratch.ServerProgram("/bin/false", None, verify_server())
    with scratch.Scratch(str(tmp_path), program, 1) as used:
        assert scratch.leftovers(str(tmp_path)) == [] and scratch.sweep(str(tmp_path)) == []
        assert Path(used.home).stat().st_mode & 0o777 == 0o700
    assert not Path(used.home).exists()


def verify_server() -> Any:
    from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.dialect import parse_version

    return parse_version("10.11.1-MariaDB")


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"src": "/nowhere/"}, "does not exist"),
    ({"src": "s3://B/"}, "is no S3 address"),
    ({"until": "latest", "require_level": "L1"}, "until needs require_level L3"),
    ({"loss_at": "noon"}, "loss_at is 'noon'"),
    ({"events": {"nonsense": 1}}, "The option events is wrong"),
    ({"scratch_dir": "/nowhere"}, "is no directory"),
    ({"scratch_server": "no-such-server"}, "There is no no-such-server"),
]


def test_bad_input_is_clear(good: Path) -> None:
    tasks = [{MODULE: {**CHECKS, "src": str(good), **wrong}} for wrong, _ in BAD_OPTIONS]
    for result, (wrong, said) in zip(run_tasks(tasks), BAD_OPTIONS, strict=True):
        assert result["failed"] and said in result["msg"], (wrong, result)
        assert "defect of the module" not in result["msg"]
