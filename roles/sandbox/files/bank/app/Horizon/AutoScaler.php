<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Illuminate\Contracts\Queue\Factory;

/** Shares a supervisor's workers out over its queues: by work waiting ("auto"), or evenly ("simple"). */
class AutoScaler
{
    public function __construct(private Factory $queues, private Metrics $metrics)
    {
    }

    public function scale(Supervisor $supervisor): void
    {
        $options = $supervisor->options;
        $load = $this->load($supervisor);
        $totalJobs = array_sum(array_column($load, 'jobs'));
        $totalTime = array_sum(array_column($load, 'time'));
        $wanted = [];
        foreach ($load as $i => $of) {
            if ($options->balance === 'simple') {
                $wanted[$i] = $options->maxProcesses / count($load);
            } elseif ($totalTime > 0) {
                $share = $options->autoScalingStrategy === 'size' ? $of['jobs'] / $totalJobs : $of['time'] / $totalTime;
                $wanted[$i] = $share * $options->maxProcesses;
            } else {
                $wanted[$i] = $of['jobs'] ? $options->maxProcesses : $options->minProcesses;
            }
        }
        asort($wanted); // those that give workers up come first
        foreach ($wanted as $i => $count) {
            $this->move($supervisor, $supervisor->pools[$i], (int) ceil($count));
        }
    }

    private function load(Supervisor $supervisor): array
    {
        $connection = $this->queues->connection($supervisor->options->connection);

        return array_map(function (Pool $pool) use ($connection) {
            $jobs = $time = 0;
            foreach (explode(',', $pool->queue) as $queue) {
                $ready = $connection->readyNow($queue);
                $jobs += $ready;
                $time += $ready * $this->metrics->runtime($queue);
            }

            return ['jobs' => $jobs, 'time' => $time];
        }, $supervisor->pools);
    }

    /** At most balanceMaxShift workers at a time, and never so many that another pool falls below its least. */
    private function move(Supervisor $supervisor, Pool $pool, int $wanted): void
    {
        $options = $supervisor->options;
        [$least, $most, $shift] = [(int) $options->minProcesses, (int) $options->maxProcesses, (int) $options->balanceMaxShift];
        $supervisor->prune();
        $now = $pool->total();
        if ($wanted > $now) {
            $room = min(max(0, $most - $supervisor->total()), $shift);
            $pool->scale(min($now + $room, max($least, $most - (count($supervisor->pools) - 1) * $least), $wanted));
        } elseif ($wanted < $now) {
            $pool->scale(max($now - min($supervisor->total() - $least, $shift), $least, $wanted));
        }
    }
}
