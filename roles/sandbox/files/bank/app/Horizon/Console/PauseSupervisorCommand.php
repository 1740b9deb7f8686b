<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

class PauseSupervisorCommand extends SupervisorSignalCommand
{
    protected $signature = 'horizon:pause-supervisor
                            {name : The name of the supervisor to pause}';

    protected $description = 'Pause a supervisor';

    public function handle(): int
    {
        return $this->signal(SIGUSR2, 'USR2');
    }
}
