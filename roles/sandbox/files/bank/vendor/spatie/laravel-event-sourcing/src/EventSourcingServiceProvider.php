<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing;

use Illuminate\Support\ServiceProvider;
use ReflectionClass;
use Spatie\EventSourcing\EventHandlers\EventHandler;
use Spatie\EventSourcing\EventSerializers\EventSerializer;
use Spatie\EventSourcing\StoredEvents\Repositories\StoredEventRepository;

class EventSourcingServiceProvider extends ServiceProvider
{
    public function register()
    {
        $this->app->singleton(Projectionist::class, fn () => new Projectionist(config('event-sourcing')));
        $this->app->alias(Projectionist::class, 'event-sourcing');
        $this->app->singleton(StoredEventRepository::class, config('event-sourcing.stored_event_repository'));
        $this->app->bind(EventSerializer::class, config('event-sourcing.event_serializer'));
    }

    public function boot()
    {
        $this->app->make(Projectionist::class)->addEventHandlers(
            is_file($cache = self::cachePath()) ? require $cache : self::discover()
        );
        $this->commands([
            Console\ReplayCommand::class,
            Console\ListCommand::class,
            Console\CacheEventHandlersCommand::class,
            Console\ClearCachedEventHandlersCommand::class,
        ]);
    }

    public static function cachePath(): string
    {
        return config('event-sourcing.cache_path').'/event-handlers.php';
    }

    /** @return string[] the classes of all handlers in the configured directories */
    public static function discover(): array
    {
        $found = [];
        foreach (config('event-sourcing.auto_discover_projectors_and_reactors') as $directory) {
            foreach (glob("{$directory}/*.php") as $file) {
                $class = 'App\\'.basename($directory).'\\'.basename($file, '.php');
                if (is_subclass_of($class, EventHandler::class) && (new ReflectionClass($class))->isInstantiable()) {
                    $found[] = $class;
                }
            }
        }

        return $found;
    }
}
