#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Write the lock files anew from requirements/*.in: tools/lock.sh [--upgrade]. Both environments get the same versions.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .cache/uv/bin/uv)
common=(--universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet "$@")

"$uv" pip compile "${common[@]}" requirements/dev.in -o requirements/dev.txt
shared=$(mktemp)
trap 'rm -f "$shared"' EXIT
# The two environments differ in ansible-core on purpose.
"$uv" pip compile "${common[@]}" --no-emit-package ansible-core requirements/dev.in -o "$shared" >/dev/null
"$uv" pip compile "${common[@]}" -c "$shared" requirements/floor.in -o requirements/floor.txt
sed -i '1i # SPDX-License-Identifier: GPL-3.0-or-later\n# Made by tools/lock.sh; change the .in files instead.' \
  requirements/dev.txt requirements/floor.txt
