<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\EventSourcing;

use Illuminate\Database\Eloquent\Model;

class StoredEvent extends Model
{
    public $timestamps = false;

    protected $table = 'stored_events';

    protected $guarded = [];

    public function toEvent(): object
    {
        return new $this->event_class(...json_decode($this->event_properties, true));
    }
}
