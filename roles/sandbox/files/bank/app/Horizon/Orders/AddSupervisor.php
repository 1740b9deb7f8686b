<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Orders;

use App\Horizon\Master;
use App\Horizon\SupervisorChild;
use App\Horizon\SupervisorOptions;

class AddSupervisor
{
    public function process(Master $master, array $options): void
    {
        $master->add(new SupervisorChild(new SupervisorOptions($options)));
    }
}
