# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel import info


def redis(db: int, host: str = "192.0.2.10") -> dict[str, Any]:
    return {"connection": "x", "host": host, "port": 6379, "db": db, "prefix": ""}


def facts(cache: dict[str, Any], maintenance: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "cache": {"store": "redis", "driver": "redis", "redis": None, **cache},
        "queue": {"redis": redis(0)},
        "horizon": {"redis": redis(0)},
        "maintenance": maintenance or {"driver": "file", "store": None},
    }


@pytest.mark.parametrize(
    ("given", "destroys"),
    [
        (facts({"redis": redis(1)}), []),
        (facts({"redis": redis(0)}), ["jobs", "horizon"]),
        (facts({"redis": redis(0, "192.0.2.11")}), []),
        (facts({"store": "file", "driver": "file"}), []),
        (facts({"redis": redis(1)}, {"driver": "cache", "store": None}), ["maintenance"]),
        (facts({"redis": redis(1)}, {"driver": "cache", "store": "redis"}), ["maintenance"]),
        (facts({"redis": redis(1)}, {"driver": "cache", "store": "other"}), []),
        ({**facts({"redis": redis(0)}), "horizon": None, "queue": {"redis": None}}, []),
    ],
)
def test_what_clearing_the_cache_would_destroy(given: dict[str, Any], destroys: list[str]) -> None:
    assert info.cache_clear_harm(given) == {"safe": not destroys, "destroys": destroys}


def process(proc: Path, pid: int, argv: list[str], cwd: Path) -> None:
    home = proc / str(pid)
    home.mkdir(parents=True)
    (home / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))
    ticks = 40 * os.sysconf("SC_CLK_TCK")
    (home / "stat").write_text(f"{pid} (php (artisan) x) S " + " ".join(["0"] * 18) + f" {ticks} 0\n")
    (home / "cwd").symlink_to(cwd)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "uptime").write_text("100.0 50.0\n")
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "current").symlink_to(tmp_path / "releases" / "1")
    return proc


def test_workers_of_this_application_are_told_from_others(proc: Path, tmp_path: Path) -> None:
    release, elsewhere = tmp_path / "releases" / "1", tmp_path / "other"
    elsewhere.mkdir()
    process(proc, 10, ["php", "artisan", "horizon"], release)
    process(proc, 11, ["/usr/bin/php8.2", "artisan", "horizon:work", "redis", "--queue=default"], release)
    process(proc, 12, ["php", str(tmp_path / "current" / "artisan"), "queue:work"], Path("/"))
    process(proc, 13, ["php", "artisan", "horizon"], elsewhere)
    process(proc, 14, ["php", "artisan", "migrate"], release)
    process(proc, 15, ["vim", "artisan"], release)
    process(proc, 16, [], release)  # a zombie or a kernel thread has no command line
    found = info.workers(str(tmp_path / "current"), str(proc))
    assert [(p["pid"], p["command"]) for p in found["own"]] == [
        (10, "horizon"),
        (11, "horizon:work"),
        (12, "queue:work"),
    ]
    assert found["own"][0]["age_seconds"] == 60.0
    assert found["undetermined"] == []


def test_a_worker_whose_directory_may_not_be_read_is_not_overlooked(
    proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process(proc, 10, ["php", "artisan", "horizon"], tmp_path)
    process(proc, 11, ["php", str(tmp_path / "current" / "artisan"), "horizon"], tmp_path)

    def refuse(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(info.os, "readlink", refuse)
    monkeypatch.setattr(info.os.path, "realpath", lambda path: str(path).replace("current", "releases/1"))
    found = info.workers(str(tmp_path / "current"), str(proc))
    assert [p["pid"] for p in found["undetermined"]] == [10]
    assert [p["pid"] for p in found["own"]] == [11]
