<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use Illuminate\Support\Facades\Cache;

class TerminateCommand extends MastersCommand
{
    protected $signature = 'horizon:terminate
                            {--wait : Wait for all workers to terminate}';

    protected $description = 'Terminate the master supervisor so it can be restarted';

    public function handle(): int
    {
        $status = $this->signalMasters(SIGTERM, 'TERM', 'terminate');
        // Read by every worker of every host that shares the cache: all of them end after their job.
        Cache::forever('illuminate:queue:restart', time());

        return $status;
    }
}
