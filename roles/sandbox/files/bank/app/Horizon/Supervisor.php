<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/** Runs the workers of its queues and shares them out between the queues. */
class Supervisor extends Process
{
    public string $name;

    /** @var Pool[] */
    public array $pools;

    private float $scaledAt = 0;

    public function __construct(public SupervisorOptions $options)
    {
        $this->name = $options->name;
        $this->pools = array_map(fn ($queue) => new Pool($options, $queue), $options->pools());
        app(CommandQueue::class)->flush($this->name);
    }

    /** @param int $count workers over all pools, shared evenly */
    public function scale(int $count): void
    {
        $this->options->raiseMaxProcesses(max($count, count($this->pools)));
        array_walk($this->pools, fn (Pool $pool) => $pool->scale(intdiv($count, count($this->pools))));
    }

    /** @param array<string, int> $counts workers by queue; a queue that isn't ours is passed over */
    public function balance(array $counts): void
    {
        foreach ($this->pools as $pool) {
            if (isset($counts[$pool->queue])) {
                $pool->scale((int) $counts[$pool->queue]);
            }
        }
    }

    public function pause(): void
    {
        $this->working = false;
        $this->tell(SIGUSR2);
    }

    public function continue(): void
    {
        $this->working = true;
        $this->tell(SIGCONT);
    }

    public function restart(): void
    {
        $this->working = true;
        array_walk($this->pools, fn (Pool $pool) => $pool->restart());
    }

    public function terminate(int $status = 0): void
    {
        $this->working = false;
        app(Records::class)->forgetSupervisors([$this->name]);
        $this->tell(SIGTERM);
        while (array_sum(array_map(fn (Pool $pool) => $pool->running(), $this->pools))) {
            sleep(1);
        }
        exit($status);
    }

    public function prune(): void
    {
        array_walk($this->pools, fn (Pool $pool) => $pool->prune());
    }

    public function total(): int
    {
        return array_sum(array_map(fn (Pool $pool) => $pool->total(), $this->pools));
    }

    /** @return array<string, int> workers by "connection:queue" */
    public function processCounts(): array
    {
        $counts = [];
        foreach ($this->pools as $pool) {
            $counts["{$this->options->connection}:{$pool->queue}"] = $pool->count();
        }

        return $counts;
    }

    protected function turn(): void
    {
        // A master that was killed leaves us with another parent: end, as nobody else would end us.
        if ($this->options->parentId > 1 && posix_getppid() <= 1) {
            $this->terminate();
        }
        $this->obeySignals();
        $this->obeyOrders($this->name);
        if ($this->working) {
            if (microtime(true) - $this->scaledAt > (int) $this->options->balanceCooldown) {
                $this->scaledAt = microtime(true);
                app(AutoScaler::class)->scale($this);
            }
            array_walk($this->pools, fn (Pool $pool) => $pool->monitor());
        }
        $this->persist();
        $this->prune();
        $this->watchWaits();
        $this->exitWhenTooBig((float) $this->options->memory);
    }

    protected function persist(): void
    {
        app(Records::class)->saveSupervisor($this);
    }

    private function tell(int $signal): void
    {
        array_walk($this->pools, fn (Pool $pool) => $pool->signal($signal));
    }

    /** At most once a minute over all supervisors: say which queues would take too long to empty. */
    private function watchWaits(): void
    {
        if (! app(Metrics::class)->lock('monitor:time-to-clear', 60)) {
            return;
        }
        foreach (app(Metrics::class)->waits() as $queue => $seconds) {
            $limit = config("horizon.waits.{$queue}", 60);
            if ($limit && $seconds > $limit && app(Metrics::class)->lock('notification:'.md5("{$queue}-wait"), 300)) {
                logger()->warning('Long wait detected', ['queue' => $queue, 'seconds' => $seconds]);
            }
        }
    }
}
