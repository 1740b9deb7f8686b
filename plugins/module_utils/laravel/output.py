# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What artisan printed, made comparable: boxes and wrapped lines undone, JSON found, secrets hidden, length limited."""

from __future__ import annotations

import json
import re
from typing import Any, Iterable, List, Optional, Tuple

#: Characters of stdout and of stderr that are returned; more is cut from the middle.
LIMIT = 20000
HIDDEN = "********"

_LABEL = re.compile(r"^(INFO|WARN|ERROR|ALERT)\s+")
_THROWN = re.compile(r"^\s*In \S+ line \d+:\s*$")
_CLASS = re.compile(r"^\[[\w\\]+\]\s+")


def _is_box(lines: List[str]) -> bool:
    """Symfony prints an exception as lines of one length, two blanks of margin, the first and the last of them empty."""
    return (
        len(lines) >= 3
        and len({len(line) for line in lines}) == 1
        and not lines[0].strip()
        and not lines[-1].strip()
        and all(line.startswith("  ") and line.endswith("  ") for line in lines)
    )


def _blocks(text: str) -> List[List[str]]:
    """Runs of lines between truly empty ones; lines of blanks only are part of a box."""
    blocks: List[List[str]] = [[]]
    for line in text.replace("\r\n", "\n").split("\n"):
        if line == "":
            blocks.append([])
        else:
            blocks[-1].append(line)
    return [block for block in blocks if block]


def plain(text: str) -> List[str]:
    """The printed text as logical lines.

    An exception's box becomes one line although it was cut at the width of the terminal in the middle of words; a paragraph that
    starts with INFO, WARN or ERROR and went over the width becomes one line; runs of blanks become one blank.
    """
    found: List[str] = []
    for block in _blocks(text):
        head = [line for line in block[:1] if _THROWN.match(line)]
        body = block[len(head) :]
        found.extend(line.strip() for line in head)
        if _is_box(body):
            lines = ["".join(line[2:-2] for line in body)]
        elif body and _LABEL.match(body[0].strip()):
            lines = [" ".join(body)]
        else:
            lines = body
        found.extend(" ".join(line.split()) for line in lines if line.strip())
    return found


def headline(lines: List[str]) -> str:
    """The one line a person reads first: the exception, else an error, else a warning, else the last notice, else the last line."""
    for place, line in enumerate(lines[:-1]):
        if _THROWN.match(line):
            return _CLASS.sub("", lines[place + 1])
    for label in ("ERROR", "WARN", "ALERT", "INFO"):
        labelled = [line for line in lines if line.startswith(label + " ")]
        if labelled:
            return _LABEL.sub("", labelled[-1])
    return lines[-1] if lines else ""


def sentence(text: str) -> str:
    """The text with an end, so that another sentence can follow."""
    return text if text.endswith((".", "!", "?")) else text + "."


def find_json(text: str) -> Tuple[bool, Any]:
    """Whether there is a JSON object or list in the text, and which: the first that reaches to the end, after any human lines."""
    decoder = json.JSONDecoder()
    for start in re.finditer(r"^\s*(?=[\[{])", text, re.MULTILINE):
        try:
            value, end = decoder.raw_decode(text, start.end())
        except ValueError:
            continue
        if not text[end:].strip():
            return True, value
    return False, None


def trim(text: str, limit: int = LIMIT) -> str:
    """At most about ``limit`` characters, the beginning and, mostly, the end, saying what is missing between."""
    if len(text) <= limit:
        return text
    head = limit // 4
    tail = limit - head
    return "%s\n... %d characters left out ...\n%s" % (text[:head], len(text) - limit, text[-tail:])


def hide(text: str, secrets: Iterable[str]) -> str:
    """The text without any of ``secrets``, the longest first, so that one within another leaves no rest."""
    for secret in sorted({s for s in secrets if s}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


_SETTING = re.compile(r"^(\s*.*?)( \.{2,} | \.+ ?)(\S.*?)\s*$")
_SENSITIVE = re.compile(r"(?i)(pass|secret|token|credential|private|salt|dsn|(^|_|\b)keys?$|(^|_)url$|(^|_)auth)")
_EMPTY = ("null", "true", "false", "[]", "''", '""')


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: HIDDEN if _SENSITIVE.search(name) and isinstance(one, str) and one else _without_secrets(one)
            for name, one in value.items()
        }
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def hide_settings(text: str) -> str:
    """``config:show`` or ``db:show --json`` without the values whose name says that they are secret; both print them in clear."""
    is_json, value = find_json(text)
    if is_json:
        return json.dumps(_without_secrets(value)) + "\n"
    shown = []
    for line in text.split("\n"):
        row = _SETTING.match(line)
        name = row.group(1).split("\u21c1")[-1].strip() if row else ""
        if row and row.group(3) not in _EMPTY and _SENSITIVE.search(name):
            line = "%s%s%s" % (row.group(1), row.group(2), HIDDEN)
        shown.append(line)
    return "\n".join(shown)


_BYPASS = re.compile(r"(bypass maintenance mode via \[)[^\]]*(\])")


def hide_bypass(text: str) -> str:
    """``down`` prints the secret as the end of a URL from Laravel 10.35 on, wrapped over lines if long."""
    return _BYPASS.sub(r"\1%s\2" % HIDDEN, text)


def version(text: Optional[str]) -> Tuple[int, ...]:
    """``v11.52.0`` or ``Laravel Framework 8.83.27`` as numbers to compare; unknown is the empty tuple."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text or "")
    return tuple(int(part) for part in found.groups() if part is not None) if found else ()
