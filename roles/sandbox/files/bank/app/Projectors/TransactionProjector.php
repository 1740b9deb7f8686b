<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Projectors;

use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use Illuminate\Support\Facades\DB;
use Spatie\EventSourcing\EventHandlers\Projectors\Projector;
use Spatie\EventSourcing\StoredEvents\ShouldBeStored;

class TransactionProjector extends Projector
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        $this->add('deposit', $event->amount, $event->reference, $event);
    }

    public function onMoneyWithdrawn(MoneyWithdrawn $event): void
    {
        $this->add('withdrawal', $event->amount, $event->reference, $event);
    }

    public function resetState(): void
    {
        DB::table('transactions')->delete();
    }

    private function add(string $type, int $amount, string $reference, ShouldBeStored $event): void
    {
        DB::table('transactions')->insert([
            'account_uuid' => $event->aggregateRootUuid(),
            'type' => $type,
            'amount' => $amount,
            'reference' => $reference,
            'event_id' => $event->storedEventId(),
            'created_at' => $event->createdAt(),
        ]);
    }
}
