<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\StoredEvents\Repositories;

use Closure;
use Illuminate\Support\LazyCollection;
use Spatie\EventSourcing\StoredEvents\ShouldBeStored;
use Spatie\EventSourcing\StoredEvents\StoredEvent;

interface StoredEventRepository
{
    public function retrieveAll(?string $uuid = null): LazyCollection;

    public function retrieveAllAfterVersion(int $aggregateVersion, string $aggregateUuid): LazyCollection;

    public function runForAllStartingFrom(int $startingFrom, callable|Closure $function, int $chunkSize = 1000, ?string $uuid = null, array $events = []): bool;

    public function countAllStartingFrom(int $startingFrom, ?string $uuid = null, array $events = []): int;

    public function persist(ShouldBeStored $event, ?string $uuid = null): StoredEvent;

    public function getLatestAggregateVersion(string $aggregateUuid): int;
}
