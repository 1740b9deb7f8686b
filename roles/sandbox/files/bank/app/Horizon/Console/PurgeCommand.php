<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\Master;
use App\Horizon\Orphans;
use App\Horizon\ProcessTable;
use App\Horizon\Records;
use Illuminate\Console\Command;

class PurgeCommand extends Command
{
    use Prints;

    protected $signature = 'horizon:purge
                            {--signal=SIGTERM : The signal to send to the rogue processes}';

    protected $description = 'Terminate any rogue Horizon processes';

    public function handle(Records $records, Orphans $orphans, ProcessTable $processes): int
    {
        $signal = $this->option('signal');
        $signal = (int) (is_numeric($signal) ? $signal : constant($signal));
        foreach (array_filter($records->masterNames(), [Master::class, 'isHere']) as $master) {
            $pids = $processes->orphans($records);
            $orphans->record($master, $pids);
            $this->end("Sending TERM signal to orphaned processes of [{$master}]", $pids, $signal);
            $expired = $orphans->olderThan($master, $records->longestTimeout());
            $this->end("Sending TERM signal to expired processes of [{$master}]", $expired, $signal);
            $orphans->forget($master, $expired);
        }

        return 0;
    }

    /** @param int[] $pids */
    private function end(string $title, array $pids, int $signal): void
    {
        if (! $pids) {
            return;
        }
        $this->say('INFO', $title);
        foreach ($pids as $pid) {
            if (! $this->task("Process: {$pid}", fn () => posix_kill($pid, $signal))) {
                $this->say('ERROR', "Failed to kill orphan process: {$pid} (".posix_strerror(posix_get_last_error()).')');
            }
        }
        $this->line('');
    }
}
