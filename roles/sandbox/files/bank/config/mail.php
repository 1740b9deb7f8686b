<?php
// SPDX-License-Identifier: GPL-3.0-or-later

return ['default' => 'log', 'mailers' => ['log' => ['transport' => 'log']]];
