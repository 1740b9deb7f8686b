# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""artisan run through a transport: no prompt, no colours, no terminal, nothing on standard input, no secret on a command line."""

from __future__ import annotations

import base64
import dataclasses
import json
import posixpath
from typing import Any, Dict, List, Optional, Sequence

from ..core.errors import Failed, Unavailable
from ..transport.base import Outcome, Transport
from . import capabilities, output

#: Right after the command, where a ``--`` among the arguments can't turn them into arguments.
QUIETLY = ("--no-interaction", "--no-ansi")
#: A terminal this wide cuts fewer lines; the value does not matter for the judgement.
_COLUMNS = "200"

#: Read by php from standard input in place of the file artisan, so that the arguments are in no command line. The constants are
#: those a script from a file has. Artisan's first line (#!) would be printed, because it is not the main script: it is cut out.
_BOOTSTRAP = """<?php
ini_set('zend.exception_ignore_args', '1');
foreach (['STDIN' => 'r', 'STDOUT' => 'w', 'STDERR' => 'w'] as $name => $mode) {
    defined($name) || define($name, fopen('php://' . strtolower($name), $mode));
}
$_SERVER['argv'] = $argv = json_decode(base64_decode('%s'), true);
$_SERVER['argc'] = $argc = count($argv);
$_SERVER['SCRIPT_NAME'] = $_SERVER['SCRIPT_FILENAME'] = $_SERVER['PHP_SELF'] = 'artisan';
ob_start(function ($text) {
    static $first = true;
    [$was, $first] = [$first, false];
    return $was ? preg_replace('/^#!.*\\R/', '', $text) : $text;
}, 1);
require getcwd() . '/artisan';
"""


@dataclasses.dataclass(frozen=True)
class Artisan:
    """One application. ``environment`` is added to that of the task; ``timeout`` is in seconds, for each run."""

    transport: Transport
    app_dir: str
    php: str
    environment: Dict[str, str]
    timeout: float

    def require(self, target: str) -> None:
        """:raises Unavailable: when there is no artisan in app_dir, or it may not be seen."""
        if not self.transport.exists(target, posixpath.join(self.app_dir, "artisan")):
            raise Unavailable(
                "There is no file artisan in %s on %s, or the user of this task may not see it."
                % (self.app_dir, target),
                "Check app_dir, and run the task as the user the application runs as (become_user).",
            )

    def run(
        self, target: str, command: str, arguments: Sequence[str] = (), secret_arguments: Sequence[str] = ()
    ) -> Outcome:
        """Run one command; arguments that are secret follow the others.

        What comes back may hold secrets: judge it as it is (a short secret is part of many words), then ``hide`` it.
        """
        argv = ["artisan", command, *QUIETLY, *arguments, *secret_arguments]
        if secret_arguments:
            stdin = _BOOTSTRAP % base64.b64encode(json.dumps(argv).encode()).decode()
            return self._php(target, [self.php], stdin)
        return self._php(target, [self.php, *argv], "")

    def shown(self, command: str, arguments: Sequence[str], secret_arguments: Sequence[str]) -> List[str]:
        """The command line as returned to people, with each secret argument hidden."""
        return [self.php, "artisan", command, *QUIETLY, *arguments, *[output.HIDDEN] * len(secret_arguments)]

    def capabilities(self, target: str) -> capabilities.Capabilities:
        """Which commands there are.

        :raises Failed: when ``list`` does not answer with JSON, because the application does not start.
        """
        done = self.run(target, "list", ["--format=json"])
        found = capabilities.parse(done.stdout) if done.rc == 0 else None
        if not found:
            said = output.headline(output.plain(done.stdout)) or " ".join(done.stderr.split())[:500]
            raise Failed(
                "'artisan list' in %s on %s did not answer (it ended with %s): %s"
                % (self.app_dir, target, "its time limit" if done.timed_out else done.rc, output.sentence(said)),
                "The application does not start; nothing was run. Look at storage/logs there.",
                rc=done.rc,
                stdout=output.trim(done.stdout),
                stderr=output.trim(done.stderr),
            )
        return found

    def installed_version(self, target: str) -> Optional[str]:
        """Laravel's version as Composer noted it, without starting PHP; None where Composer did not install it."""
        text = self.transport.read(target, posixpath.join(self.app_dir, "vendor/composer/installed.json"))
        if text is None:
            return None
        try:
            noted: Any = json.loads(text)
            packages = noted["packages"] if isinstance(noted, dict) else noted
            return next(
                (str(one["version"]).lstrip("v") for one in packages if one["name"] == "laravel/framework"), None
            )
        except (ValueError, LookupError, TypeError):
            return None

    def _php(self, target: str, argv: List[str], stdin: str) -> Outcome:
        environment = {"COLUMNS": _COLUMNS, **self.environment}
        return self.transport.run(target, argv, self.app_dir, stdin, environment, self.timeout)


def secret_values(secret_arguments: Sequence[str]) -> List[str]:
    """What must not be shown: each argument, and the value of each ``--name=value``."""
    values = list(secret_arguments)
    values.extend(
        argument.partition("=")[2] for argument in secret_arguments if argument.startswith("-") and "=" in argument
    )
    return [value for value in values if value]
