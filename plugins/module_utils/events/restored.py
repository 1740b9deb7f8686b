# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verification of event stores as one check of restored data, for tasks of another domain."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..core import options
from ..core.errors import BadInput
from ..core.verdict import CRITICAL, UNKNOWN
from ..mysql.login import Login
from . import verify_task
from .options import event_store


def event_rules(wanted: Dict[str, Any]) -> Callable[[Login, str], List[str]]:
    """What is wrong with the event stores of a database, in sentences; ``wanted`` are options of ``event_store_verify``.

    Nobody writes to restored data, so no event is too young unless ``wanted`` says so.

    :raises BadInput: when an option is wrong.
    """
    spec = {**options.mysql(), **event_store(), **verify_task.verify_spec()}
    checked = ArgumentSpecValidator(spec).validate({"settle_seconds": 0, **wanted})
    if checked.error_messages:
        raise BadInput("The option events is wrong: %s." % "; ".join(checked.error_messages))

    def check(login: Login, database: str) -> List[str]:
        there = {"login_host": login.host, "login_port": login.port, "login_unix_socket": login.unix_socket}
        there.update(login_user=login.user, login_password=login.password, ca_cert=login.ca_cert)
        there.update(client_cert=login.client_cert, client_key=login.client_key, check_hostname=login.check_hostname)
        told = verify_task.run(dict(checked.validated_parameters, **there, schemas=[database]), True)
        bad = [one for one in told["findings"] if one["verdict"] in (CRITICAL, UNKNOWN)]
        return ["%s: %s" % (one["check"], one["message"]) for one in bad]

    return check
