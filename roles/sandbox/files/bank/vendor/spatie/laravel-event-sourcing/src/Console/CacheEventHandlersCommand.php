<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\Console;

use Illuminate\Console\Command;
use Spatie\EventSourcing\EventSourcingServiceProvider;

class CacheEventHandlersCommand extends Command
{
    protected $signature = 'event-sourcing:cache-event-handlers';

    protected $description = 'Cache all auto discovered event handlers';

    public function handle(): int
    {
        $this->info('Caching registered event handlers...');
        $classes = var_export(EventSourcingServiceProvider::discover(), true);
        file_put_contents(EventSourcingServiceProvider::cachePath(), "<?php return {$classes};");
        $this->info('All done!');

        return 0;
    }
}
