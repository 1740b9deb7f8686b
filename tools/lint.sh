#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Every linter, the fast ones first; all run, so that one look shows everything there is to mend.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
# ansible-lint and antsibull-docs call ansible's commands by name. ANSIBLE_HOME: their caches stay out of the user's.
export PATH=$PWD/.venv/bin:$PATH ANSIBLE_HOME=$PWD/.cache/ansible LC_ALL=C.UTF-8 NO_COLOR=1

failed=()
check() {
  local name=$1
  shift
  echo "lint: $name"
  "$@" || failed+=("$name")
}

mapfile -t scripts < <(git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run)
check "ruff check" ruff check --quiet .
check "ruff format" ruff format --check .
check "shellcheck" shellcheck "${scripts[@]}"
check "yamllint" yamllint --strict .
check "mypy" mypy --no-error-summary
check "changelog" antsibull-changelog lint
check "documentation" antsibull-docs lint-collection-docs --plugin-docs .
check "ansible-lint" ansible-lint --offline -q

if ((${#failed[@]})); then
  printf -v names '%s, ' "${failed[@]}"
  echo "lint: failed: ${names%, }" >&2
  exit 1
fi
