<?php
// SPDX-License-Identifier: GPL-3.0-or-later

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up()
    {
        Schema::create('daily_totals', function (Blueprint $table) {
            $table->date('day')->primary();
            $table->bigInteger('deposited')->default(0);
            $table->bigInteger('withdrawn')->default(0);
        });
    }

    public function down()
    {
        Schema::dropIfExists('daily_totals');
    }
};
