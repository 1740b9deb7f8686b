<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing;

/** Keeps a table in step with the events; handles those that its methods name as their first argument. */
interface Projector
{
    /** Empty what this projector keeps, before a replay from the first event. */
    public function resetState(): void;
}
