<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\AggregateRoots;

use Illuminate\Database\QueryException;
use Illuminate\Support\Facades\DB;
use ReflectionClass;
use ReflectionMethod;
use ReflectionProperty;
use RuntimeException;
use Spatie\EventSourcing\StoredEvents\Repositories\StoredEventRepository;
use Spatie\EventSourcing\StoredEvents\ShouldBeStored;

/**
 * One stream of events. Its version in memory is that of the newest snapshot plus the events applied after it, so an event that
 * is missing from the store makes it refuse to persist. A write that raced with another is refused by the unique key.
 */
abstract class AggregateRoot
{
    private string $uuid = '';

    /** @var ShouldBeStored[] */
    private array $recordedEvents = [];

    protected int $aggregateVersion = 0;

    protected int $aggregateVersionAfterReconstitution = 0;

    public static function retrieve(string $uuid): static
    {
        $aggregate = app(static::class);
        $aggregate->uuid = $uuid;
        $repository = app(StoredEventRepository::class);
        $snapshot = DB::table('snapshots')->where('aggregate_uuid', $uuid)->orderByDesc('id')->first();
        foreach (json_decode($snapshot->state ?? '[]', true) as $property => $value) {
            $aggregate->{$property} = $value;
        }
        $aggregate->aggregateVersion = (int) ($snapshot->aggregate_version ?? 0);
        foreach ($repository->retrieveAllAfterVersion($aggregate->aggregateVersion, $uuid) as $stored) {
            $aggregate->apply($stored->event);
        }
        $aggregate->aggregateVersionAfterReconstitution = $aggregate->aggregateVersion;

        return $aggregate;
    }

    public function uuid(): string
    {
        return $this->uuid;
    }

    public function recordThat(ShouldBeStored $domainEvent): static
    {
        $this->apply($domainEvent);
        $domainEvent->setMetaData([
            'aggregate-root-uuid' => $this->uuid,
            'created-at' => now()->format('Y-m-d H:i:s'),
            'aggregate-root-version' => $this->aggregateVersion,
        ]);
        $this->recordedEvents[] = $domainEvent;

        return $this;
    }

    public function persist(): static
    {
        $repository = app(StoredEventRepository::class);
        $latest = $repository->getLatestAggregateVersion($this->uuid);
        if ($latest !== $this->aggregateVersionAfterReconstitution) {
            throw new RuntimeException("Could not persist aggregate {$this->uuid}: it was loaded at version "
                ."{$this->aggregateVersionAfterReconstitution}, but version {$latest} is the last one stored.");
        }
        try {
            $stored = array_map(fn ($event) => $repository->persist($event, $this->uuid), $this->recordedEvents);
        } catch (QueryException $e) {
            throw $e->getCode() === '23000'
                ? new RuntimeException("Could not persist aggregate {$this->uuid}: its next version was written meanwhile.", 0, $e)
                : $e;
        }
        $this->recordedEvents = [];
        $this->aggregateVersionAfterReconstitution = $this->aggregateVersion;
        foreach ($stored as $one) {
            $one->handle();
        }

        return $this;
    }

    /** Keeps the public properties, so that older events need not be applied again. */
    public function snapshot(): void
    {
        $state = [];
        foreach ((new ReflectionClass($this))->getProperties(ReflectionProperty::IS_PUBLIC) as $property) {
            $state[$property->getName()] = $property->getValue($this);
        }
        DB::table('snapshots')->insert([
            'aggregate_uuid' => $this->uuid,
            'aggregate_version' => $this->aggregateVersion,
            'state' => json_encode($state),
            'created_at' => now(),
            'updated_at' => now(),
        ]);
    }

    private function apply(ShouldBeStored $event): void
    {
        $methods = (new ReflectionClass($this))->getMethods(ReflectionMethod::IS_PUBLIC | ReflectionMethod::IS_PROTECTED);
        foreach ($methods as $method) {
            $type = $method->getNumberOfParameters() === 1 ? $method->getParameters()[0]->getType() : null;
            if ($type !== null && (string) $type === get_class($event)) {
                $this->{$method->getName()}($event);
            }
        }
        $this->aggregateVersion++;
    }
}
