# SPDX-License-Identifier: GPL-3.0-or-later
"""What artisan prints, made comparable, and what is hidden in it."""

from __future__ import annotations

import json
import textwrap

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.laravel import capabilities, output
from hypothesis import given
from hypothesis import strategies as st
from unit.laravel.recordings import recording


def box(message: str, width: int) -> str:
    """An exception as Symfony prints it: cut at the width, in the middle of words."""
    lines = [message[at : at + width] for at in range(0, len(message), width)]
    size = max(len(line) for line in lines)
    edge = " " * (size + 4)
    return "\n".join(["", "In X.php line 1:", edge, *[f"  {line.ljust(size)}  " for line in lines], edge, "", ""])


@given(
    st.text("ab 'c.`", min_size=1, max_size=300).map(lambda text: " ".join(text.split())).filter(bool),
    st.integers(8, 90),
)
def test_law_a_box_of_any_width_is_one_line(message: str, width: int) -> None:
    assert output.headline(output.plain(box(message, width))) == message


def test_a_notice_over_several_lines_is_one() -> None:
    text = "\n" + textwrap.indent("\n".join(textwrap.wrap("INFO  " + "word " * 40, 70)), "   ") + "\n\n"
    assert output.plain(text) == ["INFO " + " ".join(["word"] * 40)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}\n', {"a": 1}),
        ('Collected.\n[{"a": 1}]\n', [{"a": 1}]),
        ("[redis] default ... [0] OK\n", None),
        ('Note [1]:\n  {\n  "a": [1, 2]\n}\n\n', {"a": [1, 2]}),
        ('{"a": 1}\nand more\n', None),
        ("[]\n", []),
        ("", None),
        ("42\n", None),
    ],
)
def test_find_json(text: str, expected: object) -> None:
    found, value = output.find_json(text)
    assert (found, value) == (expected is not None, expected)


@given(st.text(max_size=400), st.integers(20, 100))
def test_law_trimmed_text_keeps_both_ends(text: str, limit: int) -> None:
    short = output.trim(text, limit)
    assert len(short) <= limit + 60
    assert short == text or (short.startswith(text[: limit // 4]) and short.endswith(text[-(limit - limit // 4) :]))


@given(st.lists(st.text("xy", min_size=2, max_size=6), max_size=4), st.text("xyz", max_size=60))
def test_law_no_secret_is_left(secrets: list[str], text: str) -> None:
    shown = output.hide(text, secrets)
    assert not any(secret in shown for secret in secrets)


def test_settings_are_shown_without_their_secrets() -> None:
    text = str(recording("01-never-started-config_show_database")["stdout"])
    shown = output.hide_settings(text)
    passwords = [line for line in shown.split("\n") if "password" in line and "null" not in line]
    assert passwords
    assert all(line.endswith("********") for line in passwords)
    assert len(shown.split("\n")) == len(text.split("\n"))
    for line in text.split("\n"):
        if "password" not in line and "url" not in line and "key" not in line.lower():
            assert line in shown


def test_what_a_database_says_of_itself_has_no_url_with_a_password() -> None:
    text = json.dumps({"platform": {"config": {"url": "mysql://u:c4n4ry@h/d", "host": "h", "port": 3306}}})
    shown = json.loads(output.hide_settings(text))
    assert shown == {"platform": {"config": {"url": "********", "host": "h", "port": 3306}}}


@pytest.mark.parametrize("name", ["14-down-with-secret", "14-down-secret-render", "l13-down_--secret=x"])
def test_the_bypass_address_is_hidden(name: str) -> None:
    shown = output.hide_bypass(str(recording(name)["stdout"]))
    assert "bypass maintenance mode via [********]" in shown
    assert "now in maintenance mode" in shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [("v11.52.0", (11, 52, 0)), ("Laravel Framework 8.83.27", (8, 83, 27)), ("13.0", (13, 0)), ("", ()), (None, ())],
)
def test_version(text: str | None, expected: tuple[int, ...]) -> None:
    assert output.version(text) == expected


@pytest.mark.parametrize("name", ["list-json", "01-never-started-list_--format=json_--raw"])
def test_capabilities(name: str) -> None:
    found = capabilities.parse(str(recording(name)["stdout"]))
    assert found
    assert found.version[0] == 11
    assert found.has("migrate", "--isolated")
    assert found.has("migrate", "--pretend")
    assert not found.has("migrate", "--json")
    assert found.has("about", "--json")
    assert not found.has("queue:pause")
    assert found.has("queue:table"), "an alias"


@pytest.mark.parametrize("text", ["", "boom", "[]", '{"commands": 1}', '{"application": {}}'])
def test_no_capabilities(text: str) -> None:
    assert capabilities.parse(text) is None
