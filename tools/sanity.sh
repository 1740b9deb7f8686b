#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# ansible-test sanity with the newest and the oldest supported ansible-core, on a copy of the checkout: ansible-test wants
# the collection's real path to end in ansible_collections/finaegis/runbook. Checked is what users get; ruff and pytest
# look after tests/ and tools/. Arguments go to ansible-test.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
checkout=$PWD

tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
copy=$tree/ansible_collections/finaegis/runbook
mkdir -p "$copy"
for namespace in .collections/ansible_collections/*/; do
  [[ $namespace == */finaegis/ ]] || ln -s "$checkout/${namespace%/}" "$tree/ansible_collections/"
done
files() { git ls-files -z --cached --others --exclude-standard -- "$@"; }
{ files . ':!molecule' ':!tests' ':!tools' && files tests/sanity; } |
  rsync -a --from0 --files-from=- --ignore-missing-args . "$copy"
# ansible-test asks git for the files; without a repository of its own it finds "All targets skipped" and exits 0.
git -C "$copy" init -q

# ansible-test keeps its environments and its get-pip below the home directory.
home=$checkout/.cache/ansible-test
mkdir -p "$home/.ansible/test/cache"
if [[ -z ${PIP_CONFIG_FILE:-} && -f $HOME/.config/pip/pip.conf ]]; then
  export PIP_CONFIG_FILE=$HOME/.config/pip/pip.conf
fi
# pyenv's shims fail for versions that are not chosen; the interpreters themselves are put in front instead, so that
# the compile and import tests also run on what a managed host may have.
path=$(tr ':' '\n' <<<"$PATH" | grep -v '/shims$' | paste -sd:)
for directory in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.*/bin; do
  [[ -d $directory ]] && path=$directory:$path
done

failed=()
for venv in .venv .venv-floor; do
  version=$("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("ansible-core"))')
  requirements=$(echo "$venv"/lib/python*/site-packages/ansible_test/_internal/python_requirements.py)
  while read -r pip; do
    cp tools/get_pip.py "$home/.ansible/test/cache/get_pip_${pip//./_}.py"
  done < <(grep -oP "pip='\K[0-9.]+" "$requirements")
  echo "sanity: ansible-core $version"
  # What a managed host may run is tried once, with the floor, which knows the older Pythons.
  only=()
  [[ $venv == .venv-floor ]] || only=(--python "$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')")
  log=$tree/log
  (cd "$copy" && HOME=$home PATH=$checkout/$venv/bin:$path "$checkout/$venv/bin/ansible-test" sanity --color no "${only[@]}" "$@") 2>&1 |
    tee "$log" || failed+=("$version")
  if grep -q 'All targets skipped' "$log"; then
    echo "sanity: ansible-test found nothing to test" >&2
    failed+=("$version")
  fi
done
if ((${#failed[@]})); then
  echo "sanity: failed with ansible-core ${failed[*]}" >&2
  exit 1
fi
