<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\Console;

use Exception;
use Illuminate\Console\Command;
use Illuminate\Support\Collection;
use Spatie\EventSourcing\Projectionist;
use Spatie\EventSourcing\StoredEvents\Repositories\StoredEventRepository;

class ReplayCommand extends Command
{
    protected $signature = 'event-sourcing:replay {projector?*}
                            {--from=0 : Replay events starting from this event number}
                            {--stored-event-model= : Replay events from this store}
                            {--aggregate-uuid= : Replay events for this aggregate only}
                            {--force : Replay events without asking for confirmation}';

    protected $description = 'Replay stored events';

    public function handle(Projectionist $projectionist): int
    {
        $projectors = $this->projectors($projectionist);
        if ($projectors === null) {
            $this->warn('No events replayed!');

            return 0;
        }
        if ($model = $this->option('stored-event-model')) {
            if (! class_exists($model)) {
                throw new Exception("Model {$model} not found. Make sure the model namespace is correct.");
            }
            config(['event-sourcing.stored_event_model' => $model]);
        }
        $from = (int) $this->option('from');
        $uuid = $this->option('aggregate-uuid');
        $events = $projectors->toBase()->flatMap(fn ($projector) => $projector->getEventHandlingMethods()->keys())->unique()->values()->all();
        $count = app(StoredEventRepository::class)->countAllStartingFrom($from, $uuid, $events);
        if ($count === 0) {
            $this->warn('There are no events to replay');

            return 0;
        }
        $this->comment("Replaying {$count} events...");
        $bar = $this->output->createProgressBar($count);
        $projectionist->replay($projectors, $from, fn () => $bar->advance(), $uuid);
        $bar->finish();
        $this->line("\n");
        $this->comment('All done!');

        return 0;
    }

    /** @return Collection|null null when the person said no */
    private function projectors(Projectionist $projectionist): ?Collection
    {
        $named = collect($this->argument('projector'))->map(function ($class) use ($projectionist) {
            $class = ltrim($class, '\\');
            if (! $projector = $projectionist->getProjector($class)) {
                throw new Exception("Projector {$class} not found. Did you register it?");
            }

            return $projector;
        });
        if ($named->isNotEmpty()) {
            return $named;
        }
        $question = 'Are you sure you want to replay events to all projectors?';

        return $this->option('force') || $this->confirm($question, true) ? $projectionist->getProjectors() : null;
    }
}
