<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Console\Commands;

use App\Aggregates\Account;
use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;

class BankDeposit extends Command
{
    protected $signature = 'bank:deposit {--count=1 : How many deposits, one account after the other}
                            {--amount=100 : Each in minor units}';

    protected $description = 'Record live deposits: events, projections now, and the queued projector on its queue';

    public function handle(): int
    {
        $accounts = DB::table('accounts')->orderBy('uuid')->pluck('uuid');
        for ($n = 0; $n < (int) $this->option('count'); $n++) {
            Account::retrieve($accounts[$n % $accounts->count()])->deposit((int) $this->option('amount'), "live-{$n}")->persist();
        }
        $this->line("Deposited {$n} times.");

        return 0;
    }
}
