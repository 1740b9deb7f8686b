<?php
// SPDX-License-Identifier: GPL-3.0-or-later

return ['driver' => env('SESSION_DRIVER', 'file')];
