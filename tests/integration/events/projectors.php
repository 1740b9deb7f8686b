<?php
// SPDX-License-Identifier: GPL-3.0-or-later
// Projectors of awkward kinds, for tests. Each becomes a class of its own file in the bank's app/Projectors.

namespace App\Projectors;

use App\Events\AccountOpened;
use App\Events\MoneyDeposited;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;
use Spatie\EventSourcing\EventHandlers\Projectors\Projector;

/** Adds to what is there and has no resetState; slow, or failing at one event, when a file says so. */
class SumProjector extends Projector
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        if (is_file($slow = base_path('slow'))) {
            usleep((int) file_get_contents($slow));
        }
        $sql = 'insert into sums values (?, 1, ?) on duplicate key update n = n + 1, total = total + values(total)';
        DB::statement($sql, [$event->aggregateRootUuid(), $event->amount]);
        if (is_file($at = base_path('throw_at')) && (int) file_get_contents($at) === $event->storedEventId()) {
            throw new \DomainException('This event is not to be had.');
        }
    }
}

/** Sets what is there. */
class LatestProjector extends Projector
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        DB::table('latest')->upsert(
            [['uuid' => $event->aggregateRootUuid(), 'reference' => $event->reference, 'event_id' => $event->storedEventId()]], ['uuid']
        );
    }
}

/** Writes to a table that nobody named. */
class StrayProjector extends LatestProjector
{
    public function onAccountOpened(AccountOpened $event): void
    {
        DB::table('accounts')->where('uuid', $event->aggregateRootUuid())->update(['owner' => 'stray']);
    }
}

/** Ends our transaction without knowing it: DDL commits. */
class DdlProjector extends LatestProjector
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        parent::onMoneyDeposited($event);
        if ($event->storedEventId() === 30) {
            DB::statement('truncate table sums');
        }
    }
}

/** Ends our transaction and begins its own. */
class CommittingProjector extends LatestProjector
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        parent::onMoneyDeposited($event);
        if ($event->storedEventId() === 30) {
            DB::commit();
            DB::beginTransaction();
        }
    }
}

/** Transactions of its own inside ours, some rolled back. */
class NestedProjector extends Projector
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        try {
            DB::transaction(function () use ($event) {
                DB::table('latest')->insertOrIgnore(['uuid' => "n-{$event->storedEventId()}", 'reference' => 'x', 'event_id' => 1]);
                throw_if($event->storedEventId() % 7 === 0, \DomainException::class);
            });
        } catch (\DomainException $e) {
        }
    }
}

/** Uses what the live application shares. */
class SharingProjector extends LatestProjector
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        parent::onMoneyDeposited($event);
        Cache::put('replayed', $event->storedEventId(), 60);
        dispatch(new \App\Jobs\PostPayment($event->storedEventId()))->onQueue('payments');
    }
}

/** Goes to Redis past the cache and the queue. */
class RedisProjector extends LatestProjector
{
    public function onMoneyDeposited(MoneyDeposited $event): void
    {
        \Illuminate\Support\Facades\Redis::set('replayed', 1);
    }
}
