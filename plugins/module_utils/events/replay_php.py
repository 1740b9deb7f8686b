# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our PHP, which the application's own ``php`` reads from standard input and runs inside the booted application.

It is text in a Python module because Ansible sends a module's Python imports to the host and nothing else: a .php file beside them
would stay on the controller.
"""

from __future__ import annotations

import base64
import json
from typing import Any, Dict

#: What every program begins with. Settings and the scratch user's password come in here, so they are on no command line and in no
#: environment that others can read; set before the application boots, they win over its .env.
_BOOT = r"""<?php
namespace FinAegis\Runbook;

use Illuminate\Support\Facades\Facade;
use Throwable;

ini_set('display_errors', 'stderr');
ini_set('zend.exception_ignore_args', '1');
foreach (['STDOUT', 'STDERR'] as $name) {
    defined($name) || define($name, fopen('php://' . strtolower($name), 'w'));
}
$in = json_decode(base64_decode('@INPUT@'), true, 64, JSON_THROW_ON_ERROR);

function say(array $what): void
{
    $line = "\n" . $GLOBALS['in']['mark'] . json_encode($what, JSON_INVALID_UTF8_SUBSTITUTE | JSON_PARTIAL_OUTPUT_ON_ERROR) . "\n";
    if (@fwrite(STDOUT, $line) !== strlen($line)) {
        exit(1); // whoever started us is gone; what is committed is committed
    }
}

function stop(string $reason, array $more = []): void
{
    say(['stop' => $reason] + $more);
    exit(1);
}

function fault(Throwable $e): array
{
    $at = basename($e->getFile()) . ':' . $e->getLine();
    return ['error' => mb_substr($e->getMessage(), 0, 2000), 'class' => get_class($e), 'at' => $at];
}

// Everything that a projector could share with the live application leads nowhere, and says so where it can.
function seclude($app, array $in): void
{
    $config = $app['config'];
    $nowhere = ['queue.connections' => ['driver' => 'null'], 'broadcasting.connections' => ['driver' => 'null'],
        'cache.stores' => ['driver' => 'array', 'serialize' => true], 'mail.mailers' => ['transport' => 'array']];
    foreach ($nowhere as $key => $nothing) {
        $config->set($key, array_map(fn () => $nothing, (array) $config->get($key)));
    }
    $config->set('queue.default', null);
    foreach (array_keys((array) $config->get('database.redis')) as $name) {
        if ($name !== 'client' && $name !== 'options') {
            $config->set("database.redis.$name", $name === 'clusters' ? [] : ['host' => '127.0.0.1', 'port' => 1]);
        }
    }
    $default = $config->get('database.default');
    $connections = [];
    foreach ((array) $config->get('database.connections') as $name => $one) {
        if ($name === $default) {
            unset($one['read'], $one['write'], $one['url']);
            $one = ['database' => $in['database'], 'username' => $in['user'], 'password' => $in['password']] + $one;
        } elseif (! in_array($name, $in['allow_connections'], true)) {
            $one = ['driver' => 'closed-during-replay'];
        }
        $connections[$name] = $one;
        $app['db']->purge($name);
    }
    $config->set('database.connections', $connections);
    $shared = ['cache', 'cache.store', 'queue', 'queue.connection', 'redis', 'mail.manager', 'mailer'];
    foreach ([...$shared, \Illuminate\Broadcasting\BroadcastManager::class] as $name) {
        $app->forgetInstance($name);
    }
    Facade::clearResolvedInstances();
    if (method_exists(\Illuminate\Http\Client\Factory::class, 'preventStrayRequests')) {
        \Illuminate\Support\Facades\Http::preventStrayRequests();
    }
}

// The application itself says where it is: its database, its user, and a word that only our scratch schema holds.
function prove($app, array $in): array
{
    $seen = [];
    foreach ([true, false] as $read) {
        $row = $app['db']->connection()->selectOne(
            "select database() as d, substring_index(user(), '@', 1) as u, (select max(nonce) from runbook_replay_run) as n", [], $read
        );
        $seen = ['database' => $row->d, 'user' => $row->u, 'same_server' => $row->n === $in['nonce']];
        if ($row->d !== $in['database'] || $row->u !== $in['user'] || $row->n !== $in['nonce']) {
            stop('not aside', $seen);
        }
    }
    $services = [
        'cache' => $app->bound('cache') ? get_class($app['cache']->store()->getStore()) : null,
        'queue' => $app->bound('queue') ? get_class($app['queue']->connection()) : null,
    ];
    $wanted = ['cache' => 'Illuminate\Cache\ArrayStore', 'queue' => 'Illuminate\Queue\NullQueue'];
    foreach ($services as $name => $class) {
        if ($class !== null && ! is_a($class, $wanted[$name], true)) {
            stop('shared service', ['service' => $name, 'is' => $class]);
        }
    }
    return $seen + $services;
}

try {
    foreach ($in['environment'] as $name => $value) {
        putenv("$name=$value");
        $_ENV[$name] = $_SERVER[$name] = $value;
    }
    require getcwd() . '/vendor/autoload.php';
    $app = require getcwd() . '/bootstrap/app.php';
    $app->make(\Illuminate\Contracts\Console\Kernel::class)->bootstrap();
    ini_set('display_errors', 'stderr');
    $proof = null;
    if ($in['aside']) {
        seclude($app, $in);
        // With emulated prepares a statement is one round trip instead of three. Before PHP 8.1 numbers would come back as text.
        $option = 'database.connections.' . $app['config']->get('database.default') . '.options';
        if (PHP_VERSION_ID >= 80100) {
            $app['config']->set($option, [\PDO::ATTR_EMULATE_PREPARES => true] + (array) $app['config']->get($option));
        }
        $proof = prove($app, $in);
    }
} catch (Throwable $e) {
    stop('boot', fault($e));
}
"""

#: Asks what the replay rests on; changes nothing.
ASK = r"""
use ReflectionMethod;
use Spatie\EventSourcing\Projectionist;
use Spatie\EventSourcing\StoredEvents\Models\EloquentStoredEvent;
use Spatie\EventSourcing\StoredEvents\Repositories\EloquentStoredEventRepository;

