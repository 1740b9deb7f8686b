<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Throwable;

/** A master or a supervisor: both can be told the same things, by signal or through Redis. */
abstract class Process
{
    private const SIGNALS = [SIGTERM => 'terminate', SIGUSR1 => 'restart', SIGUSR2 => 'pause', SIGCONT => 'continue'];

    public bool $working = true;

    /** @var array<string, string> signals that came and wait for the next turn, as method names */
    private array $pending = [];

    abstract public function pause(): void;

    abstract public function continue(): void;

    abstract public function restart(): void;

    abstract public function terminate(int $status = 0): void;

    /** One turn: obey signals, obey orders, care for the children, write the record. */
    abstract protected function turn(): void;

    abstract protected function persist(): void;

    public function run(): void
    {
        pcntl_async_signals(true);
        foreach (self::SIGNALS as $signal => $method) {
            pcntl_signal($signal, function () use ($method) {
                $this->pending[$method] = $method;
            });
        }
        $this->persist();
        while (true) {
            sleep(1);
            try {
                $this->turn();
            } catch (Throwable $e) {
                report($e);
            }
        }
    }

    protected function obeySignals(): void
    {
        while ($method = reset($this->pending)) {
            $this->{$method}();
            unset($this->pending[$method]);
        }
    }

    /** An element that can't be understood ends the turn: what stood behind it in the list is lost. */
    protected function obeyOrders(string $target): void
    {
        foreach (app(CommandQueue::class)->take($target) as $order) {
            app($order->command)->process($this, $order->options);
        }
    }

    protected function exitWhenTooBig(float $megabytes): void
    {
        if (memory_get_usage() / 1024 / 1024 > $megabytes) {
            $this->terminate(12);
        }
    }
}
