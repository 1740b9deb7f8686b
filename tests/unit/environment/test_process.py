# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeing whether a run is gone: only ever yes when it is certain."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.environment import process

REPORT = "import os, subprocess, sys; print(os.getpid(), flush=True); sys.stdin.readline()"


def of(pid: int) -> process.Process:
    stat = process._stat(pid)
    assert stat is not None
    return process.Process("here", process._machine(), pid, stat[2])


def test_a_running_process_is_not_gone_and_an_ended_one_is() -> None:
    with subprocess.Popen([sys.executable, "-c", REPORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        seen = of(child.pid)
        assert not process.gone(seen)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process.gone(seen), "a zombie has ended"
    assert process.gone(seen)


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({}, False),
        ({"started": 1}, True),  # the number was given to another process since
        ({"machine": "another boot/pid:[1]", "started": 1}, False),  # can't be seen from here
        ({"machine": "", "started": 1}, False),
    ],
)
def test_what_cannot_be_seen_is_not_gone(change: dict[str, object], gone: bool) -> None:
    assert process.gone(dataclasses.replace(of(os.getpid()), **change)) is gone


def test_a_process_of_another_user_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr("os.kill", denied)
    assert not process.gone(of(os.getpid()))
    monkeypatch.setattr(process, "_stat", lambda pid: None)
    assert not process.gone(process.Process("here", process._machine(), 1, 1)), "hidepid hides it, it exists"


@pytest.mark.parametrize(
    ("parents", "found"),
    [
        # pid: (parent, command line)
        (
            {
                9: (8, ["python3", "module.py"]),
                8: (7, ["sh", "-c", "x"]),
                7: (6, ["python3", "/v/bin/ansible-playbook", "p.yml"]),
            },
            7,
        ),
        (
            {
                9: (8, ["python3", "m.py"]),
                8: (7, ["python3", "/v/bin/ansible-playbook"]),
                7: (1, ["python3", "/v/bin/ansible-playbook"]),
            },
            7,
        ),
        (
            {
                9: (8, ["python3", "m.py"]),
                8: (7, ["ansible-playbook"]),
                7: (6, ["sh"]),
                6: (1, ["python3", "ansible-playbook"]),
            },
            8,
        ),
        ({9: (8, ["python3", "m.py"]), 8: (1, ["python3", "-m", "ansible", "playbook", "p.yml"])}, 8),
        ({9: (8, ["python3", "m.py"]), 8: (1, ["sshd: deploy@notty"])}, None),
        ({9: (8, ["sh", "-c", "ansible-playbook p.yml"]), 8: (1, ["bash"])}, None),
    ],
)
def test_the_run_is_the_nearest_ansible_and_its_parents_of_the_kind(
    parents: dict[int, tuple[int, list[str]]], found: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getpid", lambda: 9)
    monkeypatch.setattr(process, "_stat", lambda pid: ("S", parents[pid][0], 1000 + pid) if pid in parents else None)
    monkeypatch.setattr(process, "_words", lambda pid: parents[pid][1] if pid in parents else [])
    run = process.current()
    assert (run and (run.pid, run.started)) == (found and (found, 1000 + found))


def test_the_owner_is_who_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "alice")
    assert re.fullmatch(r"alice@\S+", process.login())


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("getpass.getuser", nameless)
    assert process.login().startswith(f"uid{os.getuid()}@")
