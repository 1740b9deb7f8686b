<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\StoredEvents\Models;

use Illuminate\Database\Eloquent\Builder;
use Spatie\EventSourcing\StoredEvents\StoredEvent;

class EloquentStoredEventQueryBuilder extends Builder
{
    public function startingFrom(int $storedEventId): self
    {
        return $this->where('id', '>=', $storedEventId);
    }

    public function afterVersion(int $version): self
    {
        return $this->where('aggregate_version', '>', $version);
    }

    public function whereAggregateRoot(string $uuid): self
    {
        return $this->where('aggregate_uuid', $uuid);
    }

    public function whereEvent(string ...$eventClasses): self
    {
        return $this->whereIn('event_class', array_map([StoredEvent::class, 'getEventClass'], $eventClasses));
    }
}
