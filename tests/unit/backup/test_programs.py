# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.engines import dump, make
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.engines.physical import Physical
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.programs import (
    Program,
    compressor_argv,
    encryption,
    level,
    unpack_argv,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Refused, Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql.dialect import parse_version

MARIADB = "mariadb-dump  Ver 10.19 Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)"
MARIADB_11 = "mariadb-dump from 11.8.2-MariaDB, client 10.19 for debian-linux-gnu (x86_64)"
MYSQL_57 = "mysqldump  Ver 10.13 Distrib 5.7.44, for Linux (x86_64)"
MYSQL_9 = "mysqldump  Ver 9.7.4-2 for Linux on x86_64 ((Debian))"


@pytest.mark.parametrize(
    ("text", "mariadb", "purged", "statistics"),
    [
        (MARIADB, True, False, False),
        (MARIADB_11, True, False, False),
        (MYSQL_57, False, True, False),
        (MYSQL_9, False, True, True),
        ("something else", False, True, False),
    ],
)
def test_each_dialect_gets_the_arguments_it_knows(text: str, mariadb: bool, purged: bool, statistics: bool) -> None:
    program = Program("/bin/dump", text)
    argv = dump.argv(program, 7, "--bank", with_position=False, plain_text=False)
    assert program.is_mariadb is mariadb
    assert ("--set-gtid-purged=OFF" in argv, "--column-statistics=0" in argv) == (purged, statistics)
    assert argv[:3] == ["/bin/dump", "--defaults-file=/dev/fd/7", "--single-transaction"]
    assert argv[-2:] == ["--", "--bank"], "a name that looks like an option is none"
    assert "--master-data=2" in dump.argv(program, 7, "bank", with_position=True, plain_text=False)


def fakes(directory: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        (directory / name).write_text(f"#!/bin/sh\necho {name} Ver 1.0\n")
        (directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


@pytest.mark.parametrize(
    ("server", "there", "found"),
    [
        ("10.11-MariaDB", ["mysqldump", "mariadb-dump"], "mariadb-dump"),
        ("10.11-MariaDB", ["mysqldump"], "mysqldump"),
        ("8.4.3", ["mysqldump", "mariadb-dump"], "mysqldump"),
        ("8.4.3", ["mariadb-dump"], "mariadb-dump"),
    ],
)
def test_the_servers_own_program_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str, there: list[str], found: str
) -> None:
    fakes(tmp_path, monkeypatch, *there)
    assert make("dump").program(parse_version(server), "auto").path == str(tmp_path / found)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    fakes(tmp_path, monkeypatch)
    with pytest.raises(Unavailable, match="mariadb-dump or mysqldump"):
        make("dump").program(parse_version("10.11-MariaDB"), "auto")
    with pytest.raises(Unavailable, match=f"There is no {compression} "):
        compressor_argv(compression, 1)
    assert compressor_argv("none", 0) == []


def test_a_copy_of_files_is_made_by_the_servers_own_version_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mariadb-backup"
    path.write_text("#!/bin/sh\necho mariadb-backup based on MariaDB server 10.11.19-MariaDB debian-linux-gnu >&2\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Physical().program(parse_version("10.11.2-MariaDB"), "auto").path == str(path)
    for other in ("11.4.1-MariaDB", "10.6.19-MariaDB"):
        with pytest.raises(Refused, match="is for version 10.11 and the server is"):
            Physical().program(parse_version(other), "auto")
    with pytest.raises(Unavailable, match="There is no xtrabackup"):
        Physical().program(parse_version("8.4.3"), "auto")


def test_there_is_no_other_engine() -> None:
    with pytest.raises(BadInput, match="dump, mydumper, physical"):
        make("rsync")


@pytest.mark.parametrize(
    ("compression", "wanted", "found"), [("zstd", None, 1), ("gzip", None, 6), ("none", None, 0), ("zstd", 19, 19)]
)
def test_levels(compression: str, wanted: int | None, found: int) -> None:
    assert level(compression, wanted) == found


@pytest.mark.parametrize(("compression", "wanted"), [("zstd", 20), ("gzip", 0), ("none", 1)])
def test_levels_that_are_none(compression: str, wanted: int) -> None:
    with pytest.raises(BadInput, match="compression_level is"):
        level(compression, wanted)


AGE = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nothing of the kind", "holds no public key"),
        (f"# public key: {AGE}\nAGE-SECRET-KEY-1AAAA\n", "holds a secret key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "holds a secret key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "holds a secret key"),
        (None, "can't be read: No such file"),
    ],
)
def test_a_key_that_can_not_be_used_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    key = tmp_path / "key"
    if text is not None:
        key.write_text(text)
    with pytest.raises(BadInput, match=said):
        encryption(str(key), str(tmp_path))


def test_the_kind_of_the_key_chooses_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "key"
    key.write_text(f"# of the vault\n{AGE}\n")
    fakes(tmp_path, monkeypatch, "age", "zstd")
    found = encryption(str(key), str(tmp_path))
    assert found is not None and found.as_dict() == {"kind": "age", "recipients": [AGE]}
    assert found.argv == [str(tmp_path / "age"), "--encrypt", "-R", str(key)]
    back = unpack_argv("zstd", found.as_dict(), "/secret", str(tmp_path))
    assert [argv[0] for argv in back] == [str(tmp_path / "age"), str(tmp_path / "zstd")]
    with pytest.raises(BadInput, match="no key was given"):
        unpack_argv("zstd", found.as_dict(), None, str(tmp_path))
    (tmp_path / "age").unlink()
    with pytest.raises(Unavailable, match="There is no age"):
        encryption(str(key), str(tmp_path))
    assert encryption(None, str(tmp_path)) is None
