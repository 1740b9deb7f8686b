# SPDX-License-Identifier: GPL-3.0-or-later
"""Option files: what is written is read back, by the rules of the servers' own parser."""

from __future__ import annotations

import os

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import BadInput
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import option_file
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)


@given(st.dictionaries(st.sampled_from(["user", "password", "socket", "ssl-ca"]), VALUES))
def test_what_is_written_is_read_back(options: dict[str, str]) -> None:
    assert option_file.parse_client(option_file.render("client", options)) == options


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("password=plain", "plain"),
        ("password = spaced out ", "spaced out"),
        ("password=cut#off", "cut"),
        ('password="kept#on"', "kept#on"),
        ("password='it # is'  # a comment", "it # is"),
        (r"password=back\\slash", r"back\slash"),
        (r"password=\sspace\t", " space\t"),
        (r"password=C:\Users", r"C:\Users"),
        ('password="unfinished', '"unfinished'),
        ("pass_word=x", None),
        ("password", ""),
    ],
)
def test_lines_mean_what_the_server_s_programs_take_them_for(line: str, expected: str | None) -> None:
    assert option_file.parse_client(f"[client]\n{line}\n").get("password") == expected


def test_only_the_client_section_counts() -> None:
    text = "[mysqld]\nuser=a\n; user=b\n[client]\n# user=c\n!include /etc/d\nuser=e\nssl_ca=f\n[mysqldump]\nuser=g\n"
    assert option_file.parse_client(text) == {"user": "e", "ssl-ca": "f"}


@pytest.mark.parametrize("value", ["nul\0byte", "x" * 5000])
def test_what_can_not_be_written_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(BadInput) as error:
        option_file.render("client", {"password": value})
    assert value not in str(error.value)


def test_the_descriptor_is_private_and_gone_afterwards() -> None:
    with option_file.descriptor("client", {"user": "a"}) as fd:
        assert os.fstat(fd).st_mode & 0o777 == 0o600
        with open(f"/proc/self/fd/{fd}") as handle:
            assert handle.read() == '[client]\nuser="a"\n'
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
