<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Projectors;

use App\Events\AccountOpened;
use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use Illuminate\Support\Facades\DB;
use Spatie\EventSourcing\EventHandlers\Projectors\Projector;
use Spatie\EventSourcing\StoredEvents\ShouldBeStored;

class AccountProjector extends Projector
{
    public function onAccountOpened(AccountOpened $event): void
    {
        DB::table('accounts')->insert([
            'uuid' => $event->aggregateRootUuid(),
            'owner' => $event->owner,
            'currency' => $event->currency,
            'balance' => 0,
            'last_event_id' => $event->storedEventId(),
            'created_at' => $event->createdAt(),
            'updated_at' => $event->createdAt(),
        ]);
    }

    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        $this->move($event, $event->amount);
    }

    public function onMoneyWithdrawn(MoneyWithdrawn $event): void
    {
        $this->move($event, -$event->amount);
    }

    public function resetState(): void
    {
        DB::table('accounts')->delete();
    }

    private function move(ShouldBeStored $event, int $amount): void
    {
        DB::table('accounts')->where('uuid', $event->aggregateRootUuid())->increment('balance', $amount, [
            'last_event_id' => $event->storedEventId(),
            'updated_at' => $event->createdAt(),
        ]);
    }
}
