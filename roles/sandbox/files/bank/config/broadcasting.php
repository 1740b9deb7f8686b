<?php
// SPDX-License-Identifier: GPL-3.0-or-later

return ['default' => 'null', 'connections' => ['null' => ['driver' => 'null']]];
