<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\EventHandlers;

use Exception;
use Illuminate\Support\Collection;
use ReflectionClass;
use ReflectionMethod;
use ReflectionNamedType;
use Spatie\EventSourcing\StoredEvents\ShouldBeStored;
use Spatie\EventSourcing\StoredEvents\StoredEvent;

/** A method handles the event that its only argument names. Looked up anew for each event, as the package does. */
trait HandlesEvents
{
    public function handles(StoredEvent $storedEvent): bool
    {
        return $this->methodsFor($storedEvent->event) !== [];
    }

    public function handle(StoredEvent $storedEvent): void
    {
        foreach ($this->methodsFor($storedEvent->event) as $method) {
            $this->{$method}($storedEvent->event);
        }
    }

    public function handleException(Exception $exception): void
    {
        report($exception);
    }

    /** @return Collection<string, string[]> event class => methods */
    public function getEventHandlingMethods(): Collection
    {
        return collect($this->handlingMethods())->groupBy(fn ($class) => $class, true)
            ->map(fn ($methods) => $methods->keys()->all());
    }

    public function getWeight(?StoredEvent $event): int
    {
        return $this->weight ?? 0;
    }

    /** @return string[] */
    private function methodsFor(object $event): array
    {
        return array_keys(array_filter($this->handlingMethods(), fn ($class) => $event instanceof $class));
    }

    /** @return array<string, string> method => event class */
    private function handlingMethods(): array
    {
        $found = [];
        $methods = (new ReflectionClass($this))->getMethods(ReflectionMethod::IS_PUBLIC | ReflectionMethod::IS_PROTECTED);
        foreach ($methods as $method) {
            $type = $method->getNumberOfParameters() === 1 ? $method->getParameters()[0]->getType() : null;
            if ($type instanceof ReflectionNamedType && is_subclass_of($type->getName(), ShouldBeStored::class)) {
                $found[$method->getName()] = $type->getName();
            }
        }

        return $found;
    }
}
