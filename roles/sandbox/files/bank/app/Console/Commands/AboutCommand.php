<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Console\Commands;

use Illuminate\Console\Command;

/** What Laravel 9.21 and later tell of themselves, for one that does not yet. */
class AboutCommand extends Command
{
    protected $signature = 'about {--only= : The section to display}
                {--json : Output the information as JSON}';

    protected $description = 'Display basic information about your application';

    public function handle(): int
    {
        $only = array_filter(explode(',', (string) $this->option('only')));
        $sections = array_filter(
            $this->sections(), fn ($name) => ! $only || in_array($name, $only, true), ARRAY_FILTER_USE_KEY
        );
        if ($this->option('json')) {
            $this->output->write(json_encode($sections)."\n\n");

            return 0;
        }
        foreach ($sections as $name => $rows) {
            $this->line('');
            $this->row(ucfirst($name), '');
            foreach ($rows as $key => $value) {
                $this->row($this->label($key), is_bool($value) ? $this->word($name, $value) : $value);
            }
        }
        $this->line('');

        return 0;
    }

    private function sections(): array
    {
        return [
            'environment' => [
                'application_name' => config('app.name'),
                'laravel_version' => $this->laravel->version(),
                'php_version' => PHP_VERSION,
                'composer_version' => '-',
                'environment' => $this->laravel->environment(),
                'debug_mode' => (bool) config('app.debug'),
                'url' => preg_replace('#^https?://#', '', config('app.url')),
                'maintenance_mode' => $this->laravel->isDownForMaintenance(),
                'timezone' => config('app.timezone'),
                'locale' => config('app.locale'),
            ],
            'cache' => [
                'config' => $this->laravel->configurationIsCached(),
                'events' => $this->laravel->eventsAreCached(),
                'routes' => $this->laravel->routesAreCached(),
                'views' => glob(config('view.compiled').'/*.php') !== [],
            ],
            'drivers' => [
                'broadcasting' => config('broadcasting.default'),
                'cache' => config('cache.default'),
                'database' => config('database.default'),
                'logs' => config('logging.default'),
                'mail' => config('mail.default'),
                'queue' => config('queue.default'),
                'session' => config('session.driver'),
            ],
        ];
    }

    private function label(string $key): string
    {
        return str_replace(['Php', 'Url'], ['PHP', 'URL'], ucwords(str_replace('_', ' ', $key)));
    }

    private function word(string $section, bool $value): string
    {
        $words = $section === 'cache' ? ['NOT CACHED', 'CACHED'] : ($value ? ['', 'ENABLED'] : ['OFF', '']);

        return $words[(int) $value];
    }

    private function row(string $left, string $right): void
    {
        $right = $right === '' ? '' : " {$right}";
        $this->output->write('  '.$left.' '.str_repeat('.', max(0, 75 - strlen($left.$right)))."{$right}  \n");
    }
}
