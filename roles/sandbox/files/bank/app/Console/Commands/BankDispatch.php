<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Console\Commands;

use App\Jobs\PostPayment;
use App\Jobs\RejectPayment;
use Illuminate\Console\Command;
use Illuminate\Contracts\Queue\Factory;

class BankDispatch extends Command
{
    protected $signature = 'bank:dispatch {queue : The queue to put them on}
                            {--count=1 : How many jobs}
                            {--seconds=0 : How long each takes, in seconds}
                            {--delay=0 : Seconds before they may start}
                            {--fail : Jobs that fail}';

    protected $description = 'Put real jobs on a queue; prints the uuid of each';

    public function handle(Factory $queues): int
    {
        $queue = $queues->connection();
        for ($n = 1; $n <= (int) $this->option('count'); $n++) {
            $class = $this->option('fail') ? RejectPayment::class : PostPayment::class;
            $job = new $class($n, (float) $this->option('seconds'));
            $delay = (int) $this->option('delay');
            $this->line($delay
                ? $queue->later($delay, $job, '', $this->argument('queue'))
                : $queue->push($job, '', $this->argument('queue')));
        }

        return 0;
    }
}
