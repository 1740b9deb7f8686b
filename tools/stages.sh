#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run make targets one after the other, stop at the first that fails, and end with a line of timing for each.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

report=()
status=0
for stage in "$@"; do
  printf '\n== %s\n' "$stage"
  start=$SECONDS
  if make --no-print-directory "$stage"; then
    report+=("$(printf '%-12s passed  %4d s' "$stage" $((SECONDS - start)))")
  else
    status=1
    report+=("$(printf '%-12s FAILED  %4d s' "$stage" $((SECONDS - start)))")
    break
  fi
done

printf '\n'
printf '%s\n' "${report[@]}"
if ((status)); then
  echo "make test: stage '$stage' failed, see above; run it alone with: make $stage" >&2
else
  echo "make test: all ${#report[@]} stages passed in $SECONDS s"
fi
exit "$status"
