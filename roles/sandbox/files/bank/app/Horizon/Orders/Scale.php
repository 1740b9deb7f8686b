<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Orders;

use App\Horizon\Supervisor;

class Scale
{
    public function process(Supervisor $supervisor, array $options): void
    {
        $supervisor->scale((int) $options['scale']);
    }
}
