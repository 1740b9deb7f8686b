<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\EventHandlers;

use Illuminate\Contracts\Queue\ShouldQueue;
use Illuminate\Support\Collection;
use Spatie\EventSourcing\StoredEvents\StoredEvent;

/** @extends Collection<string, EventHandler> */
class EventHandlerCollection extends Collection
{
    public function __construct($eventHandlers = [])
    {
        parent::__construct([]);
        foreach ($eventHandlers as $handler) {
            $this->addEventHandler($handler);
        }
    }

    public function addEventHandler(EventHandler $eventHandler): void
    {
        $this->items[get_class($eventHandler)] = $eventHandler;
    }

    public function forEvent(StoredEvent $storedEvent): self
    {
        return $this->filter(fn ($handler) => $handler->handles($storedEvent));
    }

    public function call(string $method): void
    {
        $this->filter(fn ($handler) => method_exists($handler, $method))->each(fn ($handler) => app()->call([$handler, $method]));
    }

    public function syncEventHandlers(StoredEvent $event): self
    {
        return $this->reject(fn ($handler) => $handler instanceof ShouldQueue);
    }

    public function asyncEventHandlers(StoredEvent $event): self
    {
        return $this->filter(fn ($handler) => $handler instanceof ShouldQueue);
    }
}
