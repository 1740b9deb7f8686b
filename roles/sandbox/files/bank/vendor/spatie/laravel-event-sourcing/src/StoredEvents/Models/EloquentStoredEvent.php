<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\StoredEvents\Models;

use Illuminate\Database\Eloquent\Model;
use Illuminate\Support\Collection;
use Spatie\EventSourcing\StoredEvents\StoredEvent;

class EloquentStoredEvent extends Model
{
    public $guarded = [];

    public $timestamps = false;

    protected $table = 'stored_events';

    public $casts = ['event_properties' => 'array', 'meta_data' => 'array'];

    public function toStoredEvent(): StoredEvent
    {
        return new StoredEvent([
            'id' => $this->id,
            'event_properties' => $this->event_properties,
            'aggregate_uuid' => $this->aggregate_uuid ?? '',
            'aggregate_version' => $this->aggregate_version ?? 0,
            'event_version' => $this->event_version,
            'event_class' => $this->event_class,
            'meta_data' => new Collection($this->meta_data),
            'created_at' => $this->created_at,
        ]);
    }

    public function newEloquentBuilder($query): EloquentStoredEventQueryBuilder
    {
        return new EloquentStoredEventQueryBuilder($query);
    }
}
