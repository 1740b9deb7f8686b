<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\Console;

use Illuminate\Console\Command;
use Illuminate\Support\Collection;
use Spatie\EventSourcing\Projectionist;

class ListCommand extends Command
{
    protected $signature = 'event-sourcing:list';

    protected $description = 'Lists all event handlers';

    public function handle(Projectionist $projectionist): int
    {
        $this->show('projectors', $projectionist->getProjectors());
        $this->show('reactors', $projectionist->getReactors());

        return 0;
    }

    private function show(string $kind, Collection $handlers): void
    {
        $byEvent = [];
        foreach ($handlers as $handler) {
            foreach ($handler->getEventHandlingMethods()->keys() as $event) {
                $byEvent[$event][] = get_class($handler);
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
