<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/** What masters and supervisors tell of themselves: a hash that expires and a score in a sorted set. */
class Records extends Store
{
    private const MASTER_TTL = 15; // seconds; a heartbeat comes each second

    private const SUPERVISOR_TTL = 30;

    private const MASTER_FIELDS = ['name', 'environment', 'pid', 'status', 'supervisors'];

    private const SUPERVISOR_FIELDS = ['name', 'master', 'pid', 'status', 'processes', 'options'];

    /** @return object[] the masters heard of in the last 14 seconds */
    public function masters(): array
    {
        return array_values(array_filter(array_map([$this, 'master'], $this->masterNames())));
    }

    /** @return string[] */
    public function masterNames(): array
    {
        return $this->redis()->zrevrangebyscore('masters', '+inf', time() - 14);
    }

    public function master(string $name): ?object
    {
        return $this->read("master:{$name}", self::MASTER_FIELDS, ['supervisors']);
    }

    /** @return object[] the supervisors heard of in the last 29 seconds */
    public function supervisors(): array
    {
        $names = $this->redis()->zrevrangebyscore('supervisors', '+inf', time() - 29);

        return array_values(array_filter(array_map([$this, 'supervisor'], $names)));
    }

    public function supervisor(string $name): ?object
    {
        return $this->read("supervisor:{$name}", self::SUPERVISOR_FIELDS, ['processes', 'options']);
    }

    public function saveMaster(Master $master): void
    {
        $this->write('masters', "master:{$master->name}", self::MASTER_TTL, [
            'name' => $master->name,
            'environment' => $master->environment,
            'pid' => getmypid(),
            'status' => $master->working ? 'running' : 'paused',
            'supervisors' => json_encode($master->supervisorNames()),
        ]);
    }

    public function saveSupervisor(Supervisor $supervisor): void
    {
        $this->write('supervisors', "supervisor:{$supervisor->name}", self::SUPERVISOR_TTL, [
            'name' => $supervisor->name,
            'master' => substr($supervisor->name, 0, strrpos($supervisor->name, ':')),
            'pid' => getmypid(),
            'status' => $supervisor->working ? 'running' : 'paused',
            'processes' => json_encode($supervisor->processCounts()),
            'options' => json_encode($supervisor->options->values),
        ]);
    }

    public function forgetMaster(string $name): void
    {
        if ($master = $this->master($name)) {
            $this->forgetSupervisors($master->supervisors);
            $this->redis()->del("master:{$name}");
            $this->redis()->zrem('masters', $name);
        }
    }

    /** @param string[] $names */
    public function forgetSupervisors(array $names): void
    {
        foreach ($names as $name) {
            $this->redis()->del("supervisor:{$name}");
            $this->redis()->zrem('supervisors', $name);
        }
    }

    /** Both lists drop whom nobody has heard of for 14 seconds, supervisors too although their hash lives 30. */
    public function dropSilent(): void
    {
        $this->redis()->zremrangebyscore('masters', '-inf', time() - 14);
        $this->redis()->zremrangebyscore('supervisors', '-inf', time() - 14);
    }

    /** @return int seconds: the longest that a job of any live supervisor may take */
    public function longestTimeout(): int
    {
        return max(0, 0, ...array_map(fn ($supervisor) => (int) $supervisor->options['timeout'], $this->supervisors()));
    }

    private function read(string $key, array $fields, array $json): ?object
    {
        $record = array_combine($fields, array_values($this->redis()->hmget($key, $fields)));
        if (! $record['name']) {
            return null;
        }
        foreach ($json as $field) {
            $record[$field] = json_decode($record[$field], true);
        }

        return (object) $record;
    }

    private function write(string $list, string $key, int $ttl, array $record): void
    {
        $this->redis()->pipeline(function ($pipe) use ($list, $key, $ttl, $record) {
            $pipe->hmset($key, $record);
            $pipe->zadd($list, time(), $record['name']);
            $pipe->expire($key, $ttl);
        });
    }
}
