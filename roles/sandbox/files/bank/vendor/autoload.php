<?php
// SPDX-License-Identifier: GPL-3.0-or-later
// Stands where Composer's loader stands: the framework comes from Debian's packages, which bring their own loaders.

require_once 'Illuminate/autoload.php';

spl_autoload_register(static function (string $class): void {
    if (strncmp($class, 'App\\', 4) === 0) {
        $file = dirname(__DIR__).'/app/'.str_replace('\\', '/', substr($class, 4)).'.php';
        if (is_file($file)) {
            require $file;
        }
    }
});
