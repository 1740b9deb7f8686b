<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing\Console;

use App\EventSourcing\Handlers;
use App\EventSourcing\Projectionist;
use App\EventSourcing\Replay;
use App\EventSourcing\StoredEvent;
use Exception;
use Illuminate\Console\Command;
use Illuminate\Support\Collection;

class ReplayCommand extends Command
{
    protected $signature = 'event-sourcing:replay {projector?*}
                            {--from=0 : Replay events starting from this event number}
                            {--stored-event-model= : Replay events from this store}
                            {--aggregate-uuid= : Replay events for this aggregate only}
                            {--force : Replay events without asking for confirmation}';

    protected $description = 'Replay stored events';

    public function handle(Handlers $handlers, Projectionist $projectionist): int
    {
        $projectors = $this->projectors($handlers);
        if ($projectors === null) {
            $this->warn('No events replayed!');

            return 0;
        }
        $replay = new Replay((int) $this->option('from'), $this->option('aggregate-uuid'), $this->model());
        $count = $replay->query($projectionist->eventsOf($projectors))->count();
        if ($count === 0) {
            $this->warn('There are no events to replay');

            return 0;
        }
        $this->comment("Replaying {$count} events...");
        $bar = $this->output->createProgressBar($count);
        $projectionist->replay($projectors, $replay, fn () => $bar->advance());
        $bar->finish();
        $this->line("\n");
        $this->comment('All done!');

        return 0;
    }

    /** @return Collection<int, string>|null null when the person said no */
    private function projectors(Handlers $handlers): ?Collection
    {
        $known = $handlers->projectors()->keys();
        $named = collect($this->argument('projector'))->map(fn ($class) => ltrim($class, '\\'));
        $named->each(function ($class) use ($known) {
            if (! $known->contains($class)) {
                throw new Exception("Projector {$class} not found. Did you register it?");
            }
        });
        if ($named->isNotEmpty()) {
            return $named;
        }
        $question = 'Are you sure you want to replay events to all projectors?';

        return $this->option('force') || $this->confirm($question, true) ? $known : null;
    }

    private function model(): string
    {
        $model = $this->option('stored-event-model') ?: StoredEvent::class;
        if (! class_exists($model)) {
            throw new Exception("Model {$model} not found. Make sure the model namespace is correct.");
        }
        if (! is_a($model, StoredEvent::class, true)) {
            throw new Exception("The class {$model} must extend EloquentStoredEvent");
        }

        return $model;
    }
}
