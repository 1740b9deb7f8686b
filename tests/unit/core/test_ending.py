# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks that are asked to end."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core.ending import ends_when_asked, in_one_piece
from ansible_collections.finaegis.runbook.plugins.module_utils.core.errors import Failed


def ask(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_ends_and_cleans_up_and_a_second_signal_does_not_cut_that_short(number: int) -> None:
    before, cleaned = signal.getsignal(number), []
    with (
        pytest.raises(Failed, match=f"The work was ended by {signal.Signals(number).name}"),
        ends_when_asked("The work"),
    ):
        try:
            ask(number)
            raise AssertionError("not ended")
        except Exception:
            raise AssertionError("taken for an error") from None
        finally:
            ask(number)
            cleaned.append(True)
    assert cleaned
    assert signal.getsignal(number) == before


def test_what_was_begun_is_known_before_it_acts() -> None:
    begun = None
    with pytest.raises(Failed), ends_when_asked("The work"):
        with in_one_piece():
            ask()
            begun = "a program"
        raise AssertionError("not ended")
    assert begun


def test_cleaning_up_may_start_something_too() -> None:
    cleaned = []
    with pytest.raises(Failed), ends_when_asked("The work"):
        try:
            with in_one_piece():
                ask()
        finally:
            with in_one_piece():
                cleaned.append("a program")
            cleaned.append("known")
    assert cleaned == ["a program", "known"]


def test_an_error_in_one_piece_stays_the_error() -> None:
    with pytest.raises(OSError, match="no program"), ends_when_asked("The work"), in_one_piece():
        ask()
        raise OSError("no program")


def test_without_a_signal_nothing_happens_also_after_one_that_was() -> None:
    with pytest.raises(Failed), ends_when_asked("The work"):
        ask()
    with ends_when_asked("The work"), in_one_piece():
        pass
