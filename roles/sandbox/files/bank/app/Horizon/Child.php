<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Symfony\Component\Process\Exception\ExceptionInterface;
use Symfony\Component\Process\Process;

/** A process that is started again when it ends; one that keeps ending at once waits a minute. */
class Child
{
    private Process $process;

    private ?float $restartAt = null;

    public function __construct(string $command)
    {
        $this->process = Process::fromShellCommandline($command, base_path())->setTimeout(null)->disableOutput();
    }

    public function monitor(): void
    {
        if (! $this->isRunning() && ! $this->coolingDown()) {
            $this->start();
        }
    }

    public function start(): void
    {
        $this->restartAt = microtime(true) + ($this->restartAt === null ? 1 : 60);
        $this->process->start();
    }

    public function isRunning(): bool
    {
        $running = $this->process->isRunning();
        if ($running && ! $this->coolingDown()) {
            $this->restartAt = null; // it has lived: the next start is a first one again
        }

        return $running;
    }

    public function wasStarted(): bool
    {
        return $this->process->isStarted();
    }

    public function coolingDown(): bool
    {
        return $this->restartAt !== null && microtime(true) < $this->restartAt;
    }

    public function exitCode(): ?int
    {
        return $this->process->getExitCode();
    }

    public function signal(int $signal): void
    {
        try {
            $this->process->signal($signal);
        } catch (ExceptionInterface $e) {
            if ($this->process->isRunning()) {
                throw $e;
            }
        }
    }

    public function kill(): void
    {
        $this->process->stop();
    }
}
