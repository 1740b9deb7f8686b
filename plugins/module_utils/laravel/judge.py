# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a command left behind to what became of it. Plain data in, a Judgement out."""

from __future__ import annotations

import re
from typing import Any, List, Optional, Sequence, Tuple

from . import output
from .advice import command_advice, option_advice
from .contract import DONE, FAILED, LOCKED, NOTHING, REFUSED, UNAVAILABLE, Contract, Judgement, Says, Version
from .contracts import find

TEXT = "text"
JSON = "json"
EXIT_CODE = "exit_code"
TIME_LIMIT = "time_limit"
LIST = "list"

_GOOD = (DONE, NOTHING)
_NO_COMMAND = re.compile(r'^(?:ERROR )?Command "([^"]+)" is not defined')
_NO_NAMESPACE = re.compile(r'^(?:ERROR )?There are no commands defined in the "([^"]+)" namespace')
_NO_OPTION = re.compile(r'^The "(-[^"]+)" option does not exist')
_GUARD = re.compile(r"^(?:WARN )?Command [Cc]ancell?ed[.!]")
_PROHIBITED = re.compile(r"^(?:WARN )?This command is prohibited from running")
_LOCK = re.compile(r"^(?:INFO |WARN )?The \[([^\]]+)\] command is already running")
_FATAL = re.compile(r"^(?:PHP )?(?:Fatal|Parse) error: .*", re.MULTILINE)
_SUCCESSES = re.compile(r" DONE$|has been pushed back onto the queue|^Migrated: |^Rolled back: ", re.MULTILINE)


def judge(
    command: str,
    arguments: Sequence[str],
    version: Version,
    rc: Optional[int],
    stdout: str,
    stderr: str,
) -> Judgement:
    """What became of ``artisan command arguments``; ``rc`` None is a run stopped at its time limit, ``version`` () is unknown.

    Signs that hold for every command come first (stopped, fatal error, unknown command or option, production guard, lock), then the
    command's contract, then the exit code.
    """
    lines = output.plain(stdout)
    contracts = find(command, version)
    caveat = contracts[0].caveat if contracts else ""
    if rc is None:
        message = "Stopped at its time limit; what it had done until then stays done."
        return Judgement(FAILED, _writes(contracts), TIME_LIMIT, message, caveat)
    fatal = _FATAL.search(stderr) or _FATAL.search(stdout)
    if rc != 0 and (fatal or rc == 255):
        message = " ".join(fatal.group().split()) if fatal else _last(lines, stderr, rc)
        return Judgement(FAILED, _did_part(contracts, lines), TEXT if fatal else EXIT_CODE, message, caveat)
    common = _common(command, arguments, version, rc, lines)
    if common:
        return common
    if {"--help", "-h"} & set(arguments):
        return Judgement(DONE if rc == 0 else FAILED, False, EXIT_CODE, "Help for %s." % command)
    if {"--json", "--format=json"} & set(arguments) and rc == 0:
        found, value = output.find_json(stdout)
        if found:
            return Judgement(DONE, _writes(contracts), JSON, _describe(value), caveat)
        if not _speaks(contracts, lines):
            return Judgement(FAILED, False, JSON, "JSON was asked for and %s printed none." % command, caveat)
    return _by_contract(contracts, lines, rc, stderr, caveat)


def unavailable(command: str, version: Version) -> Judgement:
    """The judgement of a command that ``list`` does not name."""
    message = "This application has no command %s. %s" % (command, command_advice(command, version))
    return Judgement(UNAVAILABLE, False, LIST, message.strip())


