<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Http\Middleware;

use Illuminate\Contracts\Foundation\Application;
use Illuminate\Foundation\Http\Middleware\PreventRequestsDuringMaintenance as Middleware;

class PreventRequestsDuringMaintenance extends Middleware
{
    public function __construct(Application $app)
    {
        parent::__construct($app);
        $this->except = config('bank.maintenance_except');
    }
}
