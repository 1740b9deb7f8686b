# SPDX-License-Identifier: GPL-3.0-or-later
"""The option files we write and read, against the servers' own reader."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.mysql import option_file
from hypothesis import given, settings
from hypothesis import strategies as st

PROGRAM = shutil.which("my_print_defaults") or pytest.skip(
    "my_print_defaults is not installed", allow_module_level=True
)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1, max_size=60)


def printed(fd: int) -> str:
    argv = [PROGRAM, f"--defaults-file=/dev/fd/{fd}", "client"]
    return subprocess.run(argv, pass_fds=[fd], capture_output=True, check=True).stdout.decode()


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_the_servers_reader_gets_what_was_written(value: str) -> None:
    with option_file.descriptor("client", {"password": value}) as fd:
        assert printed(fd) == f"--password={value}\n"


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from(list("ab \t\\\"'#;=sn[]")), max_size=20))
def test_our_reader_reads_a_line_as_the_servers_does(line: str) -> None:
    text = f"[client]\nuser={line}\n"
    with option_file.descriptor("client", {}) as fd:
        import os

        os.ftruncate(fd, 0)
        os.pwrite(fd, text.encode(), 0)
        ours = option_file.parse_client(text)["user"]
        assert printed(fd) == f"--user={ours}\n"
