<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Events;

use Spatie\EventSourcing\StoredEvents\ShouldBeStored;

class MoneyWithdrawn extends ShouldBeStored
{
    /** @param int $amount in minor units (cents) */
    public function __construct(public int $amount, public string $reference)
    {
    }
}
