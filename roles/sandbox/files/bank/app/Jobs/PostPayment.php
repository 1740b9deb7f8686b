<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Jobs;

use Illuminate\Bus\Queueable;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Queue\InteractsWithQueue;
use Illuminate\Support\Facades\Log;

/** Takes as many seconds as asked, then says in the log that it is done. */
class PostPayment implements ShouldQueue
{
    use InteractsWithQueue, Queueable;

    public function __construct(public int $n, public float $seconds = 0)
    {
    }

    public function handle(): void
    {
        // One long sleep would end at the first signal that the worker gets.
        $until = microtime(true) + $this->seconds;
        while (microtime(true) < $until) {
            usleep(50000);
        }
        Log::info('Payment posted', ['n' => $this->n, 'job' => $this->job?->uuid()]);
    }

    public function tags(): array
    {
        return ['bank', 'n:'.$this->n];
    }
}
