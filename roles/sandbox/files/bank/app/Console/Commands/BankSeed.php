<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Console\Commands;

use App\Events\AccountOpened;
use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Log;
use Spatie\EventSourcing\Projectionist;

/** Deterministic: the same options give the same rows, byte for byte, at any time and on any machine. */
class BankSeed extends Command
{
    private const START = 1767225600; // 2026-01-01 00:00:00 UTC

    protected $signature = 'bank:seed {--accounts=40 : How many accounts}
                            {--events=12 : Money movements of each account}';

    protected $description = 'Fill an empty bank with accounts, events, snapshots, projections and a ledger';

    public function handle(Projectionist $projectionist): int
    {
        if (DB::table('stored_events')->exists()) {
            $this->line('Already seeded.');

            return 0;
        }
        // One transaction: a seed that was killed leaves an empty bank, so the next one starts afresh.
        DB::transaction(function () use ($projectionist) {
            $this->seedEvents((int) $this->option('accounts'), (int) $this->option('events'));
            $projectionist->replay($projectionist->getProjectors());
            $this->seedLedger();
        });
        $count = DB::table('stored_events')->count();
        Log::info('Bank seeded', ['events' => $count]);
        $this->line("Seeded {$count} events.");

        return 0;
    }

    private function seedEvents(int $accounts, int $movements): void
    {
        $events = $snapshots = [];
        for ($a = 1; $a <= $accounts; $a++) {
            $uuid = self::uuid("account-{$a}");
            $balance = 0;
            for ($version = 1; $version <= $movements + 1; $version++) {
                $event = $this->event($a, $version, $balance);
                $balance += $event instanceof MoneyDeposited ? $event->amount : 0;
                $balance -= $event instanceof MoneyWithdrawn ? $event->amount : 0;
                $id = count($events) + 1;
                $at = gmdate('Y-m-d H:i:s', self::START + $id * 600);
                $events[] = [
                    'id' => $id,
                    'aggregate_uuid' => $uuid,
                    'aggregate_version' => $version,
                    'event_version' => 1,
                    'event_class' => get_class($event),
                    'event_properties' => json_encode(get_object_vars($event)),
                    'meta_data' => json_encode([
                        'aggregate-root-uuid' => $uuid, 'created-at' => $at,
                        'aggregate-root-version' => $version, 'stored-event-id' => $id,
                    ]),
                    'created_at' => $at,
                ];
                if ($version % 10 === 0) {
                    $snapshots[] = [
                        'aggregate_uuid' => $uuid, 'aggregate_version' => $version,
                        'state' => json_encode(['balance' => $balance, 'opened' => true]),
                        'created_at' => $at, 'updated_at' => $at,
                    ];
                }
            }
        }
        $this->insert('stored_events', $events);
        $this->insert('snapshots', $snapshots);
    }

    private function event(int $account, int $version, int $balance): object
    {
        if ($version === 1) {
            return new AccountOpened("Owner {$account}", $account % 3 ? 'EUR' : 'USD');
        }
        $amount = crc32("{$account}-{$version}") % 100000 + 1;

        return $version % 3 === 0 && $amount <= $balance
            ? new MoneyWithdrawn($amount, "W-{$account}-{$version}")
            : new MoneyDeposited($amount, "D-{$account}-{$version}");
    }

    /** One posted entry for each movement: cash against what the bank owes its customers. */
    private function seedLedger(): void
    {
        DB::table('ledger_accounts')->insert([
            ['code' => '1000', 'name' => 'Cash', 'type' => 'asset'],
            ['code' => '2000', 'name' => 'Customer deposits', 'type' => 'liability'],
        ]);
        $entries = $lines = [];
        $movements = DB::table('transactions')->join('accounts', 'accounts.uuid', '=', 'transactions.account_uuid')
            ->orderBy('event_id')->get(['event_id', 'type', 'amount', 'currency', 'transactions.created_at']);
        foreach ($movements as $move) {
            $entry = self::uuid("entry-{$move->event_id}");
            $entries[] = [
                'id' => $entry, 'entry_number' => sprintf('JE-%06d', $move->event_id), 'status' => 'posted',
                'posted_at' => $move->created_at, 'source_domain' => 'account', 'source_event_id' => $move->event_id,
                'created_at' => $move->created_at, 'updated_at' => $move->created_at,
            ];
            $amount = sprintf('%d.%02d', intdiv($move->amount, 100), $move->amount % 100);
            [$debit, $credit] = $move->type === 'deposit' ? ['1000', '2000'] : ['2000', '1000'];
            foreach ([[$debit, $amount, 0], [$credit, 0, $amount]] as [$code, $dr, $cr]) {
                $lines[] = [
                    'journal_entry_id' => $entry, 'account_code' => $code,
                    'debit_amount' => $dr, 'credit_amount' => $cr, 'currency' => $move->currency,
                ];
            }
        }
        $this->insert('journal_entries', $entries);
        $this->insert('journal_lines', $lines);
    }

    private function insert(string $table, array $rows): void
    {
        foreach (array_chunk($rows, 500) as $chunk) {
            DB::table($table)->insert($chunk);
        }
    }

    /** A valid version 4 uuid drawn from a name. */
    private static function uuid(string $name): string
    {
        $hex = md5($name);

        return sprintf('%s-%s-4%s-a%s-%s', substr($hex, 0, 8), substr($hex, 8, 4), substr($hex, 13, 3), substr($hex, 17, 3), substr($hex, 20, 12));
    }
}
