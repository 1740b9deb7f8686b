<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\StoredEvents;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use Spatie\EventSourcing\Projectionist;

/** Runs the queued handlers for one event. */
class HandleStoredEventJob implements ShouldQueue
{
    use InteractsWithQueue;
    use Queueable;

    public function __construct(public StoredEvent $storedEvent, public array $tags)
    {
    }

    public static function createForEvent(StoredEvent $event, array $tags): self
    {
        return new static($event, $tags);
    }

    public function handle(Projectionist $projectionist): void
    {
        $projectionist->handle($this->storedEvent);
    }

    public function tags(): array
    {
        return $this->tags ?: [$this->storedEvent->event_class];
    }
}
