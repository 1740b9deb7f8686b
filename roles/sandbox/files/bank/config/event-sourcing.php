<?php
// SPDX-License-Identifier: GPL-3.0-or-later

return [
    'auto_discover_projectors_and_reactors' => [app_path('Projectors'), app_path('Reactors')],
    'auto_discover_base_path' => base_path(),
    'projectors' => [],
    'reactors' => [],
    'queue' => env('EVENT_PROJECTOR_QUEUE_NAME', 'events'),
    'catch_exceptions' => (bool) env('EVENT_PROJECTOR_CATCH_EXCEPTIONS', false),
    'stored_event_model' => Spatie\EventSourcing\StoredEvents\Models\EloquentStoredEvent::class,
    'stored_event_repository' => Spatie\EventSourcing\StoredEvents\Repositories\EloquentStoredEventRepository::class,
    'stored_event_job' => Spatie\EventSourcing\StoredEvents\HandleStoredEventJob::class,
    'event_class_map' => [],
    'event_serializer' => Spatie\EventSourcing\EventSerializers\JsonEventSerializer::class,
    'cache_path' => base_path('bootstrap/cache'),
];
