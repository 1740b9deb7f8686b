<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Records;
use Illuminate\Console\Command;

class StatusCommand extends Command
{
    use Prints;

    protected $signature = 'horizon:status';

    protected $description = 'Get the current status of Horizon';

    public function handle(Records $records): int
    {
        $masters = $records->masters();
        if (! $masters) {
            $this->say('ERROR', 'Horizon is inactive');

            return 2;
        }
        if (in_array('paused', array_column($masters, 'status'), true)) {
            $this->say('WARN', 'Horizon is paused');

            return 1;
        }
        $this->say('INFO', 'Horizon is running');

        return 0;
    }
}
