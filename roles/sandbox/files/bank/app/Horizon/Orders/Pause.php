<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Orders;

use App\Horizon\Process;

class Pause
{
    public function process(Process $process): void
    {
        $process->pause();
    }
}
