<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\StoredEvents;

use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Support\Arr;
use Illuminate\Support\Collection;
use Spatie\EventSourcing\EventSerializers\EventSerializer;
use Spatie\EventSourcing\Projectionist;

/** One event out of the store, its object made at once. */
class StoredEvent
{
    public int|string|null $id;

    /** @var array|string */
    public $event_properties;

    public string $aggregate_uuid;

    public string $aggregate_version;

    public int $event_version;

    public string $event_class;

    /** @var Collection */
    public $meta_data;

    public string $created_at;

    public ?ShouldBeStored $event;

    public function __construct(array $data)
    {
        $this->id = $data['id'] ?? null;
        $this->event_properties = $data['event_properties'];
        $this->aggregate_uuid = $data['aggregate_uuid'];
        $this->aggregate_version = $data['aggregate_version'];
        $this->event_version = $data['event_version'] ?? 1;
        $this->event_class = Arr::get(config('event-sourcing.event_class_map', []), $data['event_class'], $data['event_class']);
        $this->meta_data = $data['meta_data'];
        $this->created_at = $data['created_at'];
        $this->event = app(EventSerializer::class)->deserialize(
            $this->event_class,
            json_encode($this->event_properties),
            $this->event_version,
            json_encode($this->meta_data)
        );
        $this->event->setMetaData($this->meta_data->toArray());
    }

    /** Live: at once with those that are not queued, through the queue with the others. */
    public function handle(): void
    {
        $projectionist = app(Projectionist::class);
        $projectionist->handleWithSyncEventHandlers($this);
        if ($projectionist->allEventHandlers()->forEvent($this)->contains(fn ($handler) => $handler instanceof ShouldQueue)) {
            dispatch(HandleStoredEventJob::createForEvent($this, [])->onQueue(config('event-sourcing.queue')));
        }
    }

    public static function getEventClass(string $class): string
    {
        $alias = array_search($class, config('event-sourcing.event_class_map', []), true);

        return $alias === false ? $class : $alias;
    }
}
