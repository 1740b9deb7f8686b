# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbook map says the truth: every line of the runbook has its row, and what a row names is there."""

from __future__ import annotations

import re

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.advice import INSTEAD
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel.contracts import find
from unit.docs.on_disk import ROOT, is_there, option_names
from unit.docs.runbook_lines import Row, map_rows, runbook_lines

RUNBOOK = (ROOT / "tests/fixtures/RUNBOOK.md").read_text(encoding="utf-8")
MAP = (ROOT / "docs/runbook_map.md").read_text(encoding="utf-8")
ROWS = map_rows(MAP)

LATER_WORK = {
    "Kubernetes and rollback",
    "Log rotation",
    "Daily operations",
    "Incident response",
}
#: ``module `artisan` (`queue:retry all`)``: a name that is built and, in brackets, its options or artisan commands.
RUNNER = re.compile(r"(module|role|playbook) `(\w+)`(?: \(((?:`[^`]+`(?:, )?)+)\))?")


def difference(text: str, rows: list[Row]) -> list[str]:
    """Return what the map misses and what it has too much, by section, and sections in another order."""
    wanted = runbook_lines(text)
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        found.setdefault(row.section, []).append(row.line)
    problems = []
    for section in [*wanted, *(each for each in found if each not in wanted)]:
        lines, mapped = wanted.get(section, []), found.get(section, [])
        problems += [f"{' / '.join(section)}: no row for: {line}" for line in lines if line not in mapped]
        problems += [f"{' / '.join(section)}: no such line: {line}" for line in mapped if line not in lines]
        if not problems and lines != mapped:
            problems.append(f"{' / '.join(section)}: rows are doubled or out of order")
    return problems


def faults(row: Row) -> list[str]:
    """Return what is wrong with the names in a row."""
    problems = []
    if row.runs.startswith("waits for: "):
        if row.runs[len("waits for: ") :] not in LATER_WORK:
            problems.append("waits for something that is not on the page")
    elif not RUNNER.match(row.runs) or RUNNER.sub("", row.runs).replace(" and ", "") != "":
        problems.append("the second column is not in its words")
    for kind, name, brackets in RUNNER.findall(f"{row.runs} | {row.difference}"):
        if not is_there(kind, name):
            problems.append(f"there is no {kind} {name}")
            continue
        quoted = re.findall(r"`([^`]+)`", brackets)
        if name == "artisan":
            problems += [] if quoted else ["artisan runs no command"]
            problems += [f"no contract for {command}" for command in quoted if not find(command.split()[0])]
        else:
            options = {option.split(":")[0] for option in quoted}
            problems += [
                f"{kind} {name} has no option {option}" for option in sorted(options - option_names(kind, name))
            ]
    return [f"{row.section[-1]}: {row.line}: {problem}" for problem in problems]


def test_every_line_has_its_row_and_every_row_its_line() -> None:
    assert difference(RUNBOOK, ROWS) == []


def test_what_the_rows_name_is_there() -> None:
    assert [problem for row in ROWS for problem in faults(row)] == []


def test_the_map_and_the_artisan_module_agree_on_what_does_not_exist() -> None:
    commands = {row: row.line.split()[2] for row in ROWS if row.line.startswith("php artisan ")}
    missing = {row for row, command in commands.items() if command in INSTEAD}
    assert missing
    assert {row for row in commands if row.difference.startswith("does not exist")} == missing


def test_the_page_explains_the_later_work() -> None:
    assert [name for name in LATER_WORK if f"- **{name}**: " not in MAP] == []


class TestTheCheckCanFail:
    """Each way in which map and runbook can part, planted."""

    def test_a_new_line_in_the_runbook(self) -> None:
        text = RUNBOOK.replace("php artisan up\n", "php artisan up\nphp artisan config:show app\n", 1)
        assert any("no row for: php artisan config:show app" in problem for problem in difference(text, ROWS))

    def test_a_line_gone_from_the_runbook(self) -> None:
        text = RUNBOOK.replace("- [ ] P95 latency > 2s\n", "")
        assert any("no such line: - [ ] P95 latency > 2s" in problem for problem in difference(text, ROWS))

    def test_any_row_taken_away(self) -> None:
        assert [row for row in ROWS if difference(RUNBOOK, [other for other in ROWS if other is not row]) == []] == []

    def test_rows_exchanged(self) -> None:
        assert difference(RUNBOOK, [ROWS[1], ROWS[0], *ROWS[2:]]) != []

    @pytest.mark.parametrize(
        "runs",
        [
            "module `no_such_module`",
            "role `no_such_role`",
            "playbook `no_such_playbook`",
            "waits for: better times",
            "somebody",
            "",
            "module `environment_lock` (`no_such_option: 1`)",
            "role `maintenance` (`maintenance_no_such_input`)",
            "module `artisan`",
            "module `artisan` (`no:such-command --now`)",
            "module `artisan` (`migrate`) or so",
        ],
    )
    def test_a_name_that_is_not_there(self, runs: str) -> None:
        assert faults(Row(("Section",), "line", runs, "")) != []


@pytest.mark.parametrize(
    ("block", "lines"),
    [
        ("```bash\n# Title\nfree -h\n```", ["free -h"]),
        ("```bash\n# Stop\n# [Yours]\n\n# Title\nfree\n```", ["# Stop", "# [Yours]", "free"]),
        ("```bash\ncurl a \\\n  -H b\n```", ["curl a -H b"]),
        ("```bash\n/var/*.log {\n    daily\n}\n```", ["/var/*.log {", "daily"]),
        ("```markdown\n### Steps\n- [ ] one\n| a | b |\n|---|---|\n| | |\n```", ["- [ ] one", "a | b"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n\n- if so\n- [link](x)\nprose", ["1 | 2", "- if so"]),
    ],
)
def test_which_lines_count(block: str, lines: list[str]) -> None:
    assert runbook_lines(f"## Section\n\n{block}\n") == {("Section",): lines}
