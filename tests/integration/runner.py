# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run as users run them: by ansible-playbook of the environment pytest runs in, on this host."""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
#: Not resolved: the interpreter of a virtual environment is a link, and its neighbours are what we want.
BIN = Path(sys.executable).parent


class Result(dict[str, Any]):
    """The result of one task. ``output`` is everything ansible-playbook printed, to look for what must not be there."""

    output: str


def environment() -> dict[str, str]:
    return dict(
        os.environ,
        ANSIBLE_CONFIG=str(CHECKOUT / "ansible.cfg"),
        ANSIBLE_STDOUT_CALLBACK="ansible.posix.json",
        ANSIBLE_SHOW_CUSTOM_STATS="true",
        ANSIBLE_LOCALHOST_WARNING="false",
        ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
        LC_ALL="C.UTF-8",
    )


@functools.cache
def fork_server(loaded: str) -> str:
    """Socket of the process that runs our ``playbooks`` or ``modules``; it ends with this one."""
    directory = tempfile.TemporaryDirectory()
    path = Path(directory.name, "socket")
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("fork_server.py")), loaded, str(path)],
        cwd=CHECKOUT,
        env=environment(),
    )
    atexit.register(directory.cleanup)
    atexit.register(server.wait)
    atexit.register(server.terminate)
    while True:
        assert server.poll() is None, f"the server of {loaded} did not start"
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError), socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))
            return str(path)
        time.sleep(0.05)


def forked(loaded: str, *what: Any) -> tuple[int, str, str]:
    """Run it in a process of the server: exit code, standard output, standard error."""
    with (
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        open(os.devnull, "rb") as stdin,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        connection.connect(fork_server(loaded))
        order = json.dumps(what).encode() + b"\n"
        sent = socket.send_fds(connection, [order], [file.fileno() for file in (stdin, stdout, stderr)])
        connection.sendall(order[sent:])
        code = int(connection.recv(16))
        told = []
        for file in (stdout, stderr):
            file.seek(0)
            told.append(file.read().decode())
    return code, *told


@functools.cache
def warm_python() -> str:
    """The interpreter that our playbooks' modules get: see warm_python.py."""
    path = Path(fork_server("modules")).with_name("python")
    here = f"#!{sys.executable} -IS\nSOCKET, PYTHON = {fork_server('modules')!r}, {sys.executable!r}\n"
    path.write_text(here + Path(__file__).with_name("warm_python.py").read_text())
    path.chmod(0o700)
    return str(path)


def ansible_playbook(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ansible-playbook in the checkout, with the environment of ``environment()``."""
    argv = ["-e", json.dumps({"ansible_python_interpreter": warm_python()}), *arguments]
    return subprocess.CompletedProcess(["ansible-playbook", *argv], *forked("playbooks", "ansible_playbook", argv))


def ansible_playbook_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    """As ``ansible_playbook``, by the command itself."""
    argv = [str(BIN / "ansible-playbook"), *arguments]
    return subprocess.run(argv, cwd=CHECKOUT, env=environment(), capture_output=True, text=True, check=False)


def run_tasks(
    tasks: list[dict[str, Any]],
    check: bool = False,
    diff: bool = False,
    verbose: bool = False,
    own_process: bool = False,
) -> list[Result]:
    """Run tasks (``{"finaegis.runbook.x": {...}}``) one by one in one play; a failed one does not stop the next.

    Arguments travel in a file, so they are seen by Ansible alone. ``own_process``: by the command itself, for what is
    seen in the list of processes.
    """
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": [{**task, "ignore_errors": True} for task in tasks]}]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "play.json.yml")
        path.write_text(json.dumps(play))
        argv = [str(path), *["--check"] * check, *["--diff"] * diff, *["-vvvv"] * verbose]
        done = (ansible_playbook_process if own_process else ansible_playbook)(*argv)
    output = done.stdout + done.stderr
    try:
        report = json.loads(done.stdout[done.stdout.index("{\n") :])
        found = [task["hosts"]["localhost"] for task in report["plays"][0]["tasks"]]
    except (ValueError, LookupError) as error:
        raise AssertionError(f"ansible-playbook did not run the play (rc {done.returncode}):\n{output}") from error
    results = [Result(one) for one in found]
    for result in results:
        result.output = output
    return results


def run_module(
    name: str, args: dict[str, Any], check: bool = False, diff: bool = False, verbose: bool = False
) -> Result:
    """Run one module of this collection and return its result, failed or not."""
    return run_tasks([{f"finaegis.runbook.{name}": args}], check, diff, verbose)[0]


def call_modules(tasks: list[dict[str, Any]], check: bool = False, diff: bool = False) -> list[Result]:
    """``run_tasks`` for tables of cases: the modules alone, as Ansible starts them on a host, without Ansible around.

    A twentieth of the time. Nothing is templated; of the tasks' keywords only ``check_mode`` and ``diff`` are known.
    """
    results = []
    for task in tasks:
        ((name, arguments),) = [(key, value) for key, value in task.items() if key.startswith("finaegis.runbook.")]
        assert set(task) <= {name, "check_mode", "diff", "name", "register"}
        modes = {"_ansible_check_mode": task.get("check_mode", check), "_ansible_diff": task.get("diff", diff)}
        code, stdout, stderr = forked("modules", "module", name.rpartition(".")[2], {**arguments, **modes})
        try:
            result = Result({"failed": code != 0, "changed": False, **json.loads(stdout)})
        except ValueError as error:
            raise AssertionError(f"{name} did not answer (rc {code}):\n{stdout}{stderr}") from error
        result.output = stdout + stderr
        results.append(result)
    return results


def call_module(name: str, args: dict[str, Any], check: bool = False, diff: bool = False) -> Result:
    """One of ``call_modules``."""
    return call_modules([{f"finaegis.runbook.{name}": args}], check, diff)[0]
