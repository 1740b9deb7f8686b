# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups in S3 and in files, by every engine, encrypted, let go, and held against what was really there. Without Ansible, except where
its way in is what is asked.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup import catalogue, contents, create, proof, sums
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.engines import mydumper
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.manifest import parse
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.programs import unpack_argv
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import (
    BadInput,
    Failed,
    Refused,
    RunbookError,
    Unavailable,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import connection as mysql
from ansible_collections.finaegis.runbook.plugins.module_utils.storage import s3
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.base import Storage, open_storage
from ansible_collections.finaegis.runbook.plugins.module_utils.storage.files import FileStorage
from ansible_collections.finaegis.runbook.plugins.modules import backup_create
from integration.runner import run_tasks
from integration.s3_server import Unwell, answer
from integration.servers import MysqlServer

TABLES = """
CREATE TABLE accounts (id INT PRIMARY KEY AUTO_INCREMENT, owner VARCHAR(60) CHARACTER SET latin1, balance DECIMAL(20,4), seen BIT(3),
  rate DOUBLE, twice DECIMAL(20,4) AS (balance * 2) STORED, at TIMESTAMP(6) NULL, place POINT) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE stored_events (id BIGINT UNSIGNED PRIMARY KEY AUTO_INCREMENT, aggregate_uuid CHAR(36), aggregate_version BIGINT,
  event_class VARCHAR(60), event_properties JSON, meta_data JSON, created_at TIMESTAMP) ENGINE=InnoDB;
CREATE TABLE nothing (a INT, b BLOB) ENGINE=InnoDB;
CREATE VIEW rich AS SELECT owner FROM accounts WHERE balance > 100;
CREATE PROCEDURE one() SELECT 1;
CREATE TRIGGER keep BEFORE DELETE ON accounts FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no';
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO SET @x = 1;
INSERT INTO accounts (owner, balance, seen, rate, at, place) SELECT CONCAT('Owner é ', seq), seq, seq % 8, seq / 7,
  FROM_UNIXTIME(1700000000 + seq), POINT(seq, 1) FROM seq_1_to_500;
INSERT INTO stored_events SELECT seq, UUID(), 1, 'money_added', JSON_OBJECT('hash', SHA2(seq, 512)), '{}', NOW() FROM seq_1_to_3000;
UPDATE accounts SET owner = NULL WHERE id = 7
"""


def sql(server: MysqlServer, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
    with server.connect(database=database) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


@pytest.fixture(scope="module")
def vault(mysql_server: MysqlServer) -> MysqlServer:
    sql(mysql_server, "DROP DATABASE IF EXISTS vault", "CREATE DATABASE vault")
    sql(mysql_server, *TABLES.split(";\n"), database="vault")
    return mysql_server


def params(server: MysqlServer, dest: object, **more: object) -> dict[str, Any]:
    """All options of the module, as Ansible would hand them over."""
    known = {name: option.get("default") for name, option in backup_create.argument_spec().items()}
    return {**known, **server.options, "database": "vault", "dest": str(dest), "min_free_bytes": 0, **more}


def back(storage: Storage, name: str, filters: list[list[str]]) -> bytes:
    data = b"".join(storage.read(name))
    for argv in filters:
        data = subprocess.run(argv, input=data, capture_output=True, check=True).stdout
    return data


def load(server: MysqlServer, text: bytes, database: str) -> None:
    sql(server, f"DROP DATABASE IF EXISTS {database}", f"CREATE DATABASE {database}")
    argv = ["mariadb", "--no-defaults", "-S", server.unix_socket, "-u", server.user, database]
    subprocess.run(argv, input=text, env={**os.environ, "MYSQL_PWD": server.password}, check=True)


def held(server: MysqlServer, database: str, like: Any = None) -> contents.Contents:
    with mysql.connect({**params(server, "/"), "login_db": None}) as connection:
        return contents.read(connection, mysql.server(connection), database, like)


@pytest.fixture
def restored(vault: MysqlServer, tmp_path: Path) -> tuple[Any, str]:
    """A manifest and a database restored from its backup."""
    result = create.run(params(vault, tmp_path, compression="none"), False)
    load(vault, Path(result["path"]).read_bytes(), "vault_copy")
    return parse(Path(result["manifest_path"]).read_text(), "m"), "vault_copy"


def test_the_copy_equals_its_manifest_and_every_change_of_it_is_seen(
    vault: MysqlServer, restored: tuple[Any, str]
) -> None:
    manifest, copy = restored
    assert contents.uncompared(manifest) == [] and manifest.consistent
    assert sorted(manifest.objects) == [
        "event:nightly",
        "procedure:one",
        "table:accounts",
        "table:nothing",
        "table:stored_events",
        "trigger:keep",
        "view:rich",
    ]
    assert manifest.event_stores["stored_events"]["highest_id"] == 3000
    assert contents.differences(manifest, held(vault, copy)) == []
    changes = [
        ("UPDATE accounts SET balance = balance + 0.0001 WHERE id = 3", ["table accounts checksum"]),
        (
            "UPDATE accounts a, accounts b SET a.balance = b.balance, b.balance = a.balance WHERE a.id = 10 AND b.id = 11",
            ["table accounts checksum"],
        ),
        ("UPDATE accounts SET owner = '' WHERE id = 7", ["table accounts checksum"]),
        ("UPDATE accounts SET seen = 0 WHERE id = 1", ["table accounts checksum"]),
        ("UPDATE accounts SET at = at + INTERVAL 1 MICROSECOND WHERE id = 2", ["table accounts checksum"]),
        ("UPDATE accounts SET place = POINT(0, 0) WHERE id = 2", ["table accounts checksum"]),
        (
            "DELETE FROM stored_events WHERE id = 1500",
            ["table stored_events rows", "table stored_events checksum", "event store stored_events chain"],
        ),
        (
            "UPDATE stored_events SET event_properties = '{}' WHERE id = 1",
            ["table stored_events checksum", "event store stored_events chain"],
        ),
        ("INSERT INTO nothing VALUES (NULL, NULL)", ["table nothing rows", "table nothing checksum"]),
        ("ALTER TABLE nothing ADD KEY (a)", ["table:nothing"]),
        ("DROP TRIGGER keep", ["trigger:keep"]),
        ("DROP PROCEDURE one", ["procedure:one"]),
        ("DROP EVENT nightly", ["event:nightly"]),
        ("CREATE OR REPLACE VIEW rich AS SELECT owner FROM accounts WHERE balance > 101", ["view:rich"]),
        ("DROP TABLE nothing", ["table nothing"]),
    ]
    for statement, seen in changes:
        before = held(vault, copy)
        sql(vault, statement, database=copy)
        moved = contents.differences(
            dataclasses.replace(
                manifest, tables=before.tables, event_stores=before.event_stores, objects=before.objects
            ),
            held(vault, copy),
        )
        assert [one["what"] for one in moved] == seen, statement


def test_rows_longer_than_a_packet_are_in_the_checksum_too(vault: MysqlServer) -> None:
    sql(
        vault,
        "DROP DATABASE IF EXISTS wide",
        "CREATE DATABASE wide",
        "CREATE TABLE wide.t (a LONGTEXT, b LONGTEXT)",
        "INSERT INTO wide.t VALUES (REPEAT('a', 9000000), REPEAT('b', 9000000)), ('a', 'b')",
    )
    first = held(vault, "wide").tables["t"]
    assert first["rows"] == 2 and first["checksum"].startswith(sums.WIDE)
    sql(vault, "UPDATE wide.t SET b = CONCAT(b, 'c') WHERE LENGTH(a) > 1")
    assert held(vault, "wide").tables["t"]["checksum"] != first["checksum"]
    sql(vault, "DELETE FROM wide.t WHERE LENGTH(a) > 1")
    assert not held(vault, "wide").tables["t"]["checksum"].startswith(sums.WIDE)
    like = held(vault, "wide", {"t": first}).tables["t"]["checksum"]
    assert like.startswith(sums.WIDE), "compared in the way of the manifest"


def test_a_binary_log_with_an_event_longer_than_a_packet_does_not_end_the_dump(
    vault: MysqlServer, tmp_path: Path
) -> None:
    """mariadb-dump 10.11 dies of it when it is asked for its position, because the server can't tell the GTID."""
    sql(
        vault,
        "DROP DATABASE IF EXISTS wide",
        "CREATE DATABASE wide",
        "CREATE TABLE wide.t (a LONGTEXT, b LONGTEXT)",
        "FLUSH BINARY LOGS",
        "INSERT INTO wide.t VALUES (REPEAT('a', 9000000), REPEAT('b', 9000000))",
    )
    ((file, place),) = [row[:2] for row in sql(vault, "SHOW MASTER STATUS")]
    assert sql(vault, f"SELECT BINLOG_GTID_POS('{file}', {place})") == [(None,)]
    result = create.run(params(vault, tmp_path, compression="none"), False)
    assert result["verdict"] == "ok" and result["manifest"]["consistent"]
    assert result["manifest"]["position"] == {"file": file, "position": place, "gtid": None}
    sql(vault, "FLUSH BINARY LOGS")


@pytest.mark.parametrize("engine", ["dump", "mydumper", "physical"])
def test_every_engine_to_s3_in_one_state_with_its_manifest_while_others_write(
    vault: MysqlServer, bucket: dict[str, Any], tmp_path: Path, engine: str
) -> None:
    stop = threading.Event()
    sql(
        vault,
        "DROP DATABASE IF EXISTS busy",
        "CREATE DATABASE busy",
        "CREATE TABLE busy.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT)",
    )

    def write() -> None:
        with vault.connect() as connection, connection.cursor() as cursor:
            while not stop.wait(0.002):
                cursor.execute("INSERT INTO busy.t (v) VALUES (1)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        result = create.run(
            params(vault, f"s3://bank/{engine}/", engine=engine, database="busy", spool_dir=str(tmp_path), **bucket),
            False,
        )
    finally:
        stop.set()
        writer.join()
    manifest = result["manifest"]
    assert result["verdict"] == "ok", result["findings"]
    assert manifest["consistent"] and manifest["position"]["file"] and manifest["engine"] == engine
    assert next(one for one in result["findings"] if one["check"] == "storage")["observed"] in ("md5", "sha256")
    assert list(tmp_path.iterdir()) == [] and result["free_bytes"] is None
    storage = open_storage(f"s3://bank/{engine}/", bucket)
    name = manifest["file"]
    proof.verify(storage, name)
    data = back(storage, name, unpack_argv("zstd", None, None, ""))
    assert len(data) == manifest["uncompressed_bytes"]
    rows = manifest["tables"]["t"]["rows"]
    if engine == "dump":
        load(vault, data, "busy_copy")
        assert sql(vault, "SELECT COUNT(*), MAX(id) FROM busy_copy.t") == [(rows, rows)]
    if engine == "mydumper":
        members = mydumper.unpack(iter([data]), str(tmp_path))
        assert "metadata" in members and sorted(members) == sorted(one.name for one in tmp_path.iterdir())
        text = "".join(one.read_text() for one in tmp_path.glob("busy.t*.sql"))
        assert text.count("\n(") + text.count("\n,(") + text.count("VALUES\n(") >= rows > 0


@pytest.fixture
def keys(tmp_path: Path) -> Callable[[str], tuple[Path, Path]]:
    """Makes a pair of keys of a kind: the public one in a file, and what opens it."""

    def make(kind: str) -> tuple[Path, Path]:
        public, secret = tmp_path / "public", tmp_path / "secret"
        if kind == "age":
            made = subprocess.run(["age-keygen", "-o", str(secret)], capture_output=True, text=True, check=True)
            public.write_text(made.stderr.split()[-1] + "\n")
            return public, secret
        secret.mkdir(mode=0o700)
        gpg = ["gpg", "--homedir", str(secret), "--batch", "--quiet"]
        subprocess.run(
            [*gpg, "--passphrase", "", "--quick-generate-key", "vault@example.com", "default", "default"],
            check=True,
            capture_output=True,
        )
        public.write_bytes(subprocess.run([*gpg, "--armor", "--export"], check=True, capture_output=True).stdout)
        return public, secret

    return make


@pytest.mark.parametrize("kind", ["age", "gpg"])
def test_what_is_encrypted_only_the_secret_key_opens(
    vault: MysqlServer, tmp_path: Path, keys: Callable[[str], tuple[Path, Path]], kind: str
) -> None:
    public, secret = keys(kind)
    dest = tmp_path / "b"
    dest.mkdir()
    result = create.run(params(vault, dest, encrypt_to=str(public), compression="gzip"), False)
    name, manifest = Path(result["path"]).name, result["manifest"]
    assert (
        name.endswith(f".sql.gz.{kind}")
        and manifest["encryption"]["kind"] == kind
        and manifest["encryption"]["recipients"]
    )
    data = Path(result["path"]).read_bytes()
    assert b"CREATE TABLE" not in data
    text = back(FileStorage(str(dest)), name, unpack_argv("gzip", manifest["encryption"], str(secret), str(secret)))
    assert text.rstrip().endswith(b"-- Dump completed") or b"-- Dump completed on" in text[-60:]
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o700)
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(
            unpack_argv("gzip", manifest["encryption"], os.devnull, str(empty))[0],
            input=data,
            check=True,
            capture_output=True,
        )
    subprocess.run(["gpgconf", "--homedir", str(secret), "--kill", "all"], check=False)
    assert sorted(one.name for one in dest.iterdir()) == [name, name + ".manifest.json"]


def test_old_ones_are_let_go_but_never_the_newest_proven_one(vault: MysqlServer, tmp_path: Path) -> None:
    paths = []
    for number in range(3):
        paths.append(create.run(params(vault, tmp_path / f"{number}.sql", compression="none"), False)["path"])
        time.sleep(1.1)  # times in manifests are whole seconds
    storage = FileStorage(str(tmp_path))
    manifest = proof.load(storage, "0.sql")
    catalogue.write_proof(storage, catalogue.Proof("0.sql", manifest.digest(), "L4", "ok", "2026-01-31T02:00:00Z", 1.0))
    planned = create.run(params(vault, tmp_path / "3.sql", compression="none", keep_last=2), True)
    done = create.run(params(vault, tmp_path / "3.sql", compression="none", keep_last=2), False)
    assert planned["removed"] == done["removed"] == [paths[1]]
    left = catalogue.read(storage)
    assert [one.manifest.file for one in left.backups] == ["0.sql", "2.sql", "3.sql"] and left.strays == []
    other = create.run(params(vault, tmp_path / "4.sql", compression="none", keep_last=1, environment="other"), False)
    assert other["removed"] == [], "those of another environment are not its own"


def test_an_upload_that_s3_refuses_leaves_nothing_and_a_hiccup_is_overcome(
    vault: MysqlServer, unwell: tuple[type[Unwell], dict[str, Any]], bucket: dict[str, Any]
) -> None:
    handler, options = unwell
    broken = [0]

    def once(request: Unwell) -> bool:
        broken[0] += request.command == "PUT"
        return request.command == "PUT" and broken[0] == 1 and answer(request, 500)

    handler.fault = staticmethod(once)
    assert create.run(params(vault, "s3://bank/hiccup/b.sql", compression="none", **options), False)["verdict"] == "ok"
    handler.fault = staticmethod(lambda request: request.command == "PUT" and answer(request, 403))
    with pytest.raises(Failed, match="can't be written: Writing s3://bank/refused/b.sql failed"):
        create.run(params(vault, "s3://bank/refused/b.sql", compression="none", **options), False)
    handler.fault = staticmethod(lambda request: False)
    storage = s3.S3Storage("bank", "refused/", bucket)
    assert storage.list() == []
    assert storage.ask("", "list_multipart_uploads", Prefix="refused/").get("Uploads", []) == []


def test_a_download_that_breaks_off_is_taken_up_again_and_one_that_never_ends_is_told(
    unwell: tuple[type[Unwell], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, options = unwell
    monkeypatch.setattr(s3, "_PAUSE_SECONDS", 0)
    storage = s3.S3Storage("bank", "cut/", options)
    data = os.urandom(3 << 20)
    storage.put("b", data)
    reads = [0]

    def half(self: Unwell, sent: bytes) -> bytes:
        reads[0] += self.command == "GET"
        self.close_connection = reads[0] < 4
        return sent[: len(sent) // 2] if reads[0] < 4 else sent

    monkeypatch.setattr(handler, "cut", half)
    assert b"".join(storage.read("b")) == data and reads[0] == 4
    assert b"".join(storage.read("b", 2 << 20)) == data[2 << 20 :]

    def never(self: Unwell, sent: bytes) -> bytes:
        self.close_connection = True
        return sent[: min(10, len(sent))]

    monkeypatch.setattr(handler, "cut", never)
    with pytest.raises(Unavailable, match=r"Reading s3://bank/cut/b"):
        list(storage.read("b"))
    with pytest.raises(BadInput, match="There is no s3://bank/cut/c"):
        list(storage.read("c"))


def test_an_object_that_is_not_what_was_sent_is_removed(unwell: tuple[type[Unwell], dict[str, Any]]) -> None:
    handler, options = unwell
    storage = s3.S3Storage("bank", "wrong/", options)

    def shorter(request: Unwell) -> bool:
        if request.command != "HEAD" or "wrong/b" not in request.path:
            return False
        request.send_response(200)
        for key, value in (
            ("Content-Length", "3"),
            ("Last-Modified", "Sat, 31 Jan 2026 02:00:00 GMT"),
            ("ETag", '"x"'),
        ):
            request.send_header(key, value)
        request.end_headers()
        return True

    handler.fault = staticmethod(shorter)
    with pytest.raises(Failed, match="has 3 bytes after 6 were written"):
        storage.put("b", b"abcdef")
    handler.fault = staticmethod(lambda request: False)
    assert storage.list() == []


def test_what_can_not_be_is_refused_before_anything_is_written(
    vault: MysqlServer, bucket: dict[str, Any], tmp_path: Path
) -> None:
    cases: list[tuple[dict[str, Any], type[RunbookError], str]] = [
        ({"dest": "s3://nowhere/"}, BadInput, "There is no bucket 'nowhere'"),
        ({"dest": "s3://bank/x/", "endpoint_url": "http://127.0.0.1:1"}, Unavailable, "Could not connect"),
        ({"dest": "s3://bank/x/", "secret_key": None}, BadInput, "belong together"),
        ({"dest": "s3://bank/x/b.proof-1"}, BadInput, "can't be called"),
        ({"dest": "s3://bank/x/b.sql.gz"}, BadInput, "ends in .gz but compression is zstd"),
        ({"dest": "s3://bank/x/b.sql.zst.age"}, BadInput, "that is not how it is encrypted"),
        ({"spool_dir": "/nowhere", "engine": "mydumper"}, BadInput, "Check spool_dir"),
        ({"engine": "physical", "program": "age"}, Refused, "is for version"),
    ]
    for wrong, kind, message in cases:
        with pytest.raises(kind, match=message):
            create.run({**params(vault, "s3://bank/x/", **bucket), **wrong}, False)
    assert s3.S3Storage("bank", "x/", bucket).list() == []


def test_a_copy_of_files_needs_the_files_and_the_rights(vault: MysqlServer, tmp_path: Path) -> None:
    sql(
        vault,
        "CREATE OR REPLACE USER poor@'127.0.0.1' IDENTIFIED BY 'x'",
        "GRANT SELECT ON vault.* TO poor@'127.0.0.1'",
    )
    with pytest.raises(Failed, match="backup program ended with 1: .*missing required privilege"):
        create.run(params(vault, tmp_path, engine="physical", login_user="poor", login_password="x"), False)
    assert list(tmp_path.iterdir()) == []


def test_mydumper_that_can_not_be_followed_waits_and_its_files_go(
    vault: MysqlServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql(
        vault,
        "DROP DATABASE IF EXISTS broad",
        "CREATE DATABASE broad",
        "USE broad",
        "CREATE TABLE broad.t (a INT PRIMARY KEY, b TEXT)",
        "INSERT INTO broad.t SELECT seq, REPEAT(SHA2(seq, 512), 30) FROM seq_1_to_12000",
    )
    monkeypatch.setattr(mydumper, "_MOST_WAITING", 1 << 20)
    stops: list[int] = []
    told = mydumper._Running._signal

    def noted(self: Any, which: signal.Signals) -> None:
        stops.append(which)
        told(self, which)

    monkeypatch.setattr(mydumper._Running, "_signal", noted)
    result = create.run(params(vault, tmp_path, engine="mydumper", database="broad", compression="none"), False)
    assert result["verdict"] == "ok" and result["manifest"]["tables"]["t"]["rows"] == 12000
    assert {signal.SIGSTOP, signal.SIGCONT} == set(stops)
    with tarfile.open(result["path"]) as archive:
        assert {"metadata", "broad.t-schema.sql"} <= set(archive.getnames())
    assert len(list(tmp_path.iterdir())) == 2


def test_the_way_in_by_ansible_checks_acts_and_keeps_secrets(vault: MysqlServer, bucket: dict[str, Any]) -> None:
    given = {key: value for key, value in bucket.items() if value}
    args = {**vault.options, **given, "database": "vault", "dest": "s3://bank/way/b.sql.zst"}
    module, info = "finaegis.runbook.backup_create", "finaegis.runbook.backup_info"
    planned = run_tasks([{module: args}], check=True)[0]
    done, again, judged, failed = run_tasks(
        [
            {module: args},
            {module: {**args, "reuse": True}},
            {info: {**given, "src": "s3://bank/way/"}},
            {info: {**given, "src": "s3://bank/way/", "fail_on": ["critical"]}},
        ],
        verbose=True,
    )
    assert planned["changed"] and planned["path"] == done["path"] == "s3://bank/way/b.sql.zst"
    assert set(planned) == set(done) and set(planned["manifest"]) == set(done["manifest"])
    assert done["changed"] and not again["changed"] and again["manifest"] == done["manifest"]
    assert judged["newest"] == "s3://bank/way/b.sql.zst" and judged["newest_proven"] is None
    assert judged["verdict"] == "critical" and not judged["changed"]
    assert failed["failed"] and "None of these backups was ever restored" in failed["msg"] and failed["backups"]
    assert bucket["secret_key"] not in done.output and vault.password not in done.output


def test_memory_stays_the_same_however_large_the_object(bucket: dict[str, Any]) -> None:
    """In a process of its own, because the most memory a process had can't be taken back."""
    code = (
        "import resource, sys\n"
        "from ansible_collections.finaegis.runbook.plugins.module_utils.storage.s3 import S3Storage\n"
        f"storage = S3Storage('bank', 'large/', {bucket!r})\n"
        "with storage.create('b') as upload:\n"
        "    for unused in range(10): upload.write(bytes(1 << 20))\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    for unused in range(90): upload.write(bytes(1 << 20))\n"
        "    upload.commit()\n"
        "for unused in storage.read('b'): pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert int(done.stdout) < 24 << 10, f"{done.stdout} KiB more for 90 MiB more"
    with contextlib.suppress(RunbookError):
        s3.S3Storage("bank", "large/", bucket).delete("b")
