<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Events;

class AccountOpened
{
    public function __construct(public string $owner, public string $currency)
    {
    }
}
