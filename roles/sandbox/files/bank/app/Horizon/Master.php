<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Illuminate\Support\Str;

/** One a host: starts the supervisors, keeps them alive, tells Redis that it lives. */
class Master extends Process
{
    public string $name;

    /** @var SupervisorChild[] */
    private array $supervisors = [];

    private int $trimmedRecent = 0;

    private int $trimmedFailed = 0;

    public function __construct(public string $environment)
    {
        $this->name = self::name();
        app(CommandQueue::class)->flush("master:{$this->name}");
    }

    public static function hostname(): string
    {
        return Str::slug(config('bank.hostname') ?: gethostname());
    }

    /** The host's name and four characters that are new at each start. */
    public static function name(): string
    {
        static $token;

        return self::hostname().'-'.($token ??= Str::random(4));
    }

    /** As the real one asks it: "app1" also takes the masters of "app10" for its own. */
    public static function isHere(string $name): bool
    {
        return Str::startsWith($name, self::hostname());
    }

    public function add(SupervisorChild $supervisor): void
    {
        $this->supervisors[] = $supervisor;
    }

    /** @return string[] */
    public function supervisorNames(): array
    {
        return array_map(fn ($supervisor) => $supervisor->options->name, $this->supervisors);
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

    /** The supervisors end with status 1, so they are started again, under the same names. */
    public function restart(): void
    {
        $this->working = true;
        array_walk($this->supervisors, fn ($supervisor) => $supervisor->terminateWith(1));
    }

    /** The records go first, so the status is "inactive" while workers still finish the jobs in their hands. */
    public function terminate(int $status = 0): void
    {
        $this->working = false;
        $patience = microtime(true) + app(Records::class)->longestTimeout();
        $this->tell(SIGTERM);
        app(Records::class)->forgetMaster($this->name);
        while (array_filter($this->supervisors, fn ($supervisor) => $supervisor->isRunning()) && microtime(true) < $patience) {
            sleep(1);
        }
        exit($status);
    }

    protected function turn(): void
    {
        $this->obeySignals();
        $this->obeyOrders("master:{$this->name}");
        if ($this->working) {
            array_walk($this->supervisors, fn ($supervisor) => $supervisor->monitor());
            $this->supervisors = array_values(array_filter($this->supervisors, fn ($supervisor) => ! $supervisor->dead));
        }
        $this->persist();
        $this->trim();
        app(Records::class)->dropSilent();
        $this->exitWhenTooBig(config('horizon.memory_limit'));
    }

    protected function persist(): void
    {
        app(Records::class)->saveMaster($this);
    }

    private function tell(int $signal): void
    {
        array_walk($this->supervisors, fn ($supervisor) => $supervisor->signal($signal));
    }

    /** Recent jobs each minute; failed and monitored ones each twelfth of the time they are kept. */
    private function trim(): void
    {
        if (time() - $this->trimmedRecent >= 60) {
            app(Jobs::class)->trim(['recent', 'recent_failed', 'pending', 'completed']);
            $this->trimmedRecent = time();
        }
        if (time() - $this->trimmedFailed >= config('horizon.trim.failed') * 60 / 12) {
            app(Jobs::class)->trim(['failed', 'monitored']);
            $this->trimmedFailed = time();
        }
    }
}
