# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a contract is: how one artisan command says what became of it. The table is in ``contracts``, the judge in ``judge``."""

from __future__ import annotations

import dataclasses
from typing import Optional, Tuple

Version = Tuple[int, ...]

DONE = "done"
NOTHING = "nothing_to_do"
REFUSED = "refused"
LOCKED = "locked"
UNAVAILABLE = "unavailable"
FAILED = "failed"

#: From best to worst, for the outcome of several targets together.
OUTCOMES = (NOTHING, DONE, LOCKED, REFUSED, UNAVAILABLE, FAILED)


@dataclasses.dataclass(frozen=True)
class Says:
    """One thing a command can say.

    ``pattern`` is searched in each logical line (see ``output.plain``). ``message`` is for people, ``{count}`` the number of lines
    that matched; empty, the first of them is shown. ``changed`` None: changed when the outcome is done and the command writes.
    Good news counts only with exit code 0, unless the contract has ``rc_is_answer``.
    """

    outcome: str
    pattern: str
    message: str = ""
    changed: Optional[bool] = None


@dataclasses.dataclass(frozen=True)
class Contract:
    """One command, for the versions of Laravel from ``since`` (inclusive) to ``until`` (exclusive); empty is without a bound.

    ``says`` is tried in order. ``writes`` False: it only reads, so check mode runs it. ``rc_is_answer``: an exit code other than 0 can
    be the answer asked for. ``trust_rc`` False: exit code 0 without a known text is no success. ``silent``: the outcome when nothing
    at all was printed and the exit code is 0. ``preview``: an option that shows what would be done; ``serves``: runs until stopped.
    ``json_since``: the version that brought ``--json``. ``secret_output``: prints secrets in clear. ``caveat``: what neither exit code
    nor text tells, and where to look.
    """

    command: str
    says: Tuple[Says, ...] = ()
    writes: bool = True
    since: Version = ()
    until: Version = ()
    rc_is_answer: bool = False
    trust_rc: bool = True
    silent: str = ""
    preview: str = ""
    serves: bool = False
    json_since: Version = ()
    secret_output: bool = False
    caveat: str = ""

    def covers(self, version: Version) -> bool:
        """Whether the entry holds for ``version``; an unknown one (empty) is covered by every entry."""
        return not version or ((not self.since or version >= self.since) and (not self.until or version < self.until))


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What became of a run. ``judged_by`` is text, json, exit_code, time_limit or list; ``caveat`` as in the contract."""

    outcome: str
    changed: bool
    judged_by: str
    message: str
    caveat: str = ""
