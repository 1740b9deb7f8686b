<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing;

use Illuminate\Database\QueryException;
use RuntimeException;

/** One stream of events; a write that raced with another is refused by the unique key on uuid and version. */
abstract class AggregateRoot
{
    private int $version = 0;

    /** @var object[] */
    private array $recorded = [];

    final private function __construct(public string $uuid)
    {
    }

    abstract protected function apply(object $event): void;

    public static function load(string $uuid): static
    {
        $aggregate = new static($uuid);
        foreach (StoredEvent::query()->where('aggregate_uuid', $uuid)->orderBy('id')->cursor() as $stored) {
            $aggregate->apply($stored->toEvent());
            $aggregate->version++;
        }

        return $aggregate;
    }

    protected function record(object $event): static
    {
        $this->apply($event);
        $this->recorded[] = $event;

        return $this;
    }

    public function persist(): static
    {
        $projectionist = app(Projectionist::class);
        foreach ($this->recorded as $event) {
            $projectionist->project($this->store($event, ++$this->version));
        }
        $this->recorded = [];

        return $this;
    }

    private function store(object $event, int $version): StoredEvent
    {
        $now = now()->format('Y-m-d H:i:s');
        $meta = ['aggregate-root-uuid' => $this->uuid, 'created-at' => $now, 'aggregate-root-version' => $version];
        try {
            $stored = StoredEvent::create([
                'aggregate_uuid' => $this->uuid,
                'aggregate_version' => $version,
                'event_class' => get_class($event),
                'event_properties' => json_encode(get_object_vars($event)),
                'meta_data' => json_encode($meta),
                'created_at' => $now,
            ]);
        } catch (QueryException $e) {
            throw $e->getCode() === '23000'
                ? new RuntimeException("Could not persist aggregate {$this->uuid}: version {$version} was written meanwhile.", 0, $e)
                : $e;
        }
        // The id is known only now: a crash in between leaves an event without it, as the real package does.
        $stored->update(['meta_data' => json_encode($meta + ['stored-event-id' => $stored->id])]);

        return $stored;
    }
}
