<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing;

use Illuminate\Support\Collection;
use ReflectionClass;
use ReflectionMethod;
use ReflectionNamedType;

/** Which classes handle which events: found by their methods' arguments, or read from the cache file. */
class Handlers
{
    /** @var array{projectors: array<string, array<string, string>>, reactors: array<string, array<string, string>>}|null */
    private ?array $map = null;

    /** @return Collection<string, array<string, string>> class => [event class => method] */
    public function projectors(): Collection
    {
        return collect($this->map()['projectors']);
    }

    /** @return Collection<string, array<string, string>> class => [event class => method] */
    public function reactors(): Collection
    {
        return collect($this->map()['reactors']);
    }

    public function cache(): void
    {
        $this->forget();
        $this->map = null;
        file_put_contents($this->cachePath(), '<?php return '.var_export($this->map(), true).';');
    }

    public function forget(): void
    {
        @unlink($this->cachePath());
    }

    public function cachePath(): string
    {
        return config('event-sourcing.cache_path');
    }

    private function map(): array
    {
        return $this->map ??= is_file($this->cachePath()) ? require $this->cachePath() : [
            'projectors' => $this->discover('projectors', Projector::class),
            'reactors' => $this->discover('reactors', Reactor::class),
        ];
    }

    private function discover(string $folder, string $interface): array
    {
        $found = [];
        foreach (glob(config("event-sourcing.{$folder}").'/*.php') as $file) {
            $class = 'App\\'.ucfirst($folder).'\\'.basename($file, '.php');
            if (is_subclass_of($class, $interface)) {
                $found[$class] = $this->methods($class);
            }
        }

        return $found;
    }

    private function methods(string $class): array
    {
        $events = [];
        foreach ((new ReflectionClass($class))->getMethods(ReflectionMethod::IS_PUBLIC) as $method) {
            $type = ($method->getParameters()[0] ?? null)?->getType();
            if ($type instanceof ReflectionNamedType && ! $type->isBuiltin()) {
                $events[$type->getName()] = $method->getName();
            }
        }

        return $events;
    }
}
