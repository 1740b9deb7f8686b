<?php
// SPDX-License-Identifier: GPL-3.0-or-later

$app = new Illuminate\Foundation\Application(dirname(__DIR__));

// Laravel 11 and later fill up config/ from their own, which Debian's package leaves out.
if (method_exists($app, 'dontMergeFrameworkConfiguration')) {
    $app->dontMergeFrameworkConfiguration();
}

// A fresh host has an empty storage directory: the framework expects these to be there.
foreach (['app', 'logs', 'framework/cache/data', 'framework/sessions', 'framework/views'] as $folder) {
    if (! is_dir($path = $app->storagePath().'/'.$folder)) {
        @mkdir($path, 0775, true);
    }
}

$app->singleton(Illuminate\Contracts\Http\Kernel::class, App\Http\Kernel::class);
$app->singleton(Illuminate\Contracts\Console\Kernel::class, App\Console\Kernel::class);
$app->singleton(Illuminate\Contracts\Debug\ExceptionHandler::class, App\Exceptions\Handler::class);

return $app;
