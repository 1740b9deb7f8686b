<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use Illuminate\Contracts\Cache\Repository;
use Illuminate\Queue\Console\WorkCommand as QueueWorkCommand;
use Illuminate\Queue\Worker;

/** The framework's own worker under another name, with the supervisor it belongs to. */
class WorkCommand extends QueueWorkCommand
{
    protected $hidden = true;

    public function __construct(Worker $worker, Repository $cache)
    {
        $this->signature = str_replace(['queue:work', '{--tries=1'], ['horizon:work', '{--tries=0'], $this->signature)
            .' {--supervisor= : The name of the supervisor the worker belongs to}';
        parent::__construct($worker, $cache);
    }
}
