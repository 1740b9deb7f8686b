<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/** A supervisor as its master sees it: dead once it has ended, and asked for again unless it was meant to end. */
class SupervisorChild extends Child
{
    private const FINAL = [0, 2, 13]; // ended on purpose, out of order, or there is one of that name already

    public bool $dead = false;

    public function __construct(public SupervisorOptions $options)
    {
        parent::__construct($options->supervisorCommand());
    }

    public function monitor(): void
    {
        if (! $this->wasStarted()) {
            $this->start();

            return;
        }
        if ($this->isRunning() || ($this->coolingDown() && $this->exitCode() !== 13)) {
            return;
        }
        $this->dead = true;
        if (! in_array($this->exitCode(), self::FINAL, true)) {
            app(Records::class)->forgetSupervisors([$this->options->name]);
            app(CommandQueue::class)->push(
                'master:'.Master::name(), 'Laravel\Horizon\MasterSupervisorCommands\AddSupervisor', $this->options->values
            );
        }
    }

    public function terminateWith(int $status): void
    {
        app(CommandQueue::class)->push(
            $this->options->name, 'Laravel\Horizon\SupervisorCommands\Terminate', ['status' => $status]
        );
    }
}
