<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

use Illuminate\Queue\Connectors\RedisConnector;

class QueueConnector extends RedisConnector
{
    public function connect(array $config)
    {
        return new HorizonQueue(
            $this->redis,
            $config['queue'],
            $config['connection'] ?? $this->connection,
            $config['retry_after'] ?? 60,
            $config['block_for'] ?? null,
            $config['after_commit'] ?? false
        );
    }
}
