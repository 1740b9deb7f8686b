#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Run molecule with what our scenarios need: tools/molecule.sh COMMAND [ARGUMENT...]; "test" alone runs every scenario.
# podman needs root here (networks, systemd in containers); all that root writes goes below .cache/molecule.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $(id -u) != 0 ]]; then
  command -v sudo >/dev/null || { echo "molecule: needs root or sudo" >&2; exit 1; }
  # So that apt, podman and pip reach what they reach for the user.
  exec sudo --preserve-env=http_proxy,https_proxy,no_proxy bash tools/molecule.sh "$@"
fi

checkout=$PWD
cache=$checkout/.cache/molecule
mkdir -p "$cache"
export PATH=$checkout/.venv/bin:$PATH LC_ALL=C.UTF-8 NO_COLOR=1 PYTHONDONTWRITEBYTECODE=1
export ANSIBLE_HOME=$cache/ansible XDG_CACHE_HOME=$cache
export CONTAINERS_CONF=$checkout/molecule/shared/containers.conf
# Two checkouts on one machine stay out of each other's containers.
RUNBOOK_MOLECULE_PREFIX=runbook-$(sha256sum <<<"$checkout" | head -c 6)
RUNBOOK_MOLECULE_IMAGE=$(bash molecule/shared/image.sh)
export RUNBOOK_MOLECULE_PREFIX RUNBOOK_MOLECULE_IMAGE

arguments=("$@")
if [[ $* == test ]]; then
  compgen -G 'molecule/*/molecule.yml' >/dev/null || { echo "molecule: no scenarios below molecule/" >&2; exit 1; }
  arguments+=(--all)
fi
exec molecule --base-config "$checkout/molecule/base.yml" "${arguments[@]}"
