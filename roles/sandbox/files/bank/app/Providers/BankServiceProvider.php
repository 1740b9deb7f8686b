<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Providers;

use App\Console\Commands;
use Illuminate\Support\ServiceProvider;

class BankServiceProvider extends ServiceProvider
{
    public function boot()
    {
        $this->commands([
            Commands\BankInstall::class,
            Commands\BankSeed::class,
            Commands\BankDeposit::class,
            Commands\BankDispatch::class,
            Commands\BankSmoke::class,
        ]);
        // Laravel 9.21 and later bring their own.
        if (! class_exists(\Illuminate\Foundation\Console\AboutCommand::class)) {
            $this->commands([Commands\AboutCommand::class]);
        }
    }
}
