# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of the event store called in this process, with the options checked as Ansible checks them: for the many cases."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from integration.servers import MysqlServer


def options(module: ModuleType, server: MysqlServer, database: str, **more: Any) -> dict[str, Any]:
    """The parameters of a module, defaults filled in."""
    checked = ArgumentSpecValidator(module.argument_spec()).validate({**server.options, "login_db": database, **more})
    assert not checked.error_messages, checked.error_messages
    return dict(checked.validated_parameters)
