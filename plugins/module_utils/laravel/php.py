# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Small PHP programs of ours, run inside the booted application by its own ``php``, which reads them from standard input.

Nothing is installed, it works wherever artisan works, and what the program is given is not on a command line.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Dict

from ..core.errors import Failed, TimedOut
from ..transport.base import Transport

_MARK = "finaegis-runbook-answer:"

_BOOT = """<?php
require getcwd() . '/vendor/autoload.php';
$app = require getcwd() . '/bootstrap/app.php';
$app->make(Illuminate\\Contracts\\Console\\Kernel::class)->bootstrap();
$in = json_decode(base64_decode('%s'), true);
$answer = (function () use ($app, $in) {
%s
})();
echo "\\n%s" . json_encode($answer, JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE) . "\\n";
"""


def ask(
    transport: Transport, target: str, app_dir: str, php: str, body: str, data: Dict[str, Any], timeout: float = 60.0
) -> Any:
    """Run the PHP statements ``body`` (they see ``$app`` and ``$in``, the decoded ``data``) and return what they return.

    :raises Failed: when the application does not boot or the program throws; with the end of what PHP said.
    :raises TimedOut: after ``timeout`` seconds.
    """
    script = _BOOT % (base64.b64encode(json.dumps(data).encode()).decode(), body, _MARK)
    done = transport.run(target, [php, "-d", "display_errors=stderr"], cwd=app_dir, stdin=script, timeout=timeout)
    if done.timed_out:
        raise TimedOut(
            "The application in %s on %s did not answer within %g seconds." % (app_dir, target, timeout),
            "Its database or Redis may hang; try 'php artisan list' there.",
        )
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(_MARK):
            return json.loads(line[len(_MARK) :])
    said = " ".join((done.stderr + " " + done.stdout).split())[:600]
    raise Failed(
        "The application in %s on %s does not boot (php ended with %s): %s" % (app_dir, target, done.rc, said),
        "'php artisan list' there shows the same error; check app_dir, the .env file and the user of this task.",
    )
