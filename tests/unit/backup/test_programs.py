# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.backup.programs import (
    DumpProgram,
    compressor_argv,
    find_dump_program,
)
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Unavailable
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
    program = DumpProgram("/bin/dump", text)
    argv = program.argv(7, "--bank", with_position=False)
    assert program.is_mariadb is mariadb
    assert ("--set-gtid-purged=OFF" in argv, "--column-statistics=0" in argv) == (purged, statistics)
    assert argv[:3] == ["/bin/dump", "--defaults-file=/dev/fd/7", "--single-transaction"]
    assert argv[-2:] == ["--", "--bank"], "a name that looks like an option is none"
    assert "--master-data=2" in program.argv(7, "bank", with_position=True)


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
    assert find_dump_program(parse_version(server), "auto").path == str(tmp_path / found)


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str) -> None:
    fakes(tmp_path, monkeypatch)
    with pytest.raises(Unavailable, match="mariadb-dump or mysqldump"):
        find_dump_program(parse_version("10.11-MariaDB"), "auto")
    with pytest.raises(Unavailable, match=f"There is no {compression} "):
        compressor_argv(compression, 1)
    assert compressor_argv("none", 0) == []
