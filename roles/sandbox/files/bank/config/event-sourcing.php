<?php
// SPDX-License-Identifier: GPL-3.0-or-later

return [
    'projectors' => app_path('Projectors'),
    'reactors' => app_path('Reactors'),
    'queue' => env('EVENT_PROJECTOR_QUEUE_NAME', 'events'),
    'catch_exceptions' => (bool) env('EVENT_PROJECTOR_CATCH_EXCEPTIONS', false),
    'cache_path' => base_path('bootstrap/cache/event-handlers.php'),
    'replay_chunk_size' => 1000,
];
