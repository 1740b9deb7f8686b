<?php
// SPDX-License-Identifier: GPL-3.0-or-later

namespace App\Horizon\Console;

/** The look of newer frameworks' console, which this one lacks: "   INFO  Text.  " between blank lines. */
trait Prints
{
    /** @var bool whether the last thing printed ended with a blank line */
    protected bool $blank = false;

    protected function say(string $level, string $text): void
    {
        $text .= preg_match('/[.?!:]$/', $text) ? '' : '.';
        $this->output->write(($this->blank ? '' : "\n")."   {$level}  {$text}  \n\n");
        $this->blank = true;
    }

    /** One line of a task: what, dots, how long, DONE or FAIL; 80 columns. */
    protected function task(string $what, callable $do): bool
    {
        $began = microtime(true);
        $done = $do() !== false;
        $took = sprintf(' %sms', number_format((microtime(true) - $began) * 1000, 2));
        $dots = str_repeat('.', max(80 - strlen($what) - strlen($took) - 10, 0));
        $this->output->write("  {$what} {$dots}{$took} ".($done ? 'DONE' : 'FAIL')."\n");
        $this->blank = false;

        return $done;
    }
}
