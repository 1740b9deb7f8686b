<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Projectors;

use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Support\Facades\DB;
use Spatie\EventSourcing\EventHandlers\Projectors\Projector;
use Spatie\EventSourcing\StoredEvents\ShouldBeStored;

/** Queued: it runs behind the writes, on the "events" queue. */
class DailyTotalsProjector extends Projector implements ShouldQueue
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        $this->add($event, $event->amount, 0);
    }

    public function onMoneyWithdrawn(MoneyWithdrawn $event): void
    {
        $this->add($event, 0, $event->amount);
    }

    public function resetState(): void
    {
        DB::table('daily_totals')->delete();
    }

    private function add(ShouldBeStored $event, int $deposited, int $withdrawn): void
    {
        DB::statement(
            'insert into daily_totals (day, deposited, withdrawn) values (?, ?, ?)
             on duplicate key update deposited = deposited + values(deposited), withdrawn = withdrawn + values(withdrawn)',
            [$event->createdAt()->toDateString(), $deposited, $withdrawn]
        );
    }
}
