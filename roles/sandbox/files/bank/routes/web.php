<?php
// SPDX-License-Identifier: GPL-3.0-or-later

use App\Http\Controllers\AccountController;
use App\Http\Controllers\HealthController;
use Illuminate\Support\Facades\Route;

Route::get('/', [AccountController::class, 'home']);
Route::get('/accounts/{uuid}', [AccountController::class, 'show']);
Route::get('/up', [HealthController::class, 'up']);
Route::get('/health', [HealthController::class, 'all']);
Route::get('/health/db', [HealthController::class, 'database']);
Route::get('/health/redis', [HealthController::class, 'redis']);
