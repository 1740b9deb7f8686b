<?php
// SPDX-License-Identifier: GPL-3.0-or-later

return ['default' => 'local', 'disks' => ['local' => ['driver' => 'local', 'root' => storage_path('app')]]];
