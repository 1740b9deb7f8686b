# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands on this host: what they can read, what comes back, and that nothing of them stays."""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput, Unavailable
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.base import make
from ansible_collections.finaegis.runbook.plugins.module_utils.transport.local import LocalTransport

HERE = LocalTransport()
TARGET = HERE.targets()[0]


def run(*argv: str, cwd: Path, **options: object):
    return HERE.run(TARGET, argv, str(cwd), **options)


def test_one_target_and_it_is_this_host() -> None:
    assert HERE.targets() == [socket.gethostname()]


def test_output_exit_code_and_environment(tmp_path: Path) -> None:
    done = run("sh", "-c", 'pwd; echo "$A" >&2; cat; exit 3', cwd=tmp_path, environment={"A": "b"}, stdin="in")
    assert (done.target, done.rc, done.timed_out) == (TARGET, 3, False)
    assert done.stdout == f"{tmp_path}\nin"
    assert done.stderr == "b\n"
    assert done.seconds > 0


def test_standard_input_is_empty_and_ends(tmp_path: Path) -> None:
    assert run("cat", cwd=tmp_path).stdout == ""


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    assert run("printf", r"\377", cwd=tmp_path).stdout == "\ufffd"


def test_the_time_limit_ends_children_too(tmp_path: Path) -> None:
    script = f"echo started; sleep 1000 & echo $! > {tmp_path}/child; wait"
    done = run("sh", "-c", script, cwd=tmp_path, timeout=0.5)
    assert done.timed_out
    assert done.stdout == "started\n"
    assert is_gone(int((tmp_path / "child").read_text()))


def is_gone(pid: int) -> bool:
    """Ended, or waiting for a parent that no longer looks (a zombie)."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_command_that_ignores_the_polite_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.finaegis.runbook.plugins.module_utils.transport.local._GRACE_SECONDS", 0.2)
    code = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(1000)"
    )
    assert run(sys.executable, "-c", code, cwd=tmp_path, timeout=1).timed_out


@pytest.mark.parametrize(("argv", "cwd"), [(("no-such-program",), "."), (("true",), "no-such-directory")])
def test_what_is_not_there(tmp_path: Path, argv: tuple[str, ...], cwd: str) -> None:
    with pytest.raises(Unavailable, match="can't be started in .*No such file"):
        run(*argv, cwd=tmp_path / cwd)


def test_read_and_exists(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert HERE.read(TARGET, str(path)) is None
    assert not HERE.exists(TARGET, str(path))
    path.write_text("text")
    assert HERE.read(TARGET, str(path)) == "text"
    assert HERE.exists(TARGET, str(path))


def test_a_directory_can_not_be_read(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="can't be read: Is a directory. Run the task as the user"):
        HERE.read(TARGET, str(tmp_path))


def test_make() -> None:
    assert isinstance(make({"transport": {"kind": "local"}}), LocalTransport)
    with pytest.raises(BadInput, match="no transport of the kind 'pigeon'"):
        make({"transport": {"kind": "pigeon"}})


def test_the_caller_s_environment_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_CALLER", "1")
    assert run("sh", "-c", "echo $FROM_CALLER$MINE", cwd=tmp_path, environment={"MINE": "2"}).stdout == "12\n"
    assert "MINE" not in os.environ
