<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Providers;

use App\Horizon\Console;
use App\Horizon\Jobs;
use App\Horizon\Orders;
use App\Horizon\QueueConnector;
use Illuminate\Queue\Events\JobExceptionOccurred;
use Illuminate\Queue\Events\JobFailed;
use Illuminate\Queue\Jobs\RedisJob;
use Illuminate\Queue\Worker;
use Illuminate\Support\Facades\Event;
use Illuminate\Support\ServiceProvider;

/** Horizon for a framework that lacks it: same commands, same keys in Redis, same manners. */
class HorizonServiceProvider extends ServiceProvider
{
    /** The class names that go over Redis are the real ones, so any tool that speaks to Horizon speaks to this one. */
    private const ORDERS = [
        'Laravel\Horizon\SupervisorCommands\Pause' => Orders\Pause::class,
        'Laravel\Horizon\SupervisorCommands\ContinueWorking' => Orders\ContinueWorking::class,
        'Laravel\Horizon\SupervisorCommands\Restart' => Orders\Restart::class,
        'Laravel\Horizon\SupervisorCommands\Terminate' => Orders\Terminate::class,
        'Laravel\Horizon\SupervisorCommands\Scale' => Orders\Scale::class,
        'Laravel\Horizon\SupervisorCommands\Balance' => Orders\Balance::class,
        'Laravel\Horizon\MasterSupervisorCommands\AddSupervisor' => Orders\AddSupervisor::class,
    ];

    public function register()
    {
        config(['database.redis.horizon' => array_merge(
            config('database.redis.'.config('horizon.use')),
            ['options' => ['prefix' => config('horizon.prefix')]]
        )]);
        $this->app->singleton(Jobs::class);
        foreach (self::ORDERS as $name => $class) {
            $this->app->bind($name, $class);
        }
        $this->app->when(Console\WorkCommand::class)->needs(Worker::class)->give(fn ($app) => $app['queue.worker']);
        $this->app->resolving('queue', function ($queues) {
            $queues->addConnector('redis', fn () => new QueueConnector($this->app['redis']));
        });
    }

    public function boot()
    {
        Event::listen(JobExceptionOccurred::class, fn ($event) => app(Jobs::class)->stopTiming($event->job->getJobId()));
        Event::listen(JobFailed::class, function ($event) {
            if ($event->job instanceof RedisJob) {
                app(Jobs::class)->failed($event->connectionName, $event->job, $event->exception);
            }
        });
        $this->commands([
            Console\HorizonCommand::class,
            Console\SupervisorCommand::class,
            Console\WorkCommand::class,
            Console\StatusCommand::class,
            Console\ListCommand::class,
            Console\SupervisorsCommand::class,
            Console\SupervisorStatusCommand::class,
            Console\PauseCommand::class,
            Console\ContinueCommand::class,
            Console\TerminateCommand::class,
            Console\PauseSupervisorCommand::class,
            Console\ContinueSupervisorCommand::class,
            Console\PurgeCommand::class,
            Console\SnapshotCommand::class,
            Console\ClearCommand::class,
            Console\ForgetCommand::class,
        ]);
    }
}
