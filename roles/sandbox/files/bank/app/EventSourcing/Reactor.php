<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing;

/** Acts on an event as it happens, never on a replay. */
interface Reactor
{
}
