<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Records;
use Illuminate\Console\Command;

class SupervisorsCommand extends Command
{
    use Prints;

    protected $signature = 'horizon:supervisors';

    protected $description = 'List all of the supervisors';

    public function handle(Records $records): int
    {
        $supervisors = $records->supervisors();
        if (! $supervisors) {
            $this->say('INFO', 'No supervisors are running');

            return 0;
        }
        $this->line('');
        $this->table(['Name', 'PID', 'Status', 'Workers', 'Balancing'], array_map(fn ($supervisor) => [
            $supervisor->name,
            $supervisor->pid,
            $supervisor->status,
            implode(', ', array_map(
                fn ($queue, $count) => "{$queue} ({$count})", array_keys($supervisor->processes), $supervisor->processes
            )),
            $supervisor->options['balance'],
        ], $supervisors));
        $this->line('');

        return 0;
    }
}
