<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/** When a process without an owner was first seen, a master: in Redis, as purges come and go. */
class Orphans extends Store
{
    /** @param int[] $pids all that are there now; those no longer there are forgotten */
    public function record(string $master, array $pids): void
    {
        foreach (array_diff($this->redis()->hkeys("{$master}:orphans"), $pids) as $gone) {
            $this->redis()->hdel("{$master}:orphans", $gone);
        }
        foreach ($pids as $pid) {
            $this->redis()->hsetnx("{$master}:orphans", $pid, time());
        }
    }

    /** @return int[] */
    public function olderThan(string $master, int $seconds): array
    {
        $old = array_filter($this->redis()->hgetall("{$master}:orphans"), fn ($seen) => time() - $seen > $seconds);

        return array_keys($old);
    }

    /** @param int[] $pids */
    public function forget(string $master, array $pids): void
    {
        foreach ($pids as $pid) {
            $this->redis()->hdel("{$master}:orphans", $pid);
        }
    }
}
