# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place where an exception becomes a failed task."""

from __future__ import annotations

import contextlib
import traceback
from typing import Any, Iterator

from .errors import RunbookError


@contextlib.contextmanager
def guard(module: Any) -> Iterator[None]:
    """Run the body of a module's ``main``; ``module`` is its AnsibleModule.

    A RunbookError fails the task with its message and data. Anything else is a defect of ours and says so, with the traceback:
    both pass through ``fail_json``, which removes the values of ``no_log`` options.
    """
    try:
        yield
    except RunbookError as error:
        module.fail_json(msg=str(error), **error.data)
    except Exception as error:  # the outermost edge: no secret may leave in a raw traceback on stderr
        module.fail_json(
            msg="Unexpected %s: %s. This is a defect of the module; nothing more was done after it."
            % (type(error).__name__, error),
            exception=traceback.format_exc(),
        )
