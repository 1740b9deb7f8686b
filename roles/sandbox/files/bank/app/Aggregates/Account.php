<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Aggregates;

use App\Events\AccountOpened;
use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use App\EventSourcing\AggregateRoot;
use DomainException;

class Account extends AggregateRoot
{
    public int $balance = 0;

    public bool $opened = false;

    public function open(string $owner, string $currency): self
    {
        return $this->record(new AccountOpened($owner, $currency));
    }

    public function deposit(int $amount, string $reference): self
    {
        return $this->record(new MoneyDeposited($amount, $reference));
    }

    public function withdraw(int $amount, string $reference): self
    {
        if ($amount > $this->balance) {
            throw new DomainException("Account {$this->uuid} holds {$this->balance}, less than {$amount}.");
        }

        return $this->record(new MoneyWithdrawn($amount, $reference));
    }

    protected function apply(object $event): void
    {
        if ($event instanceof AccountOpened) {
            $this->opened = true;
        } elseif ($event instanceof MoneyDeposited) {
            $this->balance += $event->amount;
        } elseif ($event instanceof MoneyWithdrawn) {
            $this->balance -= $event->amount;
        }
    }
}
