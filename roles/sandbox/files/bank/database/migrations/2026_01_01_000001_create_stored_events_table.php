<?php
// SPDX-License-Identifier: GPL-3.0-or-later

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up()
    {
        Schema::create('stored_events', function (Blueprint $table) {
            $table->bigIncrements('id');
            $table->uuid('aggregate_uuid')->nullable()->index();
            $table->unsignedBigInteger('aggregate_version')->nullable();
            $table->unsignedTinyInteger('event_version')->default(1);
            $table->string('event_class')->index();
            $table->json('event_properties');
            $table->json('meta_data');
            $table->timestamp('created_at');
            $table->unique(['aggregate_uuid', 'aggregate_version']);
        });
    }

    public function down()
    {
        Schema::dropIfExists('stored_events');
    }
};
