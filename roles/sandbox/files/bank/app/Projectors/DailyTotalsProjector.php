<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Projectors;

use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use App\EventSourcing\Projector;
use App\EventSourcing\StoredEvent;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Support\Facades\DB;

/** Queued: it runs behind the writes, on the "events" queue. */
class DailyTotalsProjector implements Projector, ShouldQueue
{
    public function onMoneyDeposited(MoneyDeposited $event, StoredEvent $stored): void
    {
        $this->add($stored, $event->amount, 0);
    }

    public function onMoneyWithdrawn(MoneyWithdrawn $event, StoredEvent $stored): void
    {
        $this->add($stored, 0, $event->amount);
    }

    public function resetState(): void
    {
        DB::table('daily_totals')->delete();
    }

    private function add(StoredEvent $stored, int $deposited, int $withdrawn): void
    {
        DB::statement(
            'insert into daily_totals (day, deposited, withdrawn) values (?, ?, ?)
             on duplicate key update deposited = deposited + values(deposited), withdrawn = withdrawn + values(withdrawn)',
            [substr($stored->created_at, 0, 10), $deposited, $withdrawn]
        );
    }
}
