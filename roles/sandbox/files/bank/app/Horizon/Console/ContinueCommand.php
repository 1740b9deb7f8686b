<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

class ContinueCommand extends MastersCommand
{
    protected $signature = 'horizon:continue';

    protected $description = 'Instruct the master supervisor to continue processing jobs';

    public function handle(): int
    {
        return $this->signalMasters(SIGCONT, 'CONT', 'continue');
    }
}
