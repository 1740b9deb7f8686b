<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Jobs;
use Illuminate\Console\Command;

class ForgetCommand extends Command
{
    use Prints;

    protected $signature = 'horizon:forget {id? : The ID of the failed job} {--all : Delete all failed jobs}';

    protected $description = 'Delete a failed queue job';

    public function handle(Jobs $jobs): int
    {
        if ($this->option('all')) {
            return $this->forgetAll($jobs);
        }
        $id = (string) $this->argument('id');
        if ($id === '') {
            $this->say('ERROR', 'No failed job ID provided');
        }
        $jobs->forgetFailed($id);
        if (! $this->laravel['queue.failer']->forget($id)) {
            $this->say('ERROR', 'No failed job matches the given ID');

            return 1;
        }
        $this->say('INFO', 'Failed job deleted successfully!');

        return 0;
    }

    private function forgetAll(Jobs $jobs): int
    {
        $ids = $jobs->failedIds();
        foreach ($ids as $id) {
            $jobs->forgetFailed($id);
            if ($this->laravel['queue.failer']->forget($id)) {
                $this->say('INFO', "Failed job (id): {$id} deleted successfully!");
            }
        }
        $this->say('INFO', $ids ? count($ids).' failed jobs deleted successfully!' : 'No failed jobs detected');

        return 0;
    }
}
