<?php
// SPDX-License-Identifier: GPL-3.0-or-later

use Illuminate\Support\Str;

return [
    'use' => 'default',
    'prefix' => env('HORIZON_PREFIX', Str::slug(env('APP_NAME', 'Sandbox Bank'), '_').'_horizon:'),
    'waits' => ['redis:default' => 60, 'redis:events' => 60, 'redis:payments' => 30],
    // How long finished work stays listed, in minutes.
    'trim' => [
        'recent' => 60, 'pending' => 60, 'completed' => 60,
        'recent_failed' => 10080, 'failed' => 10080, 'monitored' => 10080,
    ],
    'metrics' => ['trim_snapshots' => ['job' => 24, 'queue' => 24]],
    'fast_termination' => false,
    'memory_limit' => 128,
    'defaults' => [
        'supervisor-default' => [
            'connection' => 'redis', 'queue' => ['default', 'events'], 'balance' => 'auto', 'autoScalingStrategy' => 'time',
            'minProcesses' => 1, 'maxProcesses' => 3, 'maxTime' => 0, 'maxJobs' => 0, 'memory' => 128, 'tries' => 1,
            'timeout' => 60, 'nice' => 0,
        ],
        'supervisor-payments' => [
            'connection' => 'redis', 'queue' => ['payments'], 'balance' => 'simple', 'maxProcesses' => 1,
            'maxTime' => 0, 'maxJobs' => 0, 'memory' => 128, 'tries' => 1, 'timeout' => 60, 'nice' => 0,
        ],
    ],
    'environments' => [
        'production' => ['supervisor-default' => [], 'supervisor-payments' => []],
        'local' => ['supervisor-default' => [], 'supervisor-payments' => []],
    ],
];
