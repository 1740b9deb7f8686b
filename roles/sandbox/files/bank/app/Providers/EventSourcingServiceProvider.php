<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Providers;

use App\EventSourcing\Console;
use App\EventSourcing\Handlers;
use Illuminate\Support\ServiceProvider;

class EventSourcingServiceProvider extends ServiceProvider
{
    public function register()
    {
        $this->app->singleton(Handlers::class);
    }

    public function boot()
    {
        $this->commands([
            Console\ReplayCommand::class,
            Console\ListCommand::class,
            Console\CacheCommand::class,
            Console\ClearCommand::class,
        ]);
    }
}
