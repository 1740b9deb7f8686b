<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Console\Commands;

use Illuminate\Console\Command;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Schema;
use Throwable;

class BankInstall extends Command
{
    protected $signature = 'bank:install {--wait=0 : Seconds to wait for the database to answer}
                            {--accounts=40 : How many accounts to seed}';

    protected $description = 'Migrate all but the pending migrations, then seed; does nothing where that was done';

    public function handle(): int
    {
        $this->waitForDatabase((int) $this->option('wait'));
        $missing = $this->missing();
        if ($missing) {
            $this->callSilent('migrate', ['--force' => true, '--path' => $missing]);
        }
        if ($this->missing()) {
            $this->error('Not migrated: '.implode(', ', $this->missing()));

            return 1;
        }
        $seeded = DB::table('stored_events')->exists();
        if (! $seeded) {
            $this->call('bank:seed', ['--accounts' => $this->option('accounts')]);
        }
        $this->line($missing || ! $seeded ? 'Installed.' : 'Nothing to install.');

        return 0;
    }

    /** @return string[] paths, below the application, of migrations that have not run and are not meant to wait */
    private function missing(): array
    {
        $ran = Schema::hasTable('migrations') ? DB::table('migrations')->pluck('migration')->all() : [];
        $done = array_merge($ran, config('bank.pending_migrations'));
        $files = array_filter(
            glob(database_path('migrations/*.php')),
            fn ($file) => ! in_array(basename($file, '.php'), $done, true)
        );

        return array_values(array_map(fn ($file) => 'database/migrations/'.basename($file), $files));
    }

    private function waitForDatabase(int $seconds): void
    {
        for ($until = microtime(true) + $seconds; ; usleep(100000)) {
            try {
                DB::connection()->getPdo();

                return;
            } catch (Throwable $e) {
                if (microtime(true) >= $until) {
                    throw $e;
                }
            }
        }
    }
}
