<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing\Console;

use App\EventSourcing\Handlers;
use Illuminate\Console\Command;
use Illuminate\Support\Collection;

class ListCommand extends Command
{
    protected $signature = 'event-sourcing:list';

    protected $description = 'Lists all event handlers';

    public function handle(Handlers $handlers): int
    {
        $this->show('projectors', $handlers->projectors());
        $this->show('reactors', $handlers->reactors());

        return 0;
    }

    private function show(string $kind, Collection $handlers): void
    {
        $byEvent = [];
        foreach ($handlers as $class => $events) {
            foreach (array_keys($events) as $event) {
                $byEvent[$event][] = $class;
            }
        }
        ksort($byEvent);
        $rows = [];
        foreach ($byEvent as $event => $classes) {
            sort($classes);
            $rows[] = [$event, implode("\n", $classes)];
        }
        $this->line('');
        $this->table(['Event', "Handled by {$kind}"], $rows);
    }
}
