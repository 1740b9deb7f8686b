# SPDX-License-Identifier: GPL-3.0-or-later
"""An interpreter for modules that is running already: Ansible starts this, fork_server.py's process does the work.

The runner makes an executable of it, with SOCKET and PYTHON in front. What is no module, or is another user's or runs in the
background, is for the real interpreter.
"""

# ruff: noqa: F821  (SOCKET and PYTHON)
import json
import os
import socket
import sys

script = sys.argv[-1]
if len(sys.argv) != 2 or "AnsiballZ_" not in script or os.geteuid() != os.stat(SOCKET).st_uid:
    os.execv(PYTHON, [PYTHON, *sys.argv[1:]])
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(SOCKET)
    order = json.dumps(["python", script, os.getcwd(), dict(os.environ)]).encode() + b"\n"
    sent = socket.send_fds(connection, [order], [0, 1, 2])
    connection.sendall(order[sent:])
    sys.exit(int(connection.recv(16) or 1))
