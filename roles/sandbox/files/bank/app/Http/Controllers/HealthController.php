<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Http\Controllers;

use App\Horizon\Master;
use App\Horizon\Records;
use Illuminate\Routing\Controller;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Facades\DB;
use Illuminate\Support\Facades\Redis;
use Throwable;

class HealthController extends Controller
{
    public function up()
    {
        return response('<!doctype html><title>Up</title><p>Application up</p>');
    }

    public function all(Records $records)
    {
        return $this->answer([
            'database' => $this->databaseAnswers(),
            'redis' => $this->redisAnswers(),
            'cache' => $this->answers(fn () => Cache::get('health')),
        ], [
            'host' => Master::hostname(),
            'horizon' => $this->horizonHere($records),
        ]);
    }

    public function database()
    {
        return $this->answer(['database' => $this->databaseAnswers()]);
    }

    public function redis()
    {
        return $this->answer(['redis' => $this->redisAnswers()]);
    }

    private function databaseAnswers(): bool
    {
        return $this->answers(fn () => DB::table('accounts')->limit(1)->get());
    }

    private function redisAnswers(): bool
    {
        return $this->answers(fn () => Redis::connection()->ping());
    }

    private function answers(callable $probe): bool
    {
        try {
            $probe();

            return true;
        } catch (Throwable $e) {
            report($e);

            return false;
        }
    }

    /** This host's own Horizon, told but not judged: a window stops it on purpose. */
    private function horizonHere(Records $records): string
    {
        try {
            $masters = array_filter($records->masters(), fn ($master) => Master::isHere($master->name));

            return $masters ? end($masters)->status : 'inactive';
        } catch (Throwable $e) {
            return 'unknown';
        }
    }

    private function answer(array $checks, array $facts = [])
    {
        $healthy = ! in_array(false, $checks, true);

        return response()->json(
            ['status' => $healthy ? 'ok' : 'unhealthy', 'checks' => $checks] + $facts,
            $healthy ? 200 : 503
        );
    }
}
