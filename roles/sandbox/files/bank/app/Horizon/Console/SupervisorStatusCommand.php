<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

class SupervisorStatusCommand extends SupervisorSignalCommand
{
    protected $signature = 'horizon:supervisor-status
                            {name : The name of the supervisor}';

    protected $description = 'Show the status for a given supervisor';

    public function handle(): int
    {
        $name = $this->argument('name');
        $supervisor = $this->find($name);
        if (! $supervisor) {
            $this->say('ERROR', 'Unable to find a supervisor with this name');

            return 1;
        }
        $this->say('INFO', "{$name} is {$supervisor->status}");

        return 0;
    }
}
