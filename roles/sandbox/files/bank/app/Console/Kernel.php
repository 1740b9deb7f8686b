<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Console;

use Illuminate\Foundation\Console\Kernel as ConsoleKernel;

class Kernel extends ConsoleKernel
{
}
