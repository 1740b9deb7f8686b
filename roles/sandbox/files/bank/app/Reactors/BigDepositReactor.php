<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Reactors;

use App\Events\MoneyDeposited;
use App\EventSourcing\Reactor;
use App\EventSourcing\StoredEvent;
use Illuminate\Support\Facades\Log;

class BigDepositReactor implements Reactor
{
    public function onMoneyDeposited(MoneyDeposited $event, StoredEvent $stored): void
    {
        if ($event->amount > 100000) {
            Log::notice('Big deposit', ['account' => $stored->aggregate_uuid, 'amount' => $event->amount]);
        }
    }
}
