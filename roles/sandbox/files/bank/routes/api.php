<?php
// SPDX-License-Identifier: GPL-3.0-or-later

use App\Http\Controllers\HealthController;
use Illuminate\Support\Facades\Route;

Route::get('/health', [HealthController::class, 'all']);
