<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/**
 * How one supervisor works; the names and their order are those of the JSON in its record.
 *
 * @property-read string $name
 * @property-read string $connection
 * @property-read string $queue
 * @property-read string $balance
 */
class SupervisorOptions
{
    private const DEFAULTS = [
        'balance' => 'off', 'connection' => 'redis', 'queue' => 'default', 'backoff' => 0, 'force' => false,
        'maxProcesses' => 1, 'minProcesses' => 1, 'maxTries' => 0, 'maxTime' => 0, 'maxJobs' => 0, 'memory' => 128,
        'nice' => 0, 'name' => '', 'workersName' => 'default', 'sleep' => 3, 'timeout' => 60, 'balanceCooldown' => 3,
        'balanceMaxShift' => 1, 'parentId' => 0, 'rest' => 0, 'autoScalingStrategy' => 'time',
    ];

    public array $values;

    public function __construct(array $values)
    {
        $this->values = array_merge(self::DEFAULTS, $values);
    }

    /** @return self[] the supervisors that the configuration names for an environment */
    public static function plan(string $master, string $environment): array
    {
        $plan = [];
        foreach (config("horizon.environments.{$environment}", []) as $name => $own) {
            $config = array_merge(config("horizon.defaults.{$name}", []), $own);
            $config['queue'] = implode(',', (array) $config['queue']);
            $config['maxTries'] = $config['tries'] ?? 0;
            unset($config['tries']);
            $plan[] = new self(['name' => "{$master}:{$name}", 'parentId' => getmypid()] + $config);
        }

        return $plan;
    }

    public function __get(string $name)
    {
        return $this->values[$name];
    }

    public function raiseMaxProcesses(int $count): void
    {
        if ($count > (int) $this->maxProcesses) {
            $this->values['maxProcesses'] = $count;
        }
    }

    /** @return string[] the queues of each pool of workers: one a queue when balancing, else all in one */
    public function pools(): array
    {
        return in_array($this->balance, ['simple', 'auto'], true) ? explode(',', $this->queue) : [$this->queue];
    }

    public function supervisorCommand(): string
    {
        $scaling = sprintf(
            '--workers-name=%s --balance=%s --max-processes=%s --min-processes=%s --nice=%s --balance-cooldown=%s '.
            '--balance-max-shift=%s --parent-id=%s --auto-scaling-strategy=%s',
            $this->workersName, $this->balance, $this->maxProcesses, $this->minProcesses, $this->nice,
            $this->balanceCooldown, $this->balanceMaxShift, $this->parentId, $this->autoScalingStrategy
        );

        return $this->artisan("horizon:supervisor {$this->name} {$this->connection} {$scaling} ".$this->shared($this->queue));
    }

    public function workerCommand(string $queue): string
    {
        return $this->artisan(
            "horizon:work {$this->connection} --name={$this->workersName} --supervisor={$this->name} ".$this->shared($queue)
        );
    }

    private function shared(string $queue): string
    {
        return sprintf(
            '--backoff=%s --max-time=%s --max-jobs=%s --memory=%s --queue="%s" --sleep=%s --timeout=%s --tries=%s --rest=%s%s',
            $this->backoff, $this->maxTime, $this->maxJobs, $this->memory, $queue, $this->sleep, $this->timeout,
            $this->maxTries, $this->rest, $this->force ? ' --force' : ''
        );
    }

    private function artisan(string $line): string
    {
        return 'exec '.escapeshellarg(PHP_BINARY).' artisan '.$line;
    }
}
