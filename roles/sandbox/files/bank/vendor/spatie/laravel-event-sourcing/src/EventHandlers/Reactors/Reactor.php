<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace Spatie\EventSourcing\EventHandlers\Reactors;

use Spatie\EventSourcing\EventHandlers\EventHandler;
use Spatie\EventSourcing\EventHandlers\HandlesEvents;

/** Acts on an event as it happens, never on a replay. */
abstract class Reactor implements EventHandler
{
    use HandlesEvents;
}
