<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\CommandQueue;
use App\Horizon\Master;
use App\Horizon\SupervisorOptions;
use Illuminate\Console\Command;

class HorizonCommand extends Command
{
    use Prints;

    protected $signature = 'horizon {--environment= : The environment name}';

    protected $description = 'Start a master supervisor in the foreground';

    public function handle(CommandQueue $orders): int
    {
        $environment = $this->option('environment') ?: config('app.env');
        $master = new Master($environment);
        foreach (SupervisorOptions::plan($master->name, $environment) as $options) {
            $orders->push(
                "master:{$master->name}", 'Laravel\Horizon\MasterSupervisorCommands\AddSupervisor', $options->values
            );
        }
        $this->say('INFO', 'Horizon started successfully');
        pcntl_async_signals(true);
        pcntl_signal(SIGINT, function () use ($master) {
            $this->line('');
            $this->say('INFO', 'Shutting down');
            $master->terminate();
        });
        $master->run();

        return 0;
    }
}
