<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Illuminate\Queue\Jobs\RedisJob;
use Throwable;

/** One hash a job, and sorted sets of job ids by what became of them; scores are negative so the newest come first. */
class Jobs extends Store
{
    /** @var array<string, float> when this process took up the jobs it holds, in seconds */
    private array $started = [];

    public function __construct(private Metrics $metrics)
    {
    }

    public function pushed(string $connection, string $queue, Payload $payload): void
    {
        $this->redis()->pipeline(function ($pipe) use ($connection, $queue, $payload) {
            $this->list($pipe, $payload, ['recent_jobs', 'pending_jobs']);
            $now = $this->now();
            $pipe->hmset($payload->id(), [
                'id' => $payload->id(),
                'connection' => $connection,
                'queue' => $queue,
                'name' => $payload->name(),
                'status' => 'pending',
                'payload' => $payload->json,
                'created_at' => $now,
                'updated_at' => $now,
            ]);
            $this->expire($pipe, $payload, 'pending');
        });
    }

    public function reserved(Payload $payload): void
    {
        $now = $this->now();
        $this->redis()->hmset($payload->id(), [
            'status' => 'reserved', 'payload' => $payload->json, 'updated_at' => $now, 'reserved_at' => $now,
        ]);
        $this->started[$payload->id()] = microtime(true);
    }

    public function waiting(Payload $payload): void
    {
        $this->redis()->hmset($payload->id(), [
            'status' => 'pending', 'payload' => $payload->json, 'updated_at' => $this->now(),
        ]);
    }

    /** Done, or failed: the framework deletes a failed job first and tells of its failure afterwards. */
    public function deleted(string $queue, RedisJob $job): void
    {
        $payload = new Payload($job->getReservedJob());
        $this->redis()->pipeline(function ($pipe) use ($payload) {
            $this->list($pipe, $payload, ['completed_jobs']);
            $pipe->zrem('pending_jobs', $payload->id());
            $pipe->hmset($payload->id(), ['status' => 'completed', 'completed_at' => $this->now()]);
            $this->expire($pipe, $payload, 'completed');
        });
        if (! $job->hasFailed()) {
            $began = $this->started[$payload->id()] ?? microtime(true);
            $this->metrics->add($queue, $payload->name(), (microtime(true) - $began) * 1000);
            $this->stopTiming($payload->id());
        }
    }

    public function failed(string $connection, RedisJob $job, Throwable $exception): void
    {
        $payload = new Payload($job->getReservedJob());
        $this->stopTiming($payload->id());
        $this->redis()->pipeline(function ($pipe) use ($connection, $job, $payload, $exception) {
            $this->list($pipe, $payload, ['failed_jobs', 'recent_failed_jobs']);
            $pipe->zrem('pending_jobs', $payload->id());
            $pipe->zrem('completed_jobs', $payload->id());
            $pipe->hmset($payload->id(), [
                'id' => $payload->id(),
                'connection' => $connection,
                'queue' => $job->getQueue(),
                'name' => $payload->name(),
                'status' => 'failed',
                'payload' => $payload->json,
                'exception' => (string) $exception,
                'context' => method_exists($exception, 'context') ? json_encode($exception->context()) : '',
                'failed_at' => $this->now(),
            ]);
            $this->expire($pipe, $payload, 'failed');
            foreach ($payload->tags() as $tag) {
                $pipe->zadd("failed:{$tag}", $this->now(), $payload->id());
                $pipe->expire("failed:{$tag}", config('horizon.trim.failed') * 60);
            }
        });
    }

    public function stopTiming(string $id): void
    {
        unset($this->started[$id]);
    }

    /** @return string[] */
    public function failedIds(): array
    {
        return $this->redis()->zrange('failed_jobs', 0, -1);
    }

    public function forgetFailed(string $id): void
    {
        if ($this->redis()->zrem('failed_jobs', $id)) {
            $this->redis()->del($id);
        }
    }

    /** Drop what waits or is held in one queue from the lists, as the queue itself is emptied. */
    public function purge(string $queue): void
    {
        foreach ($this->redis()->zrange('recent_jobs', 0, -1) as $id) {
            [$status, $of] = array_values($this->redis()->hmget($id, ['status', 'queue']));
            if (in_array($status, ['pending', 'reserved'], true) && $of === $queue) {
                $this->redis()->zrem('recent_jobs', $id);
                $this->redis()->zrem('pending_jobs', $id);
                $this->redis()->del($id);
            }
        }
    }

    /** @param string[] $lists without their ending "_jobs"; the ending minutes are config horizon.trim's */
    public function trim(array $lists): void
    {
        foreach ($lists as $list) {
            $this->redis()->zremrangebyscore("{$list}_jobs", -(time() - config("horizon.trim.{$list}") * 60), '+inf');
        }
    }

    private function list($pipe, Payload $payload, array $lists): void
    {
        foreach ($lists as $list) {
            $pipe->zadd($list, '-'.$this->now(), $payload->id());
        }
    }

    private function expire($pipe, Payload $payload, string $list): void
    {
        $pipe->expireat($payload->id(), time() + config("horizon.trim.{$list}") * 60);
    }

    private function now(): string
    {
        return (string) microtime(true);
    }
}
