<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Http;

use App\Http\Middleware\PreventRequestsDuringMaintenance;
use Illuminate\Foundation\Http\Kernel as HttpKernel;

class Kernel extends HttpKernel
{
    protected $middleware = [PreventRequestsDuringMaintenance::class];
}
