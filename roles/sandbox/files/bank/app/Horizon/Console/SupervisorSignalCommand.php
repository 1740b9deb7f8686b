<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Master;
use App\Horizon\Records;
use Illuminate\Console\Command;
use Illuminate\Support\Str;

/** Finds one of this host's supervisors by the end of its name. */
abstract class SupervisorSignalCommand extends Command
{
    use Prints;

    protected function find(string $name): ?object
    {
        foreach (app(Records::class)->supervisors() as $supervisor) {
            if (Master::isHere($supervisor->name) && Str::endsWith($supervisor->name, $name)) {
                return $supervisor;
            }
        }

        return null;
    }

    protected function signal(int $signal, string $name): int
    {
        $supervisor = $this->find($this->argument('name'));
        if (! $supervisor) {
            $this->say('ERROR', 'Failed to find a supervisor with this name');

            return 1;
        }
        $this->say('INFO', "Sending {$name} signal to process: {$supervisor->pid}");
        if (! posix_kill((int) $supervisor->pid, $signal)) {
            $reason = posix_strerror(posix_get_last_error());
            $this->say('ERROR', "Failed to send {$name} signal to process: {$supervisor->pid} ({$reason})");
        }

        return 0;
    }
}
