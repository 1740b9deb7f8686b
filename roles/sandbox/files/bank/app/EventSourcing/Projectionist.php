<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing;

use Exception;
use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Support\Collection;

/** Hands stored events to their handlers: live (some through the queue), or again in a replay (projectors only). */
class Projectionist
{
    public function __construct(private Handlers $handlers)
    {
    }

    public function project(StoredEvent $stored): void
    {
        $all = $this->handlers->projectors()->merge($this->handlers->reactors());
        [$queued, $now] = $all->filter(fn ($events) => isset($events[$stored->event_class]))
            ->keys()->partition(fn ($class) => is_subclass_of($class, ShouldQueue::class));
        $this->handle($stored, $now);
        if ($queued->isNotEmpty()) {
            dispatch((new HandleStoredEventJob($stored->id, $stored->event_class))->onQueue(config('event-sourcing.queue')));
        }
    }

    public function projectQueued(StoredEvent $stored): void
    {
        $this->handle($stored, $this->handlers->projectors()->keys()->filter(
            fn ($class) => is_subclass_of($class, ShouldQueue::class)
        ));
    }

    /**
     * @param Collection<int, string> $projectors class names
     * @param callable|null $onEvent called after each event
     */
    public function replay(Collection $projectors, Replay $replay, ?callable $onEvent = null): void
    {
        if ($replay->from === 0) {
            $projectors->each(fn ($class) => app($class)->resetState());
        }
        $replay->query($this->eventsOf($projectors))->chunk(config('event-sourcing.replay_chunk_size'), function ($chunk) use ($projectors, $onEvent) {
            foreach ($chunk as $stored) {
                $this->handle($stored, $projectors);
                if ($onEvent) {
                    $onEvent();
                }
            }
        });
    }

    /** @return string[] the event classes that these projectors handle */
    public function eventsOf(Collection $projectors): array
    {
        return $this->handlers->projectors()->only($projectors)->map(fn ($events) => array_keys($events))
            ->flatten()->unique()->values()->all();
    }

    private function handle(StoredEvent $stored, Collection $classes): void
    {
        $map = $this->handlers->projectors()->merge($this->handlers->reactors());
        foreach ($classes as $class) {
            $method = $map[$class][$stored->event_class] ?? null;
            if ($method === null) {
                continue;
            }
            try {
                app($class)->{$method}($stored->toEvent(), $stored);
            } catch (Exception $e) {
                if (! config('event-sourcing.catch_exceptions')) {
                    throw $e;
                }
                report($e);
            }
        }
    }
}
