# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The replay driver: PHP that runs after ``replay_php``'s beginning."""

from __future__ import annotations

#: Feeds the package's own replay by key, and commits each chunk of events together with how far it got.
DRIVER = r"""
use Illuminate\Support\Facades\DB;
use PDOException;
use RuntimeException;
use Spatie\EventSourcing\Events\EventHandlerFailedHandlingEvent;
use Spatie\EventSourcing\EventSerializers\EventSerializer;
use Spatie\EventSourcing\EventSerializers\JsonEventSerializer;
use Spatie\EventSourcing\Projectionist;
use Spatie\EventSourcing\StoredEvents\Repositories\EloquentStoredEventRepository;
use Spatie\EventSourcing\StoredEvents\Repositories\StoredEventRepository;

class ChunkFailed extends RuntimeException
{
    public array $info;
}

class ByKey extends EloquentStoredEventRepository
{
    private const RETRY = [1213, 1205, 1020]; // deadlock, lock wait, a row changed since the snapshot
    private const TRIES = 8;

    public int $retried = 0;
    public array $caught = []; // ids of this chunk whose projector threw and catch_exceptions let it pass
    private array $state;
    private array $c;
    private $db;
    private $probe;

    public function __construct(array $c, $db, $probe, object $checkpoint)
    {
        parent::__construct();
        [$this->c, $this->db, $this->probe] = [$c, $db, $probe];
        $this->state = ['last' => (int) $checkpoint->last_id] + json_decode($checkpoint->state, true);
    }

    // The parent's types differ between versions; without types it fits them all.
    public function runForAllStartingFrom($startingFrom, $function, $chunkSize = 1000, $uuid = null, $events = []): bool
    {
        $c = $this->c;
        $query = $this->storedEventModel::query()->where('id', '<=', $c['to']);
        if ($events) {
            $query->whereEvent(...$events);
        }
        if ($uuid !== null) {
            $query->whereAggregateRoot($uuid);
        }
        if ($c['parts'] > 1) { // an event without aggregate has no checksum: it goes to part 0
            $query->whereRaw('ifnull(crc32(aggregate_uuid) % ?, 0) = ?', [$c['parts'], $c['part']]);
        }
        $query->orderBy('id')->limit($c['chunk']);
        do {
            $last = max($this->state['last'], $startingFrom - 1);
            $rows = (clone $query)->where('id', '>', $last)->get(); // outside the transaction
            if ($rows->isNotEmpty()) {
                $this->chunk($rows, $function);
                say(['last_id' => $this->state['last'], 'events' => array_sum($this->state['classes']), 'retried' => $this->retried]);
            }
        } while ($rows->isNotEmpty());
        $this->finish();
        return true;
    }

    private function chunk($rows, callable $function): void
    {
        for ($try = 1; ; $try++) {
            $at = null;
            $lost = null;
            $this->caught = [];
            $before = $this->state;
            try {
                $this->db->beginTransaction();
                // Claimed before the first event: the row is locked, so neither a second driver nor the COMMIT of a killed one that is
                // still under way can be applied twice.
                $claimed = $this->db->affectingStatement(
                    'update runbook_replay_part set in_chunk = ? where part = ? and last_id = ? and in_chunk is null',
                    [$rows->last()->id, $this->c['part'], $before['last']]
                );
                if ($claimed !== 1) {
                    $lost = "the checkpoint is not at {$before['last']} any more: another driver is or was at work";
                    throw new RuntimeException($lost);
                }
                $until = microtime(true) + $this->c['chunk_seconds'];
                foreach ($rows as $row) {
                    $at = $row->id;
                    $function($row->toStoredEvent());
                    if (! $this->db->getPdo()->inTransaction() || $this->db->transactionLevel() !== 1) {
                        $lost = "the transaction ended during event $at: a statement that commits, or a rollback by the server";
                        throw new RuntimeException($lost);
                    }
                    $this->state['last'] = $at;
                    $class = $row->getAttributes()['event_class'];
                    $this->state['classes'][$class] = ($this->state['classes'][$class] ?? 0) + 1;
                    if (microtime(true) > $until) {
                        break; // a slow projector must not hold its locks for long
                    }
                }
                $at = null;
                $this->state['skipped'] += count($this->caught);
                $this->state['skipped_ids'] = array_slice([...$this->state['skipped_ids'], ...$this->caught], 0, 20);
                if ($this->claim() !== null) {
                    $lost = 'a projector committed part of the chunk';
                    throw new RuntimeException($lost);
                }
                $this->save($this->state['last']);
                $this->db->commit();
                return;
            } catch (Throwable $e) {
                $this->state = $before;
                try {
                    $this->db->rollBack(0);
                } catch (Throwable $ignored) { // the connection is gone, and with it the transaction
                }
                $this->db->forgetRecordModificationState();
                $code = self::code($e);
                // Ended from outside, nothing committed: the server rolled all of it back, though a projector hid the error.
                $again = in_array($code, self::RETRY, true) || ($lost !== null && $at !== null && $this->claim() === null);
                if ($again && $try < self::TRIES) {
                    $this->retried++;
                    usleep(random_int(10, 100) * 1000 * $try);
                    continue;
                }
                $failed = new ChunkFailed($e->getMessage(), 0, $e);
                $failed->info = fault($e) + ['event_id' => $at, 'chunk' => [$rows->first()->id, $rows->last()->id],
                    'committed_to' => $before['last'], 'code' => $code, 'transaction_lost' => $lost];
                throw $failed;
            }
        }
    }

    // What a second connection sees of our claim: nothing, as long as nothing of the chunk was committed.
    private function claim()
    {
        return $this->probe->selectOne('select in_chunk as c from runbook_replay_part where part = ?', [$this->c['part']])->c;
    }

    private function save($last): void
    {
        $state = json_encode(['classes' => (object) $this->state['classes']] + array_diff_key($this->state, ['last' => 0]));
        $this->db->affectingStatement(
            'update runbook_replay_part set last_id = ?, state = ?, in_chunk = null where part = ?', [$last, $state, $this->c['part']]
        );
    }

    // All events up to the goal were seen, those at its end that no projector wants too.
    private function finish(): void
    {
        $this->state['last'] = max($this->state['last'], $this->c['to']);
        $this->save($this->state['last']);
    }

    private static function code(Throwable $e): ?int
    {
        for ($code = null; $e !== null; $e = $e->getPrevious()) {
            $code = $e instanceof PDOException ? ($e->errorInfo[1] ?? $code) : $code;
        }
        return $code;
    }
}

try {
    if ($in['model'] !== null) {
        config(['event-sourcing.stored_event_model' => $in['model']]);
    }
    if (is_a($app->make(EventSerializer::class), JsonEventSerializer::class)) { // keeps no state; the package makes one for each event
        $app->instance(EventSerializer::class, $app->make(EventSerializer::class));
    }
    $projectionist = $app->make(Projectionist::class);
    $projectors = collect($in['projectors'])->map(
        fn ($name) => $projectionist->getProjector($name) ?? stop('unknown projector', ['projector' => $name])
    );
    config(['database.connections.runbook_probe' => config('database.connections.' . config('database.default'))]);
    $probe = DB::connection('runbook_probe');
    if ((int) $probe->selectOne('select get_lock(?, 10) as got', [$in['lock']])->got !== 1) {
        stop('locked');
    }
    $checkpoint = $probe->selectOne('select last_id, state, in_chunk from runbook_replay_part where part = ?', [$in['part']]);
    if ($checkpoint === null || $checkpoint->in_chunk !== null) {
        stop('half a chunk', ['committed_to' => $checkpoint->last_id ?? null, 'chunk_end' => $checkpoint->in_chunk ?? null]);
    }
    $repository = new ByKey($in, DB::connection(), $probe, $checkpoint);
    $app->instance(StoredEventRepository::class, $repository);
    $app['events']->listen(EventHandlerFailedHandlingEvent::class, function ($failed) use ($repository) {
        $repository->caught[] = $failed->storedEvent->id;
    });
    $begun = microtime(true);
    // Never from 0: the package would reset the projections, which was done once before the first chunk.
    $projectionist->replay($projectors, max(1, $in['from'], $checkpoint->last_id + 1), null, $in['uuid']);
    say(['done' => true, 'seconds' => round(microtime(true) - $begun, 3), 'retried' => $repository->retried,
        'memory_bytes' => 1024 * getrusage()['ru_maxrss']]);
} catch (ChunkFailed $e) {
    stop('failed', $e->info);
} catch (Throwable $e) {
    stop('failed', fault($e));
}
"""
