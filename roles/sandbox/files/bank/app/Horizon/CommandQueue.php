<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon;

/** Orders to a master ("master:NAME") or a supervisor (its full name), as JSON in a list that never expires. */
class CommandQueue extends Store
{
    public function push(string $target, string $class, array $options = []): void
    {
        $this->redis()->rpush("commands:{$target}", json_encode(['command' => $class, 'options' => $options]));
    }

    /** @return object[] all that wait; the list is emptied before any of them is looked at */
    public function take(string $target): array
    {
        $length = $this->redis()->llen("commands:{$target}");
        if ($length === 0) {
            return [];
        }
        $elements = $this->redis()->lrange("commands:{$target}", 0, $length - 1);
        $this->redis()->ltrim("commands:{$target}", $length, -1);

        return array_map(fn ($json) => (object) json_decode($json, true), $elements);
    }

    public function flush(string $target): void
    {
        $this->redis()->del("commands:{$target}");
    }
}
