<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Orders;

use App\Horizon\Supervisor;

class Balance
{
    public function process(Supervisor $supervisor, array $options): void
    {
        $supervisor->balance($options);
    }
}
