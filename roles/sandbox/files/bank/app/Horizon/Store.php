<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Illuminate\Support\Facades\Redis;

/** The Redis connection whose keys carry Horizon's prefix. */
abstract class Store
{
    protected function redis()
    {
        return Redis::connection('horizon');
    }
}
