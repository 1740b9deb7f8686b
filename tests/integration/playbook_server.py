# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook without its start: loaded once, forked for each run. Two thirds of a short run are the loading.

Run as a program with the path of the Unix socket to listen on; it ends with the process that started it. Each connection
is a run: the client sends a line of JSON with the arguments of ansible-playbook, the file for its standard output and
the one for its standard error, and gets the exit code.
"""

from __future__ import annotations

import json
import os
import socketserver
import sys

from ansible.cli.playbook import PlaybookCLI


def ansible_playbook(arguments: list[str], stdout: str, stderr: str) -> int:
    """What the command does after it is loaded, in this process."""
    for number, path in enumerate((os.devnull, stdout, stderr)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    try:
        PlaybookCLI.cli_executor(["ansible-playbook", *arguments])
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


class Run(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"%d" % ansible_playbook(*json.loads(self.rfile.readline())))


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
