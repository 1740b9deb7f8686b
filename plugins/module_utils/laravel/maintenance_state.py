# Copyright: (c) 2026, FinAegis contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maintenance mode read from, and its options written by, the application itself, whatever its version and driver."""

from __future__ import annotations

from typing import Any, Dict

from ..core.errors import BadInput, Unavailable
from ..transport.base import Transport
from . import output
from .maintenance import Seen, Wanted, payload
from .php import ask

#: ``$in``: act (look or replace), clean (remove what a killed replace left), and the wanted options. No secret is answered.
_PROGRAM = r"""
    $directory = $app->storagePath() . '/framework';
    $file = $directory . '/down';
    $mode = method_exists($app, 'maintenanceMode') ? $app->maintenanceMode() : null;
    $driver = 'file';
    if ($mode && !($mode instanceof Illuminate\Foundation\FileBasedMaintenanceMode)) {
        $driver = $mode instanceof Illuminate\Foundation\CacheBasedMaintenanceMode ? 'cache' : (string) config('app.maintenance.driver');
    }
    try {
        (new Illuminate\Foundation\Exceptions\RegisterErrorViewPaths)();
        if ($in['render'] && !view()->exists($in['render'])) { return ['no_view' => true]; }
        $render = function () use ($in) {
            return $in['render'] ? view($in['render'], ['retryAfter' => $in['retry']])->render() : null;
        };
        if ($driver === 'file') {
            if (!is_dir($directory) || !is_executable($directory)) {
                return ['error' => "the directory $directory is not there, or may not be entered"];
            }
            if ($in['clean'] && is_file("$file.new")) { unlink("$file.new"); }
        }
        $active = $app->isDownForMaintenance();
        $data = null;
        if ($active && $driver === 'file') {
            if (!is_readable($file)) { return ['error' => "$file may not be read"]; }
            $data = json_decode(file_get_contents($file), true);
        } elseif ($active) {
            try { $data = $mode->data(); } catch (TypeError $e) { $data = null; }
        }
        $readable = !$active || is_array($data);
        $data = is_array($data) ? $data : [];
        if ($in['act'] === 'replace') {
            $except = $data['except'] ?? null;
            foreach (['App', 'Illuminate\Foundation'] as $space) {
                try { $except = $except ?? $app->make("$space\\Http\\Middleware\\PreventRequestsDuringMaintenance")->getExcludedPaths(); }
                catch (Throwable $e) { }
            }
            $new = ['except' => $except ?? [], 'redirect' => $in['redirect'], 'retry' => $in['retry'], 'refresh' => $in['refresh'],
                'secret' => $in['secret'], 'status' => $in['status'], 'template' => $render()];
            if ($driver !== 'file') {
                $mode->activate($new);
            } else {
                $text = json_encode($new, JSON_PRETTY_PRINT | JSON_THROW_ON_ERROR);
                if (file_put_contents("$file.new", $text) !== strlen($text)) { return ['error' => "$file.new could not be written"]; }
                if (is_file($file)) {
                    chmod("$file.new", fileperms($file) & 0777);
                    if (fileowner("$file.new") !== fileowner($file)) { chown("$file.new", fileowner($file)); }
                }
                if (!rename("$file.new", $file)) { return ['error' => "$file could not be replaced"]; }
            }
            $command = (new ReflectionClass(Illuminate\Foundation\Console\DownCommand::class))->getFileName();
            $stub = dirname($command) . '/stubs/maintenance-mode.stub';
            if (is_file($stub)) { copy($stub, "$directory/maintenance.php"); }
            return ['replaced' => true];
        }
        $template = $data['template'] ?? null;
        return [
            'driver' => $driver, 'active' => $active, 'version' => $app->version(), 'readable' => $readable,
            'redirect' => $data['redirect'] ?? null, 'retry' => $data['retry'] ?? null, 'refresh' => $data['refresh'] ?? null,
            'status' => (int) ($data['status'] ?? 503),
            'secret_set' => isset($data['secret']),
            'secret_same' => isset($data['secret'], $in['secret']) && hash_equals((string) $data['secret'], $in['secret']),
            'template_set' => $template !== null, 'template_same' => $template !== null && $in['render'] && $template === $render(),
            'stub' => is_file("$directory/maintenance.php"),
            'since' => $active && $driver === 'file' ? filemtime($file) : null,
        ];
    } catch (Throwable $e) {
        return ['error' => $e->getMessage()];
    }
"""


class Application:
    """The application on one target."""

    def __init__(self, transport: Transport, target: str, app_dir: str, php: str, timeout: float) -> None:
        self._place = (transport, target, app_dir, php)
        self._timeout = timeout
        self.target = target
        self.name = "the application in %s on %s" % (app_dir, target)

    def look(self, want: Wanted, clean: bool) -> Seen:
        """Its state now, compared with what is wanted; ``clean`` removes what a run that was killed may have left."""
        answer = self._ask(want, "look", clean)
        return Seen(**{**answer, "version": output.version(answer["version"])})

    def replace(self, want: Wanted) -> None:
        """Write the wanted options over the old ones, in one step, while it is down."""
        self._ask(want, "replace", True)

    def _ask(self, want: Wanted, act: str, clean: bool) -> Dict[str, Any]:
        transport, target, app_dir, php = self._place
        data = {**payload(want), "act": act, "clean": clean}
        answer: Dict[str, Any] = ask(transport, target, app_dir, php, _PROGRAM, data, self._timeout)
        if answer.get("no_view"):
            raise BadInput(
                "%s has no view '%s' to render." % (self.name.capitalize(), want.render),
                "Name one that is below resources/views, or errors::503 for the framework's own. Nothing was changed.",
            )
        if "error" in answer:
            raise Unavailable(
                "Maintenance mode of %s can't be %s: %s."
                % (self.name, "read" if act == "look" else "changed", answer["error"]),
                "Run the task as the user the application runs as (become_user); with the cache driver its store must answer.",
            )
        return answer
