# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which masters and supervisors are meant, what state they are in and what must be told to whom. Pure."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Sequence, Set, Tuple

from ..core.errors import BadInput, Refused
from .model import INACTIVE, PAUSED, RUNNING, Snapshot, Supervisor
from .names import host_of, slug

TERMINATED = "terminated"
#: States of one target that a snapshot shows besides running and paused.
GONE = "gone"
MIXED = "mixed"

#: Wanted state -> the class Horizon's loops are told to run, its options, the artisan command of the same effect, and how a
#: target looks when it has worked. Terminate with status 0: the supervisor's master does not start it again.
ORDERS: Dict[str, Tuple[str, Dict[str, Any], str, str]] = {
    PAUSED: ("Laravel\\Horizon\\SupervisorCommands\\Pause", {}, "horizon:pause", PAUSED),
    RUNNING: ("Laravel\\Horizon\\SupervisorCommands\\ContinueWorking", {}, "horizon:continue", RUNNING),
    TERMINATED: ("Laravel\\Horizon\\SupervisorCommands\\Terminate", {"status": 0}, "horizon:terminate", GONE),
}


@dataclasses.dataclass(frozen=True)
class Target:
    """One process to be told. ``inbox`` is the end of its list's key; ``pids`` are its own and those of its supervisors."""

    kind: str
    name: str
    host: str
    pids: Tuple[int, ...]
    queues: Tuple[str, ...]
    before: str

    @property
    def inbox(self) -> str:
        return "master:" + self.name if self.kind == "master" else self.name


@dataclasses.dataclass(frozen=True)
class Selection:
    """What the options choose; all empty is every master."""

    masters: Sequence[str] = ()
    hosts: Sequence[str] = ()
    supervisors: Sequence[str] = ()

    @property
    def everything(self) -> bool:
        return not (self.masters or self.hosts or self.supervisors)


def state_of(now: Snapshot, kind: str, name: str) -> str:
    """The state of one target: that of a master is also that of its supervisors, and mixed when they differ."""
    if kind == "supervisor":
        return next((s.status or "unknown" for s in now.live_supervisors if s.name == name), GONE)
    states = {m.status or "unknown" for m in now.live_masters if m.name == name}
    followers = {s.status or "unknown" for s in now.live_supervisors if s.master == name}
    if not states:
        return "ending" if followers else GONE
    return states.pop() if followers <= states else MIXED


def select(now: Snapshot, selection: Selection) -> Tuple[List[Target], List[str]]:
    """The targets chosen and, second, the names among the options that fit nobody alive.

    Hosts are compared whole, as slugs: ``web-1`` is not ``web-10``, though ``horizon:pause`` on it takes both.
    """
    hosts = {slug(host) for host in selection.hosts}
    masters = [
        master
        for master in now.live_masters
        if (not hosts or master.host in hosts) and (not selection.masters or master.name in selection.masters)
    ]
    found: List[Target]
    absent = sorted(hosts - {master.host for master in now.live_masters})
    absent += sorted(set(selection.masters) - {master.name for master in now.live_masters})
    if not selection.supervisors:
        found = [_master(now, master.name, master.host) for master in masters]
        if selection.everything:  # those that outlive their master for a moment
            names = {master.name for master in masters}
            found += [_supervisor(now, s, host_of(s.master)) for s in now.live_supervisors if s.master not in names]
        return found, absent
    found = []
    known: Set[str] = set()
    for master in masters:
        for supervisor in now.live_supervisors:
            wanted = {supervisor.name, supervisor.name.split(":", 1)[-1]} & set(selection.supervisors)
            if supervisor.master == master.name and wanted:
                known |= wanted
                found.append(_supervisor(now, supervisor, master.host))
    return found, absent + sorted(set(selection.supervisors) - known)


def _master(now: Snapshot, name: str, host: str) -> Target:
    own = [m.pid for m in now.live_masters if m.name == name]
    followers = [s for s in now.live_supervisors if s.master == name]
    pids = tuple(pid for pid in [*own, *(s.pid for s in followers)] if pid)
    queues = tuple(sorted({queue for s in followers for queue in s.queues}))
    return Target("master", name, host, pids, queues, state_of(now, "master", name))


def _supervisor(now: Snapshot, supervisor: Supervisor, host: str) -> Target:
    pids = (supervisor.pid,) if supervisor.pid else ()
    state = state_of(now, "supervisor", supervisor.name)
    return Target("supervisor", supervisor.name, host, pids, supervisor.queues, state)


def on_host(now: Snapshot, host: str) -> Selection:
    """What artisan's commands reach on the host of this name: its own masters.

    :raises Refused: when they would reach for more. They take every master whose name starts with the host's, and send signals
        to those process numbers on this machine, which may be anybody's here.
    """
    own = slug(host)
    others = sorted(m.name for m in now.live_masters if m.name.startswith(own) and m.host != own)
    if others:
        raise Refused(
            "artisan on the host %s would also signal the processes with the numbers of %s, which are of another host. "
            "Nothing was done." % (own, ", ".join(others)),
            "Use method=redis with hosts, which compares whole names.",
        )
    return Selection(hosts=(own,))


def check(now: Snapshot, state: str, selection: Selection) -> Tuple[List[Target], List[str]]:
    """As ``select``, refusing what can't be done truthfully.

    To terminate what is not there is no error, because that is how it looks when it has been terminated already.

    :raises Refused: when there is no Horizon to be seen, or nobody alive to pause or continue.
    :raises BadInput: when a name fits nobody alive.
    """
    if not now.found:
        raise Refused(
            "No key of Horizon was found, so nothing can be said or done: it was never started here, or the prefix or database "
            "is another one.",
            "Check redis_db, horizon_prefix or app; where these are known to be right, set trust_prefix.",
        )
    targets, absent = select(now, selection)
    if state == TERMINATED:
        return targets, absent
    if now.status == INACTIVE:
        raise Refused(
            "No master is alive, so none can be made %s." % state,
            "Redis can't start a process: start 'php artisan horizon' (or its service) on the workers' hosts.",
        )
    if absent:
        alive = ", ".join(sorted({m.name for m in now.live_masters} | {s.name for s in now.live_supervisors}))
        raise BadInput(
            "Nobody alive fits %s." % ", ".join("'%s'" % name for name in absent),
            "Alive are: %s. Nothing was done." % alive,
        )
    if not targets:
        raise BadInput("No supervisor alive fits all of masters, hosts and supervisors together. Nothing was done.")
    return targets, absent


def queues_to_drain(now: Snapshot, targets: Sequence[Target], selection: Selection) -> List[str]:
    """The queues whose jobs in hand can be those of the targets; of everything: all queues.

    :raises Refused: when others that go on running serve one of them: a job in hand does not say whose it is.
    """
    if selection.everything:
        return [queue.name for queue in now.queues]
    chosen = {target.name for target in targets}
    wanted = {queue for target in targets for queue in target.queues}
    for other in now.live_supervisors:
        if other.status == RUNNING and not {other.name, other.master} & chosen:
            shared = sorted(wanted & set(other.queues))
            if shared:
                raise Refused(
                    "Whether the chosen ones have no more job of %s in hand can't be seen, because %s takes jobs of it too. "
                    "Nothing was done." % (", ".join(shared), other.name),
                    "Choose all that serve these queues, or leave out drain.",
                )
    return sorted(wanted)
