# SPDX-License-Identifier: GPL-3.0-or-later
"""Start and end the processes of one sandbox.

They run under one supervisord; each carries FINAEGIS_SANDBOX=<directory> in its environment, which is how
those are found that a killed parent left behind. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

MARKER = "FINAEGIS_SANDBOX"
POLL_SECONDS = 0.1
#: For what a killed supervisor left behind: enough for a database to close its files.
GRACE_SECONDS = 5
ON_THE_WAY = {"STARTING", "RUNNING", "BACKOFF", "STOPPING"}


def ancestors() -> set[int]:
    """This process and those above it: they may carry the marker and are not to be ended."""
    pids, pid = set(), os.getpid()
    while pid > 1:
        pids.add(pid)
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        pid = int(stat.rpartition(")")[2].split()[1])
    return pids


def find(directory: Path, program: str | None = None) -> list[int]:
    """Pids of the sandbox, or of one of its programs."""
    wanted = {f"{MARKER}={directory}".encode()}
    if program:
        wanted.add(f"SUPERVISOR_PROCESS_NAME={program}".encode())  # set by supervisord
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = set((folder / "environ").read_bytes().split(b"\0"))
        except OSError:  # gone meanwhile, or another user's
            continue
        if wanted <= environment:
            found.append(int(folder.name))
    return sorted(set(found) - ancestors())


def end(directory: Path, program: str | None, grace_seconds: float) -> int:
    """Ask all to end, then make them; returns how many there were, having seen that none is left.

    While the supervisor lives it alone is asked, because it ends the applications before the servers they need:
    a Horizon that can't reach Redis does not end.
    """
    interface = None if program else supervisor(directory)
    leader = interface.getPID() if interface else 0
    asked: set[int] = set()
    seen: set[int] = set()
    patience = time.monotonic() + grace_seconds
    give_up = patience + 10
    while pids := find(directory, program):
        seen.update(pids)
        late = time.monotonic() > patience
        for pid in [leader] if leader in pids and not late else pids:
            if late or pid not in asked:
                asked.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        if time.monotonic() > give_up:
            sys.exit(f"These processes of {directory} could not be ended: {pids}")
        time.sleep(POLL_SECONDS)
    return len(seen)


def supervisor(directory: Path) -> Any:
    """The supervisor's own interface; None when nobody answers on its socket."""
    from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]  # ships no types

    server = ServerProxy(
        "http://127.0.0.1", transport=SupervisorTransport(serverurl=f"unix://{directory}/run/supervisor.sock")
    )
    try:
        server.supervisor.getState()
    except (OSError, Fault):
        return None
    return server.supervisor


def launch(directory: Path) -> None:
    """Start the supervisor where none answers, clearing away what a killed one left."""
    end(directory, None, GRACE_SECONDS)
    daemon = os.path.join(os.path.dirname(sys.executable), "supervisord")
    environment = {**os.environ, MARKER: str(directory)}
    subprocess.run([daemon, "-c", f"{directory}/supervisord.conf"], env=environment, check=True, cwd="/")


def start(directory: Path, restart: list[str], timeout_seconds: float) -> list[str]:
    """See to it that every program runs, with its present configuration; returns what was done."""
    done = []
    interface = supervisor(directory)
    if interface is None:
        launch(directory)
        done.append("supervisord started")
    else:
        done += renew(interface, restart)
    give_up = time.monotonic() + timeout_seconds
    while time.monotonic() < give_up:
        interface = supervisor(directory)
        states = (
            {info["name"]: info["statename"] for info in interface.getAllProcessInfo()}
            if interface
            else {"": "STARTING"}
        )
        if set(states.values()) == {"RUNNING"}:
            return done
        for name, state in states.items():
            if state not in ON_THE_WAY:
                done += start_program(interface, name)
        time.sleep(POLL_SECONDS)
    sys.exit(f"Not all programs run after {timeout_seconds} s: {states}. Their logs are in {directory}/log.")


def start_program(interface: Any, name: str) -> list[str]:
    try:
        interface.startProcess(name, False)
    except Fault:  # it is ending or has been started meanwhile: the next look tells
        return []
    return [f"{name} started"]


def renew(interface: Any, restart: list[str]) -> list[str]:
    """Take up a changed supervisord.conf, then restart the programs whose own files changed."""
    done = []
    added, changed, removed = interface.reloadConfig()[0]
    for name in changed + removed:
        interface.stopProcessGroup(name)
        interface.removeProcessGroup(name)
    for name in changed + added:
        interface.addProcessGroup(name)
        done.append(f"{name} renewed")
    for name in restart:
        if name not in changed + added:
            interface.stopProcess(name)
            start_program(interface, name)
            done.append(f"{name} restarted")
    return done


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["start", "end"])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--program", help="only this program's processes")
    parser.add_argument("--restart", default="", help="programs to restart, separated by commas")
    parser.add_argument("--seconds", type=float, default=15, help="how long to wait")
    options = parser.parse_args()
    directory = options.directory.resolve()
    if options.action == "start":
        done = start(directory, [name for name in options.restart.split(",") if name], options.seconds)
        print(json.dumps({"changed": bool(done), "done": done}))
    else:
        if directory.is_dir() and any(directory.iterdir()) and not (directory / "sandbox.json").is_file():
            sys.exit(f"{directory} is not a sandbox; nothing was ended or removed.")
        print(json.dumps({"changed": False, "ended": end(directory, options.program, options.seconds)}))


if __name__ == "__main__":
    main()
