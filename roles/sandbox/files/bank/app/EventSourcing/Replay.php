<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing;

use Illuminate\Database\Eloquent\Builder;

/** Which events a replay covers. */
class Replay
{
    /** @param int $from first event id, inclusive; 0 also resets the projections */
    public function __construct(
        public int $from = 0,
        public ?string $aggregateUuid = null,
        public string $model = StoredEvent::class
    ) {
    }

    /** @param string[] $eventClasses */
    public function query(array $eventClasses): Builder
    {
        return $this->model::query()
            ->where('id', '>=', $this->from)
            ->whereIn('event_class', $eventClasses)
            ->when($this->aggregateUuid !== null, fn ($query) => $query->where('aggregate_uuid', $this->aggregateUuid))
            ->orderBy('id');
    }
}
