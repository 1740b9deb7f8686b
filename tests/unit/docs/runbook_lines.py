# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the runbook and its map into the same shape: section -> lines.

A section is the path of headings, such as ``("Maintenance Procedures", "Database Maintenance")``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

Section = tuple[str, ...]

HEADING = re.compile(r"^(#{2,4}) (.+)$")
TABLE_RULE = re.compile(r"^\|(?=.*-)[-:| ]+\|$")
UNESCAPED_PIPE = re.compile(r"(?<!\\)\|")
CODE_SPAN = re.compile(r"(`+) ?(.*?) ?\1")


@dataclass(frozen=True)
class Row:
    """One row of the map: the runbook's line, what runs it here, what is different and why."""

    section: Section
    line: str
    runs: str
    difference: str


def runbook_lines(text: str) -> dict[Section, list[str]]:
    """Return every line of the runbook that asks somebody to do, check, know or write something, in order.

    These are: in a code fence every command and every comment that is not the one-line title of the commands below it;
    in a fenced template every line but headings; outside of fences every table row and every bullet that is not a link.
    """
    lines: dict[Section, list[str]] = {}
    section: Section = ()
    for kind, block in _blocks(text):
        if kind == "heading":
            section = _enter(section, block[0])
            continue
        read = {"markdown": _template_lines, "text": _text_lines}.get(kind, _shell_lines)
        for line in read(block):
            lines.setdefault(section, []).append(_squeeze(line))
    return lines


def map_rows(text: str) -> list[Row]:
    """Return the rows of the map's tables, in order."""
    rows: list[Row] = []
    section: Section = ()
    in_table = False
    for line in text.splitlines():
        if HEADING.match(line):
            section = _enter(section, line)
        if TABLE_RULE.match(line):
            in_table = True
        elif not line.startswith("|"):
            in_table = False
        elif in_table:
            cells = [cell.strip() for cell in UNESCAPED_PIPE.split(line)[1:-1]]
            if len(cells) != 3:
                raise ValueError(f"a row of the map has {len(cells)} cells, not 3: {line}")
            quoted = CODE_SPAN.fullmatch(cells[0])
            if quoted is None:
                raise ValueError(f"the first cell is not one quoted runbook line: {line}")
            rows.append(Row(section, _squeeze(quoted.group(2).replace("\\|", "|")), cells[1], cells[2]))
    return rows


def _enter(section: Section, heading: str) -> Section:
    match = HEADING.match(heading)
    if match is None:
        raise ValueError(f"not a heading: {heading}")
    return (*section[: len(match.group(1)) - 2], match.group(2))


def _squeeze(line: str) -> str:
    return " ".join(line.split())


def _blocks(text: str) -> Iterator[tuple[str, list[str]]]:
    """Cut the text into headings, fences (named by their language) and runs of other text."""
    language = ""
    block: list[str] = []
    for line in text.splitlines():
        if line.startswith("```"):
            yield language or "text", block
            language, block = ("" if language else line[3:].strip() or "plain"), []
        elif not language and HEADING.match(line):
            yield "text", block
            yield "heading", [line]
            block = []
        else:
            block.append(line)
    yield language or "text", block


def _shell_lines(block: list[str]) -> Iterator[str]:
    """A single comment on top of commands is their title. Every other comment is a step of its own."""
    joined = "\n".join(block).replace("\\\n", " ")
    for paragraph in re.split(r"\n\s*\n", joined):
        lines = [line.strip() for line in paragraph.splitlines() if line.strip() not in ("", "}")]
        titled = len(lines) > 1 and lines[0].startswith("#") and not lines[1].startswith("#")
        yield from lines[1:] if titled else lines


def _template_lines(block: list[str]) -> Iterator[str]:
    for line in block:
        stripped = line.strip()
        if stripped.startswith("|"):
            stripped = _table_row(stripped)
        if stripped and not stripped.startswith("#"):
            yield stripped


def _text_lines(block: list[str]) -> Iterator[str]:
    for position, line in enumerate(block):
        is_header = position + 1 < len(block) and TABLE_RULE.match(block[position + 1]) is not None
        if line.startswith("|") and not is_header and _table_row(line):
            yield _table_row(line)
        elif line.startswith("- ") and not line.startswith("- ["):
            yield line


def _table_row(line: str) -> str:
    """A table row without its outer pipes; empty for a rule or a row of empty cells."""
    return "" if not re.search(r"\w", line) else line.strip().strip("|").strip()
