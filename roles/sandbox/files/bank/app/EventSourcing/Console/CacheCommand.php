<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing\Console;

use App\EventSourcing\Handlers;
use Illuminate\Console\Command;

class CacheCommand extends Command
{
    protected $signature = 'event-sourcing:cache-event-handlers';

    protected $description = 'Cache all auto discovered event handlers';

    public function handle(Handlers $handlers): int
    {
        $this->info('Caching registered event handlers...');
        $handlers->cache();
        $this->info('All done!');

        return 0;
    }
}