try {
    if (! class_exists(Projectionist::class)) {
        stop('no package');
    }
    $names = fn (string $class, string $method) => method_exists($class, $method)
        ? array_map(fn ($one) => $one->getName(), (new ReflectionMethod($class, $method))->getParameters()) : [];
    $replay = ['projectors', 'startingFromEventId', 'onEventReplayed', 'aggregateUuid'];
    $reads = ['startingFrom', 'function', 'chunkSize', 'uuid', 'events'];
    $fits = array_slice($names(Projectionist::class, 'replay'), 0, 4) === $replay
        && array_slice($names(EloquentStoredEventRepository::class, 'runForAllStartingFrom'), 0, 5) === $reads;
    $model = $in['model'] ?? config('event-sourcing.stored_event_model', EloquentStoredEvent::class);
    if (! class_exists($model) || ! is_a($model, EloquentStoredEvent::class, true)) {
        stop('model', ['model' => $model]);
    }
    $event = new $model;
    $connection = $event->getConnection();
    $projectors = [];
    foreach (app(Projectionist::class)->getProjectors() as $one) {
        $projectors[$one->getName()] = [
            'events' => array_values($one->getEventHandlingMethods()->keys()->all()),
            'reset' => method_exists($one, 'resetState'),
            'queued' => $one instanceof \Illuminate\Contracts\Queue\ShouldQueue,
        ];
    }
    $repository = ltrim((string) config('event-sourcing.stored_event_repository'), '\\');
    say(['answer' => [
        'php' => PHP_VERSION,
        'laravel' => $app->version(),
        'proof' => $proof,
        'down' => $app->isDownForMaintenance(),
        'database' => $connection->getDatabaseName(),
        'default_connection' => $connection->getName() === config('database.default'),
        'connections' => array_values(array_diff(array_keys((array) config('database.connections')), [config('database.default')])),
        'model' => $model,
        'table' => $connection->getTablePrefix() . $event->getTable(),
        'key' => $event->getKeyName(),
        'driver_fits' => $fits,
        'own_repository' => $repository === '' || $repository === EloquentStoredEventRepository::class ? null : $repository,
        'catch_exceptions' => (bool) config('event-sourcing.catch_exceptions'),
        'class_map' => (object) config('event-sourcing.event_class_map', []),
        'projectors' => (object) $projectors,
    ]]);
} catch (Throwable $e) {
    stop('ask', fault($e));
}
"""

#: Empties what the projectors keep, once before the first chunk and outside any transaction: TRUNCATE would end one.
RESET = r"""
use Spatie\EventSourcing\Projectionist;

try {
    if ($in['model'] !== null) {
        config(['event-sourcing.stored_event_model' => $in['model']]);
    }
    $projectionist = app(Projectionist::class);
    $reset = [];
    foreach ($in['projectors'] as $name) {
        $projector = $projectionist->getProjector($name) ?? stop('unknown projector', ['projector' => $name]);
        if (method_exists($projector, 'resetState')) {
            $projector->resetState($in['uuid']);
            $reset[] = $name;
        }
    }
    say(['answer' => $reset]);
} catch (Throwable $e) {
    stop('reset', fault($e));
}
"""

#: The package's own command, without our driver, over the events that the scratch view of the store shows.
ARTISAN = r"""
use Illuminate\Support\Facades\Artisan;
use Illuminate\Support\Facades\DB;
use Spatie\EventSourcing\Events\EventHandlerFailedHandlingEvent;
use Symfony\Component\Console\Output\BufferedOutput;

try {
    $skipped = [];
    $app['events']->listen(EventHandlerFailedHandlingEvent::class, function ($failed) use (&$skipped) {
        $skipped[] = $failed->storedEvent->id;
    });
    if (isset($in['lock']) && (int) DB::selectOne('select get_lock(?, 0) as got', [$in['lock']])->got !== 1) {
        stop('locked');
    }
    $begun = microtime(true);
    $text = new BufferedOutput;
    $code = Artisan::call('event-sourcing:replay', $in['arguments'], $text);
    $said = $text->fetch();
    $said = mb_strlen($said) > 2000 ? mb_substr($said, 0, 500) . ' ... ' . mb_substr($said, -1500) : $said; // a progress bar is long
    say(['done' => true, 'answer' => ['rc' => $code, 'output' => $said, 'skipped' => count($skipped),
        'skipped_ids' => array_slice($skipped, 0, 20)], 'seconds' => round(microtime(true) - $begun, 3), 'retried' => 0,
        'memory_bytes' => 1024 * getrusage()['ru_maxrss']]);
} catch (Throwable $e) {
    stop('failed', fault($e));
}
"""


def program(body: str, data: Dict[str, Any]) -> str:
    """The whole text for standard input: boot, then ``body``; ``data`` becomes ``$in``."""
    return _BOOT.replace("@INPUT@", base64.b64encode(json.dumps(data).encode()).decode()) + body
