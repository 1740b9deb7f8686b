<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Records;
use Illuminate\Console\Command;

class ListCommand extends Command
{
    use Prints;

    protected $signature = 'horizon:list';

    protected $description = 'List all of the deployed machines';

    public function handle(Records $records): int
    {
        $masters = $records->masters();
        if (! $masters) {
            $this->say('INFO', 'No machines are running');

            return 0;
        }
        $this->line('');
        $this->table(['Name', 'PID', 'Supervisors', 'Status'], array_map(fn ($master) => [
            $master->name,
            $master->pid,
            implode(', ', array_map(fn ($name) => explode(':', $name, 2)[1], $master->supervisors)) ?: 'None',
            $master->status,
        ], $masters));
        $this->line('');

        return 0;
    }
}