def _common(command: str, arguments: Sequence[str], version: Version, rc: int, lines: List[str]) -> Optional[Judgement]:
    """Unknown command or option, production guard and lock: said by the framework, not by the command."""
    for line in lines:
        missing = _NO_COMMAND.match(line) or _NO_NAMESPACE.match(line)
        if rc != 0 and missing and missing.group(1) in (command, command.rpartition(":")[0]):
            return Judgement(
                UNAVAILABLE,
                False,
                TEXT,
                ("There is no command %s. %s" % (command, command_advice(command, version))).strip(),
            )
        option = _NO_OPTION.match(line)
        if rc != 0 and option and any(one.split("=")[0] == option.group(1) for one in arguments):
            advice = option_advice(command, option.group(1), version)
            return Judgement(
                UNAVAILABLE, False, TEXT, ("%s has no option %s. %s" % (command, option.group(1), advice)).strip()
            )
        if _GUARD.match(line):
            return Judgement(REFUSED, False, TEXT, "In production it needs --force: %s" % output.headline([line]))
        if _PROHIBITED.match(line):
            return Judgement(REFUSED, False, TEXT, output.headline([line]))
        lock = _LOCK.match(line)
        if lock:
            return Judgement(LOCKED, False, TEXT, "Another %s is running." % lock.group(1))
    return None


def _by_contract(contracts: Tuple[Contract, ...], lines: List[str], rc: int, stderr: str, caveat: str) -> Judgement:
    text = "\n".join(lines)
    for contract in contracts:
        for says in contract.says:
            matches = list(re.finditer(says.pattern, text, re.MULTILINE))
            if not matches or (says.outcome in _GOOD and rc != 0 and not contract.rc_is_answer):
                continue
            return Judgement(
                says.outcome,
                _changed(contract, says, text),
                TEXT,
                _message(says, lines, text, matches),
                caveat,
            )
    if rc != 0:
        return Judgement(FAILED, _did_part(contracts, lines), EXIT_CODE, _last(lines, stderr, rc), caveat)
    if contracts and not lines and contracts[0].silent:
        message = "It said nothing, which means that there was nothing to do." if contracts[0].silent == NOTHING else ""
        return Judgement(
            contracts[0].silent, False, TEXT, message or "It said nothing, which means that it did nothing.", caveat
        )
    if contracts and not contracts[0].trust_rc:
        message = "It exited 0 but said nothing that is known to mean success: %s" % (_last(lines, stderr, rc))
        return Judgement(FAILED, _writes(contracts), TEXT, message, caveat)
    message = _last(lines, stderr, rc) if _writes(contracts) else "Its answer is in stdout."
    return Judgement(DONE, _writes(contracts), EXIT_CODE, message, caveat)


def _writes(contracts: Tuple[Contract, ...]) -> bool:
    """Whether a run that is done has changed something; of a command without a contract: assumed."""
    return contracts[0].writes if contracts else True


def _did_part(contracts: Tuple[Contract, ...], lines: List[str]) -> bool:
    """Whether a run that failed shows that part of it was done."""
    return _writes(contracts) and bool(_SUCCESSES.search("\n".join(lines)))


def _changed(contract: Contract, says: Says, text: str) -> bool:
    if says.changed is not None:
        return says.changed
    return contract.writes and (says.outcome == DONE or (says.outcome == FAILED and bool(_SUCCESSES.search(text))))


def _message(says: Says, lines: List[str], text: str, matches: List[Any]) -> str:
    if says.message:
        return says.message.format(count=len(matches))
    if says.outcome == FAILED:
        return output.headline(lines)
    start = text.rfind("\n", 0, matches[0].start()) + 1
    return output.headline([text[start:].split("\n")[0]])


def _speaks(contracts: Tuple[Contract, ...], lines: List[str]) -> bool:
    text = "\n".join(lines)
    return any(re.search(says.pattern, text, re.MULTILINE) for contract in contracts for says in contract.says)


def _last(lines: List[str], stderr: str, rc: int) -> str:
    """A line for a person when no rule gave one."""
    said = output.headline(lines) or (output.plain(stderr) or [""])[-1]
    return re.sub(r" \.{3,} ", ": ", said) or "It said nothing and exited %s." % rc


def _describe(value: Any) -> str:
    if isinstance(value, list):
        alerts = sum(1 for one in value if isinstance(one, dict) and one.get("status") == "ALERT")
        return "%d entries%s." % (len(value), ", %d on ALERT" % alerts if alerts else "")
    return "%d keys." % len(value)
