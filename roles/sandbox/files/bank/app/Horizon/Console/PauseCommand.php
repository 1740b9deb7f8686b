<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

class PauseCommand extends MastersCommand
{
    protected $signature = 'horizon:pause';

    protected $description = 'Pause the master supervisor';

    public function handle(): int
    {
        return $this->signalMasters(SIGUSR2, 'USR2', 'pause');
    }
}
