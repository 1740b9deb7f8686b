# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook and modules without their start: loaded once, forked for each run. The loading is most of a short run.

Run as a program with what to load (``playbooks`` or ``modules``) and the path of the Unix socket to listen on; it ends with
the process that started it. Each connection is a run: the client sends a line of JSON with what to run and its arguments, and
with it its standard input, output and error; it gets the exit code. tests/integration/warm_python.py is one such client.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import pkgutil
import runpy
import socket
import socketserver
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]


def load(what: str) -> None:
    """For modules what they import: it is found as on the host, but for the package that AnsiballZ sends along."""
    if what == "playbooks":
        importlib.import_module("ansible.cli.playbook")
        return
    for name in ("ansible.module_utils.basic", "ansible.module_utils._internal._ansiballz._loader", "pymysql", "redis"):
        importlib.import_module(name)
    sys.path.insert(0, str(CHECKOUT / ".collections"))
    ours = importlib.import_module("ansible_collections.finaegis.runbook.plugins.module_utils")
    for found in pkgutil.walk_packages(ours.__path__, ours.__name__ + "."):
        importlib.import_module(found.name)


def ansible_playbook(arguments: list[str]) -> None:
    from ansible.cli.playbook import PlaybookCLI

    PlaybookCLI.cli_executor(["ansible-playbook", *arguments])


def module(name: str, arguments: dict[str, Any]) -> None:
    """What AnsiballZ's wrapper does on the host."""
    import ansible.module_utils.basic

    ansible.module_utils.basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    ansible.module_utils.basic._ANSIBLE_PROFILE = "legacy"
    importlib.import_module("ansible_collections.finaegis.runbook.plugins.modules." + name).main()


def python(script: str, directory: str, environment: dict[str, str]) -> None:
    """AnsiballZ's wrapper itself, as Ansible has it run on a host."""
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [script]
    runpy.run_path(script, run_name="__main__")


def run(what: str, arguments: list[Any]) -> int:
    code: Any = 0
    try:
        {"ansible_playbook": ansible_playbook, "module": module, "python": python}[what](*arguments)
    except SystemExit as end:
        code = end.code
    finally:
        # Ansible removes its temporary directory there, and that is the next run's too.
        if what != "ansible_playbook":
            atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


class Run(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        line, descriptors, _, _ = socket.recv_fds(self.request, 1 << 16, 3)
        if not line:  # somebody looked whether we are there
            return
        while not line.endswith(b"\n"):
            line += self.request.recv(1 << 16)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        what, *arguments = json.loads(line)
        self.request.sendall(b"%d" % run(what, arguments))


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Its children end without Python's own exit."""

    request_queue_size = 64
    max_children = 64
    block_on_close = False
    parent = os.getppid()

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != self.parent:
            sys.exit()


if __name__ == "__main__":
    load(sys.argv[1])
    with Server(sys.argv[2], Run) as server:
        server.serve_forever(0.1)
