<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Projectors;

use App\Events\AccountOpened;
use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use App\EventSourcing\Projector;
use App\EventSourcing\StoredEvent;
use Illuminate\Support\Facades\DB;

class AccountProjector implements Projector
{
    public function onAccountOpened(AccountOpened $event, StoredEvent $stored): void
    {
        DB::table('accounts')->insert([
            'uuid' => $stored->aggregate_uuid,
            'owner' => $event->owner,
            'currency' => $event->currency,
            'balance' => 0,
            'last_event_id' => $stored->id,
            'created_at' => $stored->created_at,
            'updated_at' => $stored->created_at,
        ]);
    }

    public function onMoneyDeposited(MoneyDeposited $event, StoredEvent $stored): void
    {
        $this->move($stored, $event->amount);
    }

    public function onMoneyWithdrawn(MoneyWithdrawn $event, StoredEvent $stored): void
    {
        $this->move($stored, -$event->amount);
    }

    public function resetState(): void
    {
        DB::table('accounts')->delete();
    }

    private function move(StoredEvent $stored, int $amount): void
    {
        DB::table('accounts')->where('uuid', $stored->aggregate_uuid)->increment('balance', $amount, [
            'last_event_id' => $stored->id,
            'updated_at' => $stored->created_at,
        ]);
    }
}
