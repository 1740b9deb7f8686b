<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\StoredEvents\Repositories;

use Closure;
use Illuminate\Support\Collection;
use Illuminate\Support\LazyCollection;
use RuntimeException;
use Spatie\EventSourcing\EventSerializers\EventSerializer;
use Spatie\EventSourcing\StoredEvents\Models\EloquentStoredEvent;
use Spatie\EventSourcing\StoredEvents\Models\EloquentStoredEventQueryBuilder;
use Spatie\EventSourcing\StoredEvents\ShouldBeStored;
use Spatie\EventSourcing\StoredEvents\StoredEvent;

class EloquentStoredEventRepository implements StoredEventRepository
{
    protected string $storedEventModel;

    public function __construct()
    {
        $this->storedEventModel = (string) config('event-sourcing.stored_event_model', EloquentStoredEvent::class);
        if (! is_a($this->storedEventModel, EloquentStoredEvent::class, true)) {
            throw new RuntimeException("The class {$this->storedEventModel} must extend EloquentStoredEvent");
        }
    }

    public function retrieveAll(?string $uuid = null): LazyCollection
    {
        $query = $this->query(0, $uuid, [])->orderBy('id');

        return $query->cursor()->map(fn ($stored) => $stored->toStoredEvent());
    }

    public function retrieveAllAfterVersion(int $aggregateVersion, string $aggregateUuid): LazyCollection
    {
        $query = $this->query(0, $aggregateUuid, [])->afterVersion($aggregateVersion)->orderBy('id');

        return $query->cursor()->map(fn ($stored) => $stored->toStoredEvent());
    }

    public function runForAllStartingFrom(int $startingFrom, callable|Closure $function, int $chunkSize = 1000, ?string $uuid = null, array $events = []): bool
    {
        // With OFFSET: each chunk reads all those before it again, as the package's does.
        return $this->query($startingFrom, $uuid, $events)->orderBy('id')->chunk($chunkSize, function (Collection $chunk) use ($function) {
            foreach ($chunk as $stored) {
                $function($stored->toStoredEvent());
            }
        });
    }

    public function countAllStartingFrom(int $startingFrom, ?string $uuid = null, array $events = []): int
    {
        return $this->query($startingFrom, $uuid, $events)->count('id');
    }

    public function persist(ShouldBeStored $event, ?string $uuid = null): StoredEvent
    {
        $now = now()->format('Y-m-d H:i:s');
        $meta = $event->metaData() + ['created-at' => $now];
        $stored = $this->storedEventModel::create([
            'aggregate_uuid' => $uuid,
            'aggregate_version' => $event->aggregateRootVersion(),
            'event_version' => 1,
            'event_class' => StoredEvent::getEventClass(get_class($event)),
            'event_properties' => json_decode(app(EventSerializer::class)->serialize($event), true),
            'meta_data' => $meta,
            'created_at' => $now,
        ]);
        // The id is known only now: a crash in between leaves an event without it, as the package's does.
        $stored->update(['meta_data' => $meta + ['stored-event-id' => $stored->id]]);

        return $stored->toStoredEvent();
    }

    public function getLatestAggregateVersion(string $aggregateUuid): int
    {
        return (int) $this->query(0, $aggregateUuid, [])->max('aggregate_version');
    }

    private function query(int $startingFrom, ?string $uuid, array $events): EloquentStoredEventQueryBuilder
    {
        $query = $this->storedEventModel::query()->startingFrom($startingFrom);
        if ($uuid) {
            $query->whereAggregateRoot($uuid);
        }
        if ($events) {
            $query->whereEvent(...$events);
        }

        return $query;
    }
}
