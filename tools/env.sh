#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# make env: system packages, two virtual environments, collections. Does only what is missing; warm it takes a second.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8
# A virtual environment of the caller must not be taken for ours.
unset VIRTUAL_ENV PYTHONHOME PYTHONPATH

# The sandbox (PHP, MariaDB, Redis), molecule (podman, debootstrap) and lint. redis-tools carries the server's binary
# without its service: redis-check-rdb, called as redis-server, is the server. The benchmarks compare with pt-kill.
packages=(
  ca-certificates git rsync shellcheck zstd
  php-cli php-laravel-framework php-redis php-mysql php-mbstring php-xml php-curl
  mariadb-server-core mariadb-client mariadb-backup mydumper age gnupg redis-tools
  debootstrap podman runc netavark aardvark-dns iptables percona-toolkit
)
# ansible-core 2.21, the newest in requirements/dev.txt, runs on 3.12 to 3.14, the floor (2.19) on 3.11 to 3.13.
newest_pythons="3.14 3.13 3.12 3.11"
floor_pythons="3.11 3.12 3.13"

say() { printf 'env: %s\n' "$*"; }
die() { printf 'env: %s\n' "$*" >&2; exit 1; }

install_packages() {
  local missing=() package as_root=() hidden=()
  for package in "$@"; do
    # db:Status-Abbrev "ii ": wanted and installed.
    [[ "$(dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null)" == "ii "* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || die "not root and no sudo; install by hand: ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0)
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" "${install[@]}" --download-only "${missing[@]}" >/dev/null
  # Packages start services of theirs where systemd runs. Here they don't see it, so this machine's stay as they are.
  # (Where even root may not unshare, in some containers, what starts are sockets and timers.)
  if [[ -d /run/systemd/system ]] && "${as_root[@]}" unshare --mount true 2>/dev/null; then
    hidden=(unshare --mount sh -c 'mount -t tmpfs none /run/systemd && exec "$@"' sh)
  fi
  "${as_root[@]}" "${hidden[@]}" "${install[@]}" "${missing[@]}" >/dev/null
}

# "3.13 /path/to/python3.13", one line for each interpreter on the machine, the system's own last.
# PATH alone does not do: pyenv keeps most of its versions off it and its shims fail without a chosen version.
pythons() {
  local path
  for path in "$HOME"/.local/share/uv/python/*/bin/python3.?? .cache/python/*/bin/python3.?? \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3.?? /usr/local/bin/python3.?? /usr/bin/python3.??; do
    [[ -x $path ]] && printf '%s %s\n' "${path##*python}" "$path"
  done
}

# First of the wanted versions ($1, in order of preference) that is installed and runs.
find_python() {
  local wanted version path
  for wanted in $1; do
    while read -r version path; do
      if [[ $version == "$wanted" ]] && "$path" -c '' 2>/dev/null; then
        echo "$path"
        return
      fi
    done <<<"$found"
  done
}

find_uv() {
  if uv --version >/dev/null 2>&1; then
    uv=uv
    return
  fi
  uv=.cache/uv/bin/uv
  [[ -x $uv ]] && return
  # A fresh Debian's python3 takes no packages (externally managed) and makes no environment without python3-venv.
  python3 -c 'import ensurepip' 2>/dev/null || install_packages python3-venv
  say "installing uv"
  python3 -m venv --clear .cache/uv
  .cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
}

# make_venv DIRECTORY PYTHON LOCK: rebuilt when the interpreter or the lock file differs from what it was made of.
make_venv() {
  local stamp
  stamp="$2 $(sha256sum <"$3")"
  [[ -f $1/.made-of && $(<"$1/.made-of") == "$stamp" ]] && return
  say "$1: $2, $3"
  [[ -x $1/bin/python && $("$1/bin/python" -c 'import sys; print(sys._base_executable)') == "$2" ]] ||
    "$uv" venv --quiet --clear --no-python-downloads --python "$2" "$1"
  rm -f "$1/.made-of"
  "$uv" pip sync --quiet --python "$1/bin/python" --require-hashes "$3"
  printf '%s\n' "$stamp" >"$1/.made-of"
}

make_collections() {
  local stamp
  stamp=$(cat galaxy.yml requirements/collections.txt tools/fetch_collections.py | sha256sum)
  [[ -f .collections/.made-of && $(<.collections/.made-of) == "$stamp" ]] && return
  .venv/bin/python tools/fetch_collections.py .
  printf '%s\n' "$stamp" >.collections/.made-of
}

mkdir -p .cache
install_packages "${packages[@]}"
find_uv
found=$(pythons)
newest=$(find_python "$newest_pythons")
[[ -n $newest ]] || die "no Python 3.11 or later found on this machine"
floor=$(find_python "$floor_pythons")
if [[ -z $floor ]]; then
  say "no Python for the oldest ansible-core here ($floor_pythons): asking uv for 3.13"
  UV_PYTHON_INSTALL_DIR=$PWD/.cache/python "$uv" python install --quiet 3.13 ||
    die "install one of Python $floor_pythons and run this again"
  found=$(pythons)
  floor=$(find_python "$floor_pythons")
fi
make_venv .venv "$newest" requirements/dev.txt
make_venv .venv-floor "$floor" requirements/floor.txt
make_collections
