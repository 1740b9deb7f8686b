<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

class ContinueSupervisorCommand extends SupervisorSignalCommand
{
    protected $signature = 'horizon:continue-supervisor
                            {name : The name of the supervisor to resume}';

    protected $description = 'Instruct the supervisor to continue processing jobs';

    public function handle(): int
    {
        return $this->signal(SIGCONT, 'CONT');
    }
}
