<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Illuminate\Queue\RedisQueue;
use Illuminate\Support\Str;

/** The framework's Redis queue, which also tells Horizon what becomes of each job. */
class HorizonQueue extends RedisQueue
{
    /** @var object|string|null the job being pushed, for its tags */
    private $pushing;

    public function readyNow(string $queue): int
    {
        return (int) $this->getConnection()->llen($this->getQueue($queue));
    }

    public function push($job, $data = '', $queue = null)
    {
        $this->pushing = $job;
        try {
            return parent::push($job, $data, $queue);
        } finally {
            $this->pushing = null;
        }
    }

    public function later($delay, $job, $data = '', $queue = null)
    {
        $this->pushing = $job;
        try {
            return parent::later($delay, $job, $data, $queue);
        } finally {
            $this->pushing = null;
        }
    }

    public function pushRaw($payload, $queue = null, array $options = [])
    {
        $payload = (new Payload($payload))->stamped($this->pushing);
        parent::pushRaw($payload->json, $queue, $options);
        $this->jobs()->pushed($this->connectionName, $this->nameOf($queue), $payload);

        return $payload->id();
    }

    protected function laterRaw($delay, $payload, $queue = null)
    {
        $payload = (new Payload($payload))->stamped($this->pushing);
        parent::laterRaw($delay, $payload->json, $queue);
        $this->jobs()->pushed($this->connectionName, $this->nameOf($queue), $payload);

        return $payload->id();
    }

    protected function createPayloadArray($job, $queue, $data = '')
    {
        $payload = parent::createPayloadArray($job, $queue, $data);
        $payload['id'] = $payload['uuid'];

        return $payload;
    }

    public function pop($queue = null, $index = 0)
    {
        $job = parent::pop($queue, $index);
        if ($job) {
            $this->jobs()->reserved(new Payload($job->getReservedJob()));
        }

        return $job;
    }

    public function migrateExpiredJobs($from, $to)
    {
        $migrated = parent::migrateExpiredJobs($from, $to);
        foreach ((array) $migrated as $json) {
            $this->jobs()->waiting(new Payload($json));
        }

        return $migrated;
    }

    public function deleteReserved($queue, $job)
    {
        parent::deleteReserved($queue, $job);
        $this->jobs()->deleted($this->nameOf($queue), $job);
    }

    public function deleteAndRelease($queue, $job, $delay)
    {
        parent::deleteAndRelease($queue, $job, $delay);
        $this->jobs()->waiting(new Payload($job->getReservedJob()));
    }

    private function nameOf(?string $queue): string
    {
        return Str::after($this->getQueue($queue), 'queues:');
    }

    private function jobs(): Jobs
    {
        return app(Jobs::class);
    }
}
