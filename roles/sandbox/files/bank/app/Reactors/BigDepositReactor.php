<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Reactors;

use App\Events\MoneyDeposited;
use Illuminate\Support\Facades\Log;
use Spatie\EventSourcing\EventHandlers\Reactors\Reactor;

class BigDepositReactor extends Reactor
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        if ($event->amount > 100000) {
            Log::notice('Big deposit', ['account' => $event->aggregateRootUuid(), 'amount' => $event->amount]);
        }
    }
}
