<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Http\Controllers;

use App\Horizon\Master;
use Illuminate\Routing\Controller;
use Illuminate\Support\Facades\DB;

/** Reads the projections; nothing here writes. */
class AccountController extends Controller
{
    public function home()
    {
        return view('home', [
            'host' => Master::hostname(),
            'accounts' => DB::table('accounts')->count(),
            'balance' => (int) DB::table('accounts')->sum('balance'),
        ]);
    }

    public function show(string $uuid)
    {
        $account = DB::table('accounts')->where('uuid', $uuid)->first();
        abort_if($account === null, 404);

        return response()->json([
            'uuid' => $account->uuid,
            'owner' => $account->owner,
            'currency' => $account->currency,
            'balance' => (int) $account->balance,
            'last_event_id' => (int) $account->last_event_id,
        ]);
    }
}
