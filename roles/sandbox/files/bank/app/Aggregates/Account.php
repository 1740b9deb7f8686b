<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Aggregates;

use App\Events\AccountOpened;
use App\Events\MoneyDeposited;
use App\Events\MoneyWithdrawn;
use DomainException;
use Spatie\EventSourcing\AggregateRoots\AggregateRoot;

class Account extends AggregateRoot
{
    public int $balance = 0;

    public bool $opened = false;

    public function open(string $owner, string $currency): self
    {
        return $this->recordThat(new AccountOpened($owner, $currency));
    }

    public function deposit(int $amount, string $reference): self
    {
        return $this->recordThat(new MoneyDeposited($amount, $reference));
    }

    public function withdraw(int $amount, string $reference): self
    {
        if ($amount > $this->balance) {
            throw new DomainException("Account {$this->uuid()} holds {$this->balance}, less than {$amount}.");
        }

        return $this->recordThat(new MoneyWithdrawn($amount, $reference));
    }

    protected function applyAccountOpened(AccountOpened $event): void
    {
        $this->opened = true;
    }

    protected function applyMoneyDeposited(MoneyDeposited $event): void
    {
        $this->balance += $event->amount;
    }

    protected function applyMoneyWithdrawn(MoneyWithdrawn $event): void
    {
        $this->balance -= $event->amount;
    }
}
