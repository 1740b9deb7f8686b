<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Illuminate\Contracts\Queue\Factory;

/** Throughput and mean runtime (milliseconds) a queue and a job class, since the last snapshot. */
class Metrics extends Store
{
    // One step, so that two workers never count over each other; the set's members are keys with their prefix.
    private const COUNT = <<<'LUA'
        local before = tonumber(redis.call('hget', KEYS[1], 'throughput') or 0)
        local mean = tonumber(redis.call('hget', KEYS[1], 'runtime') or 0)
        local after = before + 1
        redis.call('hset', KEYS[1], 'throughput', after, 'runtime', (before * mean + tonumber(ARGV[1])) / after)
        redis.call('sadd', KEYS[2], KEYS[1])
        LUA;

    public function add(string $queue, string $job, float $milliseconds): void
    {
        $this->redis()->eval(self::COUNT, 2, "queue:{$queue}", 'measured_queues', (string) $milliseconds);
        $this->redis()->eval(self::COUNT, 2, "job:{$job}", 'measured_jobs', (string) $milliseconds);
    }

    /** @return float mean milliseconds; 0 when nothing was measured */
    public function runtime(string $queue): float
    {
        return (float) $this->redis()->hget("queue:{$queue}", 'runtime');
    }

    public function snapshot(): void
    {
        foreach (['job', 'queue'] as $kind) {
            foreach ($this->redis()->smembers("measured_{$kind}s") as $member) {
                $this->snapshotOf($kind, "{$kind}:".explode("{$kind}:", $member, 2)[1]);
            }
        }
        $this->redis()->set('last_snapshot_at', time());
    }

    /** A lock for one minute, so that one supervisor of all looks at the waits. */
    public function lock(string $name, int $seconds): bool
    {
        if ($this->redis()->setnx($name, 1)) {
            $this->redis()->expire($name, $seconds);

            return true;
        }

        return false;
    }

    /** @return array<string, float> seconds until each served queue would be empty, by "connection:queue" */
    public function waits(): array
    {
        $processes = [];
        foreach (app(Records::class)->supervisors() as $supervisor) {
            foreach ($supervisor->processes as $name => $count) {
                $processes[$name] = ($processes[$name] ?? 0) + $count;
            }
        }
        $waits = [];
        foreach ($processes as $name => $count) {
            [$connection, $queues] = explode(':', $name, 2);
            $work = 0;
            foreach (explode(',', $queues) as $queue) {
                $work += app(Factory::class)->connection($connection)->readyNow($queue) * $this->runtime($queue);
            }
            $waits[$name] = round($work / max($count, 1) / 1000);
        }

        return $waits;
    }

    private function snapshotOf(string $kind, string $key): void
    {
        $measured = array_values($this->redis()->hmget($key, ['throughput', 'runtime']));
        $this->redis()->del($key);
        $data = ['throughput' => $measured[0], 'runtime' => $measured[1]];
        // The real one looks its wait up under a name that is never found, so it stores 0.
        $data += $kind === 'queue' ? ['wait' => 0] : [];
        $this->redis()->zadd("snapshot:{$key}", time(), json_encode($data + ['time' => time()]));
        $this->redis()->zremrangebyrank("snapshot:{$key}", 0, -(1 + config("horizon.metrics.trim_snapshots.{$kind}")));
    }
}
