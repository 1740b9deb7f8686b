# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one look at Redis shows of Horizon, its queues and its failed jobs. Pure data."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, List, Optional, Tuple

RUNNING = "running"
PAUSED = "paused"
INACTIVE = "inactive"
#: Not a status Horizon knows: nobody takes jobs and none is in hand.
DRAINED = "drained"


@dataclasses.dataclass(frozen=True)
class Master:
    """A master process; a name whose record has expired is ``stale`` and has no more than the name.

    ``heartbeat_age`` is in seconds, from the time the record has left to live, so no clock but Redis' own is involved.
    """

    name: str
    host: str
    stale: bool
    pid: Optional[int] = None
    environment: Optional[str] = None
    status: Optional[str] = None
    supervisors: Tuple[str, ...] = ()
    heartbeat_age: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class Supervisor:
    """A supervisor process. ``processes`` has workers by pool (``redis:default``, ``redis:high,default``)."""

    name: str
    master: str
    stale: bool
    pid: Optional[int] = None
    status: Optional[str] = None
    processes: Dict[str, int] = dataclasses.field(default_factory=dict)
    options: Dict[str, Any] = dataclasses.field(default_factory=dict)
    heartbeat_age: Optional[float] = None

    @property
    def connection(self) -> Optional[str]:
        return self.options.get("connection")

    @property
    def queues(self) -> Tuple[str, ...]:
        return tuple(self.options.get("queues", ()))


@dataclasses.dataclass(frozen=True)
class Queue:
    """A queue as counted at one moment. ``paused`` is None where the flag of ``queue:pause`` can't be seen.

    ``due`` are delayed jobs whose time has come, ``lost`` reserved ones whose reservation ran out (dead worker or job longer
    than ``retry_after``); both are moved when a worker next asks for a job. ``head`` tells the oldest ready job from others.
    """

    name: str
    connection: Optional[str]
    ready: int
    delayed: int
    reserved: int
    due: int
    lost: int
    oldest_job_age: Optional[float]
    head: Optional[str]
    processes: int
    runtime_ms: Optional[float]
    throughput: Optional[int]
    wait: Optional[int]
    served: bool
    paused: Optional[bool] = None

    @property
    def length(self) -> int:
        """All jobs of the queue, as the framework's own ``size`` counts."""
        return self.ready + self.delayed + self.reserved

    @property
    def waiting(self) -> int:
        """Jobs a worker could take now."""
        return self.ready + self.due + self.lost


@dataclasses.dataclass(frozen=True)
class Failed:
    """Jobs that failed and have not succeeded since. ``retrying`` were put back on a queue and wait or run.

    The newest ``examined`` of all ``listed`` entries were looked at; ``total`` is a lower bound where it is fewer.
    """

    last_hour: int
    total: int
    retrying: int
    listed: int
    examined: int


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """One look. ``found`` is False when Redis has no key at all of this Horizon and its prefix is not known to be right.

    ``commands`` are the numbers of elements by target.
    """

    taken_at: float
    found: bool
    masters: Tuple[Master, ...]
    supervisors: Tuple[Supervisor, ...]
    queues: Tuple[Queue, ...]
    failed: Failed
    jobs_per_minute: Optional[int]
    commands: Dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def live_masters(self) -> List[Master]:
        return [master for master in self.masters if not master.stale]

    @property
    def live_supervisors(self) -> List[Supervisor]:
        return [supervisor for supervisor in self.supervisors if not supervisor.stale]

    @property
    def status(self) -> str:
        """As ``horizon:status`` says it: no live master is inactive, any paused one is paused."""
        if not self.live_masters:
            return INACTIVE
        return PAUSED if any(master.status == PAUSED for master in self.live_masters) else RUNNING

    @property
    def leftovers(self) -> Dict[str, int]:
        """Commands nobody will ever read: their target is gone, and a new process gets a new name. By list."""
        alive = {"master:" + m.name for m in self.live_masters} | {s.name for s in self.live_supervisors}
        return {target: count for target, count in sorted(self.commands.items()) if count and target not in alive}
