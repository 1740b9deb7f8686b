<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\EventHandlers\Projectors;

use Spatie\EventSourcing\EventHandlers\EventHandler;
use Spatie\EventSourcing\EventHandlers\HandlesEvents;

/** Keeps a table in step with the events; one that can be emptied before a replay has a method resetState. */
abstract class Projector implements EventHandler
{
    use HandlesEvents;

    public function getName(): string
    {
        return $this->name ?? get_class($this);
    }
}
