<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\EventSerializers;

use Spatie\EventSourcing\StoredEvents\ShouldBeStored;

/** The public properties as JSON. The package takes Symfony's serializer for this, which costs several times more an event. */
class JsonEventSerializer implements EventSerializer
{
    public function serialize(ShouldBeStored $event): string
    {
        return json_encode(get_object_vars($event));
    }

    public function deserialize(string $eventClass, string $json, int $version, ?string $metadata = null): ShouldBeStored
    {
        return new $eventClass(...json_decode($json, true));
    }
}
