# SPDX-License-Identifier: GPL-3.0-or-later
"""A bank with some commands of our own, that do what can't be waited for in real ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.bank import Bank, deploy
from integration.servers import MysqlServer, RedisServer

KERNEL = r"""<?php
namespace App\Console;

use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

class Kernel extends ConsoleKernel
{
    protected function commands()
    {
        $this->command('test:ask', function () {
            $this->line('asked: '.($this->confirm('Really?', true) ? 'yes' : 'no').', left on stdin: '.strlen(stream_get_contents(STDIN)));
        });
        $this->command('test:keep {--secret=} {--seconds=0}', function () {
            file_put_contents(base_path('kept'), json_encode([$this->option('secret'), $_SERVER['argv'], getenv('TEST_VALUE')]));
            $this->line('kept '.$this->option('secret'));
            file_put_contents(base_path('keeping'), '');
            sleep((int) $this->option('seconds'));
        });
        $this->command('test:json {--json}', function () {
            $this->line('Collected in 3 ms.');
            $this->line($this->option('json') ? '{"answer": [42]}' : 'answer: 42');
        });
        $this->command('test:long', function () { sleep(60); });
        $this->command('test:write', function () { touch(base_path('written')); });
        $this->command('queue:flush-all-of-it', function () { touch(base_path('written')); });
    }
}
"""


@pytest.fixture(scope="module")
def bank(
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: RedisServer,
    mysql_server: MysqlServer,
    request: pytest.FixtureRequest,
) -> Iterator[Bank]:
    """One a module; its first migrations have run, one is pending."""
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-") + "-bank"
    bank = deploy(tmp_path_factory.mktemp(name) / "bank", redis_server, mysql_server, name)
    (bank.home / "app/Console/Kernel.php").write_text(KERNEL)
    yield bank
    bank.stop()


def php_wrapper(path: Path, before: str) -> str:
    """A program that does ``before`` (shell) and then is php; the path to give to the option ``php``."""
    path.write_text(f"#!/bin/sh\n{before}\n")
    path.chmod(0o755)
    return str(path)
