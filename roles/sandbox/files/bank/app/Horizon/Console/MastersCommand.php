<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Master;
use App\Horizon\Records;
use Illuminate\Console\Command;

/** Signals this host's masters by the pids in Redis. Ends with 0 even when nobody was there or could be signalled. */
abstract class MastersCommand extends Command
{
    use Prints;

    protected function signalMasters(int $signal, string $name, string $verb): int
    {
        $masters = array_filter(app(Records::class)->masters(), fn ($master) => Master::isHere($master->name));
        if (! $masters) {
            $this->say('INFO', "No processes to {$verb}");

            return 0;
        }
        $this->say('INFO', "Sending {$name} signal to processes");
        foreach ($masters as $master) {
            if (! $this->task("Process: {$master->pid}", fn () => posix_kill((int) $master->pid, $signal))) {
                $this->say('ERROR', "Failed to kill process: {$master->pid} (".posix_strerror(posix_get_last_error()).')');
            }
        }
        $this->line('');

        return 0;
    }
}
