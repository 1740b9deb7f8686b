<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Console\Commands;

use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;

/** Daily totals are left out: they are projected through the queue and may rightly lag behind. */
class BankSmoke extends Command
{
    protected $signature = 'bank:smoke';

    protected $description = 'Compare the read model with the events and the ledger with itself; exit 1 when they disagree';

    private const EVENTS = "select aggregate_uuid as uuid, sum(case event_class
            when 'App\\\\Events\\\\MoneyDeposited' then json_value(event_properties, '$.amount')
            when 'App\\\\Events\\\\MoneyWithdrawn' then -json_value(event_properties, '$.amount')
            else 0 end) as balance
        from stored_events group by aggregate_uuid";

    public function handle(): int
    {
        $wrong = [
            'accounts that differ from their events' => DB::selectOne(
                'select count(*) as n from ('.self::EVENTS.') e left join accounts a on a.uuid = e.uuid
                 where a.uuid is null or a.balance <> e.balance'
            )->n,
            'accounts without events' => DB::selectOne(
                'select count(*) as n from accounts where uuid not in (select aggregate_uuid from stored_events where aggregate_uuid is not null)'
            )->n,
            'money events without exactly one transaction' => DB::selectOne(
                "select count(*) as n from (select e.id from stored_events e left join transactions t on t.event_id = e.id
                 where e.event_class <> 'App\\\\Events\\\\AccountOpened' group by e.id having count(t.id) <> 1) x"
            )->n,
            'journal entries out of balance' => DB::selectOne(
                'select count(*) as n from (select journal_entry_id from journal_lines group by journal_entry_id, currency
                 having sum(debit_amount) <> sum(credit_amount)) x'
            )->n,
        ];
        $events = DB::table('stored_events')->count();
        foreach (array_filter($wrong) as $what => $count) {
            $this->error("{$count} {$what}");
        }
        if (array_filter($wrong)) {
            return 1;
        }
        $this->info("The read model agrees with its {$events} events.");

        return 0;
    }
}
