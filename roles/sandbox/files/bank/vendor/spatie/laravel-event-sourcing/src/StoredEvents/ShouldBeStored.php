<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\StoredEvents;

use Carbon\CarbonImmutable;

abstract class ShouldBeStored
{
    protected array $metaData = [];

    public function createdAt(): ?CarbonImmutable
    {
        return CarbonImmutable::make($this->metaData['created-at'] ?? null);
    }

    public function aggregateRootUuid(): ?string
    {
        return $this->metaData['aggregate-root-uuid'] ?? null;
    }

    public function aggregateRootVersion(): ?int
    {
        return $this->metaData['aggregate-root-version'] ?? null;
    }

    public function storedEventId(): int|string|null
    {
        return $this->metaData['stored-event-id'] ?? null;
    }

    public function metaData(): array
    {
        return $this->metaData;
    }

    public function setMetaData(array $metaData): self
    {
        $this->metaData = $metaData;

        return $this;
    }
}
