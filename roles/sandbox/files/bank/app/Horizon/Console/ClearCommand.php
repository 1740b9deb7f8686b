<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Jobs;
use Illuminate\Console\Command;
use Illuminate\Console\ConfirmableTrait;
use Illuminate\Contracts\Queue\Factory;

class ClearCommand extends Command
{
    use ConfirmableTrait, Prints;

    protected $signature = 'horizon:clear
                            {--queue= : The name of the queue to clear}
                            {--force : Force the operation to run when in production}';

    protected $description = 'Delete all of the jobs from the specified queue';

    public function handle(Jobs $jobs, Factory $queues): int
    {
        if (! $this->confirmToProceed()) {
            return 1;
        }
        $queue = $this->option('queue') ?: config('queue.connections.redis.queue', 'default');
        $jobs->purge($queue);
        $count = $queues->connection('redis')->clear($queue);
        $this->say('INFO', "Cleared {$count} jobs from the [{$queue}] queue");

        return 0;
    }
}
