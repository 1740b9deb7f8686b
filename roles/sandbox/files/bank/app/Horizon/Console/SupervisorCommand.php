<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

use App\Horizon\ProcessTable;
use App\Horizon\Records;
use App\Horizon\Supervisor;
use App\Horizon\SupervisorOptions;
use Illuminate\Console\Command;

class SupervisorCommand extends Command
{
    use Prints;

    protected $signature = 'horizon:supervisor
                            {name : The name of supervisor}
                            {connection : The name of the connection to work}
                            {--balance= : The balancing strategy the supervisor should apply}
                            {--delay=0 : The number of seconds to delay failed jobs (Deprecated)}
                            {--backoff=0 : The number of seconds to wait before retrying a job that encountered an uncaught exception}
                            {--max-jobs=0 : The number of jobs to process before stopping a child process}
                            {--max-time=0 : The maximum number of seconds a child process should run}
                            {--force : Force the worker to run even in maintenance mode}
                            {--max-processes=1 : The maximum number of total workers to start}
                            {--min-processes=1 : The minimum number of workers to assign per queue}
                            {--memory=128 : The memory limit in megabytes}
                            {--nice=0 : The process priority}
                            {--paused : Start the supervisor in a paused state}
                            {--queue= : The names of the queues to work}
                            {--sleep=3 : Number of seconds to sleep when no job is available}
                            {--timeout=60 : The number of seconds a child process can run}
                            {--tries=0 : Number of times to attempt a job before logging it failed}
                            {--auto-scaling-strategy=time : If supervisor should scale by jobs or time to complete}
                            {--balance-cooldown=3 : The number of seconds to wait in between auto-scaling attempts}
                            {--balance-max-shift=1 : The maximum number of processes to increase or decrease per one scaling}
                            {--workers-name=default : The name that should be assigned to the workers}
                            {--parent-id=0 : The parent process ID}
                            {--rest=0 : Number of seconds to rest between jobs}';

    protected $description = 'Start a new supervisor';

    protected $hidden = true;

    public function handle(Records $records, ProcessTable $processes): int
    {
        if ($records->supervisor($this->argument('name'))) {
            $this->say('ERROR', 'A supervisor with this name is already running');

            return 13;
        }
        if ((int) $this->option('nice')) {
            proc_nice((int) $this->option('nice'));
        }
        $supervisor = new Supervisor($this->supervisorOptions());
        $supervisor->working = ! $this->option('paused');
        $supervisor->scale(max(0, (int) $this->option('max-processes') - $processes->workersOf($supervisor->name)));
        $supervisor->run();

        return 0;
    }

    private function supervisorOptions(): SupervisorOptions
    {
        return new SupervisorOptions([
            'balance' => $this->option('balance'),
            'connection' => $this->argument('connection'),
            'queue' => $this->option('queue') ?: config("queue.connections.{$this->argument('connection')}.queue", 'default'),
            'backoff' => $this->option('backoff'),
            'force' => $this->option('force'),
            'maxProcesses' => $this->option('max-processes'),
            'minProcesses' => $this->option('min-processes'),
            'maxTries' => $this->option('tries'),
            'maxTime' => $this->option('max-time'),
            'maxJobs' => $this->option('max-jobs'),
            'memory' => $this->option('memory'),
            'nice' => $this->option('nice'),
            'name' => $this->argument('name'),
            'workersName' => $this->option('workers-name'),
            'sleep' => $this->option('sleep'),
            'timeout' => $this->option('timeout'),
            'balanceCooldown' => $this->option('balance-cooldown'),
            'balanceMaxShift' => $this->option('balance-max-shift'),
            'parentId' => $this->option('parent-id'),
            'rest' => $this->option('rest'),
            'autoScalingStrategy' => $this->option('balance') === 'auto' ? $this->option('auto-scaling-strategy') : null,
        ]);
    }
}
