<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\Console;

use Illuminate\Console\Command;
use Spatie\EventSourcing\EventSourcingServiceProvider;

class ClearCachedEventHandlersCommand extends Command
{
    protected $signature = 'event-sourcing:clear-event-handlers';

    protected $description = 'Clear cached event handlers';

    public function handle(): int
    {
        @unlink(EventSourcingServiceProvider::cachePath());
        $this->info('Cached event handlers cleared!');

        return 0;
    }
}
