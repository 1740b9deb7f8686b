<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Exceptions;

use Illuminate\Foundation\Exceptions\Handler as ExceptionHandler;

class Handler extends ExceptionHandler
{
}
