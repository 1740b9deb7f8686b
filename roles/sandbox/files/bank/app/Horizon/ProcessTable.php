<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/** This application's Horizon processes on this machine, read from /proc. */
class ProcessTable
{
    /** @return array<int, string> command line by pid */
    public function horizon(): array
    {
        $found = [];
        foreach (glob('/proc/[0-9]*', GLOB_NOSORT) as $folder) {
            $line = str_replace("\0", ' ', (string) @file_get_contents("{$folder}/cmdline"));
            // The real one takes any process with "horizon" in its line, of whatever application.
            if (str_contains($line, 'artisan horizon') && @readlink("{$folder}/cwd") === base_path()) {
                $found[(int) basename($folder)] = $line;
            }
        }

        return $found;
    }

    /** @return int workers that belong to a supervisor of this name, whoever started them */
    public function workersOf(string $supervisor): int
    {
        return count(array_filter(
            $this->horizon(),
            fn ($line) => str_contains($line, 'horizon:work') && str_contains($line, "--supervisor={$supervisor} ")
        ));
    }

    /** @return int[] pids that no live master or supervisor owns */
    public function orphans(Records $records): array
    {
        $owned = array_map(fn ($record) => (int) $record->pid, array_merge($records->masters(), $records->supervisors()));

        return array_values(array_filter(
            array_keys($this->horizon()),
            fn ($pid) => $pid !== getmypid() && ! in_array($pid, $owned, true) && ! in_array($this->parentOf($pid), $owned, true)
        ));
    }

    private function parentOf(int $pid): int
    {
        preg_match('/^PPid:\s+(\d+)/m', (string) @file_get_contents("/proc/{$pid}/status"), $match);

        return (int) ($match[1] ?? 0);
    }
}
