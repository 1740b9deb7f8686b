<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Metrics;
use Illuminate\Console\Command;

class SnapshotCommand extends Command
{
    use Prints;

    protected $signature = 'horizon:snapshot';

    protected $description = 'Store a snapshot of the queue metrics';

    /** At most once in 270 seconds; in between it ends with 0 and without a word. */
    public function handle(Metrics $metrics): int
    {
        if ($metrics->lock('metrics:snapshot', 270)) {
            $metrics->snapshot();
            $this->say('INFO', 'Metrics snapshot stored successfully');
        }

        return 0;
    }
}
