<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Providers;

use Illuminate\Foundation\Support\Providers\RouteServiceProvider as ServiceProvider;
use Illuminate\Support\Facades\Route;

class RouteServiceProvider extends ServiceProvider
{
    public function boot()
    {
        $this->routes(function () {
            Route::group([], base_path('routes/web.php'));
            Route::prefix('api')->group(base_path('routes/api.php'));
        });
    }
}
