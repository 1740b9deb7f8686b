#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# make clean: stop and remove what make made, the sandbox and the scenarios' containers and images first.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -d .sandbox && -x .venv/bin/ansible-playbook ]]; then
  .venv/bin/ansible-playbook -i inventories/sandbox playbooks/sandbox.yml -e sandbox_state=absent
fi
as_root=()
[[ $(id -u) == 0 ]] || as_root=(sudo)
if command -v podman >/dev/null && [[ -d .cache/molecule ]]; then
  export CONTAINERS_CONF=$PWD/molecule/shared/containers.conf
  prefix=runbook-$(sha256sum <<<"$PWD" | head -c 6)
  "${as_root[@]}" podman ps --all --quiet --filter "name=^$prefix-" | xargs -r "${as_root[@]}" podman rm --force --time 2
  "${as_root[@]}" podman network ls --quiet --filter "name=^$prefix-" | xargs -r "${as_root[@]}" podman network rm
  "${as_root[@]}" podman images --quiet --filter reference=localhost/finaegis-runbook-molecule | sort -u |
    xargs -r "${as_root[@]}" podman rmi
  "${as_root[@]}" rm -rf .cache/molecule
fi
rm -rf .venv .venv-floor .collections .cache .sandbox .hypothesis .ansible
find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
