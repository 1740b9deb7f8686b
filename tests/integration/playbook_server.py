# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook and modules without their start: loaded once, forked for each run. The loading is most of a short run.

Run as a program with the path of the Unix socket to listen on; it ends with the process that started it. Each connection
is a run: the client sends a line of JSON with what to run, its arguments, the file for its standard output and the one
for its standard error, and gets the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import socketserver
import sys
from pathlib import Path
from typing import Any

import ansible.module_utils.basic
import pymysql  # noqa: F401  (loaded for the modules that are forked)
import redis  # noqa: F401  (likewise)
from ansible.cli.playbook import PlaybookCLI


def ansible_playbook(arguments: list[str]) -> None:
    PlaybookCLI.cli_executor(["ansible-playbook", *arguments])


def module(name: str, arguments: dict[str, Any]) -> None:
    """What AnsiballZ's wrapper does on the host."""
    sys.path.insert(0, str(Path(__file__).parents[2] / ".collections"))
    ansible.module_utils.basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    ansible.module_utils.basic._ANSIBLE_PROFILE = "legacy"
    importlib.import_module("ansible_collections.finaegis.runbook.plugins.modules." + name).main()


def run(what: str, arguments: list[Any], stdout: str, stderr: str) -> int:
    for number, path in enumerate((os.devnull, stdout, stderr)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    try:
        {"ansible_playbook": ansible_playbook, "module": module}[what](*arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


class Run(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        if line := self.rfile.readline():  # nothing: somebody looked whether we are there
            self.wfile.write(b"%d" % run(*json.loads(line)))


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Its children end without Python's exit: what ansible removes there, its temporary directory, is the next run's too."""

    request_queue_size = 64
    max_children = 64
    parent = os.getppid()

    def service_actions(self) -> None:
        super().service_actions()
        if os.getppid() != self.parent:
            sys.exit()


if __name__ == "__main__":
    with Server(sys.argv[1], Run) as server:
        server.serve_forever()
