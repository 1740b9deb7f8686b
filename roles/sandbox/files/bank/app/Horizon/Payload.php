<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/** A job as it lies in the queue. */
class Payload
{
    private array $decoded;

    public function __construct(public string $json)
    {
        $this->decoded = json_decode($json, true);
    }

    public function id(): string
    {
        return $this->decoded['uuid'] ?? $this->decoded['id'];
    }

    public function name(): string
    {
        return $this->decoded['displayName'];
    }

    /** @return string[] */
    public function tags(): array
    {
        return $this->decoded['tags'] ?? [];
    }

    /** @param object|string|null $job null when a raw payload is pushed again: its tags stay */
    public function stamped($job): self
    {
        $tags = is_object($job) && method_exists($job, 'tags') ? $job->tags() : [];

        return new self(json_encode(array_merge($this->decoded, [
            'type' => 'job',
            'tags' => array_merge($this->tags(), $tags),
            'silenced' => false,
            'pushedAt' => (string) microtime(true),
        ])));
    }
}
