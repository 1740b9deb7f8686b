# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.finaegis.runbook.plugins.module_utils.core import errors, imports
from ansible_collections.finaegis.runbook.plugins.module_utils.core.guard import guard


class Module:
    def __init__(self) -> None:
        self.failed: dict[str, Any] = {}

    def fail_json(self, **result: Any) -> None:
        self.failed = result


@pytest.mark.parametrize(
    "kind", [errors.BadInput, errors.Unavailable, errors.Refused, errors.TimedOut, errors.Failed, errors.RunbookError]
)
def test_an_error_says_what_and_what_to_do_and_hands_its_data_on(kind: type[errors.RunbookError]) -> None:
    module = Module()
    with guard(module):
        raise kind("X did not answer.", "Start X.", tried=["a"])
    assert module.failed == {"msg": "X did not answer. Start X.", "tried": ["a"]}


def test_a_defect_is_said_to_be_one() -> None:
    module = Module()
    with guard(module):
        raise KeyError("surprise")
    assert "defect of the module" in module.failed["msg"]
    assert "KeyError" in module.failed["exception"]


def test_exiting_is_not_an_error() -> None:
    with pytest.raises(SystemExit), guard(Module()):
        raise SystemExit(0)


def test_a_missing_library_is_named_with_the_interpreter() -> None:
    with pytest.raises(errors.Unavailable, match="library no-such-package is needed .*pip install no-such-package"):
        imports.load("no_such_module_at_all", "no-such-package")
