{{-- SPDX-License-Identifier: GPL-3.0-or-later --}}
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Maintenance</title></head>
<body>
<h1>Down for maintenance</h1>
<p>The bank is being worked on and will be back soon.</p>
</body>
</html>
