<?php
// SPDX-License-Identifier: GPL-3.0-or-later

return [
    // The name this host goes by in Horizon; null asks the operating system. Two hosts on one machine need two names.
    'hostname' => env('BANK_HOSTNAME'),

    // Paths that answer while the application is down, comma separated. Laravel 11 and later exempt "up" likewise.
    'maintenance_except' => array_values(array_filter(explode(',', (string) env('BANK_MAINTENANCE_EXCEPT', 'up')))),

    // Migrations that bank:install leaves for the first maintenance window.
    'pending_migrations' => ['2026_03_01_000000_add_reviewed_at_to_accounts_table'],
];
