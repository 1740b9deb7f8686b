<?php
// SPDX-License-Identifier: GPL-3.0-or-later

// Stands where Composer's loader stands: the framework comes from Debian's packages, which bring their own loaders. Debian has no
// event-sourcing package; src holds classes of the same names and the same public methods, as far as the bank and replays need them.

require_once 'Illuminate/autoload.php';

spl_autoload_register(static function (string $class): void {
    $places = ['App\\' => dirname(__DIR__).'/app/', 'Spatie\\EventSourcing\\' => __DIR__.'/spatie/laravel-event-sourcing/src/'];
    foreach ($places as $prefix => $directory) {
        $file = $directory.str_replace('\\', '/', substr($class, strlen($prefix))).'.php';
        if (strncmp($class, $prefix, strlen($prefix)) === 0 && is_file($file)) {
            require $file;
        }
    }
});
