{{-- SPDX-License-Identifier: GPL-3.0-or-later --}}
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>{{ config('app.name') }}</title></head>
<body>
<h1>{{ config('app.name') }}</h1>
<p>Host {{ $host }}: {{ $accounts }} accounts hold {{ number_format($balance / 100, 2) }}.</p>
</body>
</html>
