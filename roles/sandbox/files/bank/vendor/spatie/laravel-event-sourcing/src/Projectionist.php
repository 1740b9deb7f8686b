<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing;

use Exception;
use Illuminate\Support\Collection;
use Spatie\EventSourcing\EventHandlers\EventHandler;
use Spatie\EventSourcing\EventHandlers\EventHandlerCollection;
use Spatie\EventSourcing\EventHandlers\Projectors\Projector;
use Spatie\EventSourcing\Events\EventHandlerFailedHandlingEvent;
use Spatie\EventSourcing\Events\FinishedEventReplay;
use Spatie\EventSourcing\Events\StartingEventReplay;
use Spatie\EventSourcing\StoredEvents\Repositories\StoredEventRepository;
use Spatie\EventSourcing\StoredEvents\StoredEvent;

/** Hands stored events to their handlers: live (some through the queue), or again in a replay (projectors only). */
class Projectionist
{
    private EventHandlerCollection $projectors;

    private EventHandlerCollection $reactors;

    private bool $catchExceptions;

    private bool $isProjecting = false;

    private bool $isReplaying = false;

    public function __construct(array $config)
    {
        $this->projectors = new EventHandlerCollection();
        $this->reactors = new EventHandlerCollection();
        $this->catchExceptions = (bool) $config['catch_exceptions'];
    }

    public function addProjector(string|Projector $projector): self
    {
        $this->projectors->addEventHandler(is_string($projector) ? app($projector) : $projector);

        return $this;
    }

    public function addReactor(string|EventHandler $reactor): self
    {
        $this->reactors->addEventHandler(is_string($reactor) ? app($reactor) : $reactor);

        return $this;
    }

    public function addEventHandlers(array $classes): self
    {
        foreach ($classes as $class) {
            is_subclass_of($class, Projector::class) ? $this->addProjector($class) : $this->addReactor($class);
        }

        return $this;
    }

    public function getProjectors(): Collection
    {
        return $this->projectors;
    }

    public function getReactors(): Collection
    {
        return $this->reactors;
    }

    public function getProjector(string $name): ?Projector
    {
        return $this->projectors->first(fn ($projector) => $projector->getName() === $name);
    }

    public function allEventHandlers(): EventHandlerCollection
    {
        return new EventHandlerCollection($this->projectors->merge($this->reactors));
    }

    public function handle(StoredEvent $storedEvent): void
    {
        $this->project($storedEvent, $this->projectors->forEvent($storedEvent)->asyncEventHandlers($storedEvent));
        $this->callAll($storedEvent, $this->reactors->forEvent($storedEvent)->asyncEventHandlers($storedEvent));
    }

    public function handleWithSyncEventHandlers(StoredEvent $storedEvent): void
    {
        $this->project($storedEvent, $this->projectors->forEvent($storedEvent)->syncEventHandlers($storedEvent));
        $this->callAll($storedEvent, $this->reactors->forEvent($storedEvent)->syncEventHandlers($storedEvent));
    }

    public function isProjecting(): bool
    {
        return $this->isProjecting;
    }

    public function isReplaying(): bool
    {
        return $this->isReplaying;
    }

    public function replay(
        Collection $projectors,
        int $startingFromEventId = 0,
        ?callable $onEventReplayed = null,
        ?string $aggregateUuid = null
    ): void {
        $events = $projectors->toBase()->flatMap(fn ($projector) => $projector->getEventHandlingMethods()->keys())->unique()->values()->all();
        $projectors = (new EventHandlerCollection($projectors))->sortBy(fn ($projector) => $projector->getWeight(null));
        $this->isReplaying = true;
        if ($startingFromEventId === 0) {
            $projectors->filter(fn ($projector) => method_exists($projector, 'resetState'))
                ->each(fn ($projector) => $projector->resetState($aggregateUuid));
        }
        event(new StartingEventReplay($projectors));
        $projectors->call('onStartingEventReplay');
        app(StoredEventRepository::class)->runForAllStartingFrom(
            $startingFromEventId,
            function (StoredEvent $storedEvent) use ($projectors, $onEventReplayed) {
                $this->project($storedEvent, $projectors->forEvent($storedEvent));
                if ($onEventReplayed) {
                    $onEventReplayed($storedEvent);
                }
            },
            1000,
            $aggregateUuid,
            $events
        );
        $this->isReplaying = false;
        event(new FinishedEventReplay());
        $projectors->call('onFinishedEventReplay');
    }

    private function project(StoredEvent $storedEvent, Collection $projectors): void
    {
        $this->isProjecting = true;
        $this->callAll($storedEvent, $projectors);
        $this->isProjecting = false;
    }

    private function callAll(StoredEvent $storedEvent, Collection $handlers): void
    {
        foreach ($handlers->sortBy(fn ($handler) => $handler->getWeight($storedEvent)) as $handler) {
            // A new one for each event: what a handler keeps in its properties does not last.
            $handler = app(get_class($handler));
            try {
                $handler->handle($storedEvent);
            } catch (Exception $e) {
                if (! $this->catchExceptions) {
                    throw $e;
                }
                $handler->handleException($e);
                event(new EventHandlerFailedHandlingEvent($handler, $storedEvent, $e));
            }
        }
    }
}
