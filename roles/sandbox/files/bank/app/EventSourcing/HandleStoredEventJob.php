<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;

/** Runs the queued projectors for one event. */
class HandleStoredEventJob implements ShouldQueue
{
    use Queueable;

    public function __construct(public int $storedEventId, public string $eventClass)
    {
    }

    public function handle(Projectionist $projectionist): void
    {
        $projectionist->projectQueued(StoredEvent::query()->findOrFail($this->storedEventId));
    }

    public function tags(): array
    {
        return [$this->eventClass];
    }
}
