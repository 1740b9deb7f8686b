<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/** The workers of one queue (or of several that share them) under one supervisor. */
class Pool
{
    /** @var Child[] */
    private array $workers = [];

    /** @var array<int, array{0: Child, 1: float}> workers told to end, and since when */
    private array $ending = [];

    public function __construct(private SupervisorOptions $options, public string $queue)
    {
    }

    public function scale(int $count): void
    {
        while (count($this->workers) < max(0, $count)) {
            $this->workers[] = new Child($this->options->workerCommand($this->queue));
        }
        while (count($this->workers) > max(0, $count)) {
            $worker = array_shift($this->workers);
            $worker->signal(SIGTERM);
            $this->ending[] = [$worker, microtime(true)];
        }
    }

    public function monitor(): void
    {
        array_walk($this->workers, fn (Child $worker) => $worker->monitor());
    }

    /** @param int $signal to all workers that are not ending already */
    public function signal(int $signal): void
    {
        array_walk($this->workers, fn (Child $worker) => $worker->signal($signal));
    }

    public function restart(): void
    {
        $count = count($this->workers);
        $this->scale(0);
        $this->scale($count);
    }

    public function prune(): void
    {
        foreach ($this->ending as [$worker, $since]) {
            if (microtime(true) > $since + (int) $this->options->timeout) {
                $worker->kill();
            }
        }
        $this->ending = array_values(array_filter($this->ending, fn ($entry) => $entry[0]->isRunning()));
    }

    public function count(): int
    {
        return count($this->workers);
    }

    public function total(): int
    {
        return count($this->workers) + count($this->ending);
    }

    public function running(): int
    {
        $this->prune();

        return count($this->ending) + count(array_filter($this->workers, fn (Child $worker) => $worker->isRunning()));
    }
}
