#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run make targets, those of one argument one after the other, the arguments beside each other. What a stage printed is
# shown when it has ended; all run, and a line of timing for each ends it. tools/stages.sh "lint unit" integration
set -uo pipefail
cd "$(dirname "$0")/.." || exit

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

lane() {
  local stage start result status=0
  for stage in "$@"; do
    start=$SECONDS
    echo "== $stage begins"
    if make --no-print-directory "$stage" >"$logs/$stage" 2>&1; then
      result=passed
    else
      result=FAILED
      status=1
    fi
    result=$(printf '%-12s %s  %4d s' "$stage" "$result" $((SECONDS - start)))
    echo "$result" >>"$logs/.results"
    # One write, so that two lanes do not mix.
    printf '\n== %s\n%s\n== %s\n' "$stage" "$(cat "$logs/$stage")" "$result"
  done
  return "$status"
}

status=0
lanes=()
for stages in "$@"; do
  read -ra words <<<"$stages"
  lane "${words[@]}" &
  lanes+=($!)
done
for pid in "${lanes[@]}"; do
  wait "$pid" || status=1
done

printf '\n'
cat "$logs/.results"
if ((status)); then
  echo "make test: failed in $SECONDS s, see above; run a stage alone with: make STAGE" >&2
else
  echo "make test: all stages passed in $SECONDS s"
fi
exit "$status"
