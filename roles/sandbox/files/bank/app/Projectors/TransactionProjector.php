<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Projectors;

use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use App\EventSourcing\Projector;
use App\EventSourcing\StoredEvent;
use Illuminate\Support\Facades\DB;

class TransactionProjector implements Projector
{
    public function onMoneyDeposited(MoneyDeposited $event, StoredEvent $stored): void
    {
        $this->add('deposit', $event->amount, $event->reference, $stored);
    }

    public function onMoneyWithdrawn(MoneyWithdrawn $event, StoredEvent $stored): void
    {
        $this->add('withdrawal', $event->amount, $event->reference, $stored);
    }

    public function resetState(): void
    {
        DB::table('transactions')->delete();
    }

    private function add(string $type, int $amount, string $reference, StoredEvent $stored): void
    {
        DB::table('transactions')->insert([
            'account_uuid' => $stored->aggregate_uuid,
            'type' => $type,
            'amount' => $amount,
            'reference' => $reference,
            'event_id' => $stored->id,
            'created_at' => $stored->created_at,
        ]);
    }
}
