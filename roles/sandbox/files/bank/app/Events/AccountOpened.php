<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Events;

use Spatie\EventSourcing\StoredEvents\ShouldBeStored;

class AccountOpened extends ShouldBeStored
{
    public function __construct(public string $owner, public string $currency)
    {
    }
}
