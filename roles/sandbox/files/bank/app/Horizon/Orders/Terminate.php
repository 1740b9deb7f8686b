<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Orders;

use App\Horizon\Process;

class Terminate
{
    public function process(Process $process, array $options): void
    {
        $process->terminate((int) ($options['status'] ?? 0));
    }
}
