<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Jobs;

use RuntimeException;

/** Fails, always, after as many seconds as asked. */
class RejectPayment extends PostPayment
{
    public function handle(): void
    {
        parent::handle();

        throw new RuntimeException("Payment #{$this->n} was rejected");
    }
}
