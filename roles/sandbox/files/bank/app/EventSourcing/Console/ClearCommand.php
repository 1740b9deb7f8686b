<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing\Console;

use App\EventSourcing\Handlers;
use Illuminate\Console\Command;

class ClearCommand extends Command
{
    protected $signature = 'event-sourcing:clear-event-handlers';

    protected $description = 'Clear cached event handlers';

    public function handle(Handlers $handlers): int
    {
        $handlers->forget();
        $this->info('Cached event handlers cleared!');

        return 0;
    }
}
