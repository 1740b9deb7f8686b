# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries that may be missing, imported only when needed: importing kubernetes or boto3 costs more than most tasks."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from .errors import Unavailable


def load(module: str, package: str) -> Any:
    """Import and return ``module`` (dotted name), which the PyPI package ``package`` provides.

    :raises Unavailable: naming the package, the interpreter that lacks it and the import error.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Unavailable(
            "The Python library %s is needed and can't be imported by %s (%s)." % (package, sys.executable, error),
            "Install it there with 'pip install %s', or run the task where it is installed: these modules work from the "
            "controller with 'delegate_to: localhost'." % package,
        ) from error
