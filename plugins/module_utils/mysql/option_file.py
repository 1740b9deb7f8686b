# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MySQL's option file format, read and written as the servers' own client programs do it.

The rules are those of ``my_default.c`` in both servers: ``#`` outside of quotes starts a comment, one pair of quotes around
the value is taken off, and backslash escapes ``b t n r s " '`` and itself.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import Dict, Iterator, List, Mapping

from ..core.errors import BadInput

_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "r": "\r", "s": " ", '"': '"', "'": "'", "\\": "\\"}
#: The programs read lines into a buffer of 4096 bytes and take the rest for another line.
_LONGEST_LINE = 4000


def parse_client(text: str) -> Dict[str, str]:
    """The options of the ``[client]`` section; names in lower case with dashes. ``!include`` lines are not followed."""
    found: Dict[str, str] = {}
    section = ""
    for line in text.split("\n"):
        bare = line.strip()
        if not bare or bare[0] in "#;!":
            continue
        if bare.startswith("["):
            section = bare[1:].partition("]")[0].strip()
        elif section == "client":
            name, equals, value = _without_comment(bare).partition("=")
            found[name.strip().lower().replace("_", "-")] = _unquote(value.strip()) if equals else ""
    return found


def _without_comment(line: str) -> str:
    quote, escaped = "", False
    for place, char in enumerate(line):
        if char in "\"'" and not escaped and quote in ("", char):
            quote = "" if quote else char
        if not quote and char == "#":
            return line[:place]
        escaped = bool(quote) and char == "\\" and not escaped
    return line


def _unquote(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match.group(1), match.group(0)), value, flags=re.DOTALL)


def render(section: str, options: Mapping[str, str]) -> str:
    """The text of an option file with one section; every value is quoted, so it may hold anything but a NUL byte.

    :raises BadInput: when a value can't be written to such a file. The message does not hold it.
    """
    lines: List[str] = ["[%s]" % section]
    for name, value in options.items():
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
        line = '%s="%s"' % (name, quoted)
        if "\0" in value or len(line.encode()) > _LONGEST_LINE:
            raise BadInput("The value of '%s' has a NUL byte or is longer than MySQL's option files allow." % name)
        lines.append(line)
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def descriptor(section: str, options: Mapping[str, str]) -> Iterator[int]:
    """An option file in memory, mode 0600, as a file descriptor to hand to one child process.

    Give the child ``pass_fds=[fd]`` and ``--defaults-file=/dev/fd/<fd>``. It has no name, so nothing is left on disk
    however the process ends.
    """
    text = render(section, options)
    fd = os.memfd_create("options")
    try:
        os.fchmod(fd, 0o600)  # the programs ignore option files that others may write to
        os.write(fd, text.encode())
        yield fd
    finally:
        os.close(fd)
