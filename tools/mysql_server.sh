#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Oracle's MySQL server for the tests, without installing it: Debian has it in sid alone, where it must not meet the
# machine's own packages. So its packages and all their libraries are unpacked below .cache/mysql-server, and it runs with
# the C library that came with it. Needs no root and no container.
#
#   tools/mysql_server.sh            builds what is missing; prints the directory with `mysqld` and a fresh `data` to copy
#   MYSQL_APT_LINE='deb URI SUITE main' tools/mysql_server.sh      takes the server from there instead
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8

die() { printf 'mysql_server: %s\n' "$*" >&2; exit 1; }

# The machine's own mirror; on Debian its sid, on Ubuntu its own release.
machine_line() {
  local uri release component mirror=''
  # shellcheck source=/dev/null
  . /etc/os-release
  while read -r uri release component; do
    if [[ $release == "${VERSION_CODENAME:-}" && $component == main ]]; then mirror=$uri; fi
  done <<<"$(apt-get indextargets --format "\$(REPO_URI) \$(RELEASE) \$(COMPONENT)" 'Created-By: Packages' 2>/dev/null)"
  [[ -n $mirror ]] || die "no mirror of '${VERSION_CODENAME:-this system}' in this machine's apt sources"
  case $ID in
    debian) release=sid ;;
    ubuntu) release=$VERSION_CODENAME ;;
    *) die "made for Debian and Ubuntu, this is ${PRETTY_NAME:-$ID}" ;;
  esac
  printf 'deb [signed-by=/usr/share/keyrings/%s-archive-keyring.gpg] %s %s main\n' "$ID" "$mirror" "$release"
}

# An apt of our own below $work: no installed packages, one source; the machine's keys and proxies stay in force.
private_apt() {
  mkdir -p "$work"/apt/{lists,archives}/partial
  : >"$work/apt/status"
  printf '%s\n' "$line" >"$work/apt/sources.list"
  cat >"$work/apt/apt.conf" <<END
Dir::State "$work/apt";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt";
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Keep-Downloaded-Packages "true";
Acquire::Languages "none";
DPkg::Post-Invoke "";
END
  export APT_CONFIG=$work/apt/apt.conf
}

build() {
  local package candidate deb loader libraries
  private_apt
  apt-get update -qq >"$work/log" 2>&1 || true
  for package in mysql-server-core mysql-server-core-8.0; do
    candidate=$(apt-cache policy "$package" | sed -n 's/^  Candidate: //p')
    [[ -n $candidate && $candidate != '(none)' ]] && break
  done
  [[ -n $candidate && $candidate != '(none)' ]] || die "no MySQL server at '$line'. $(tail -n 3 "$work/log")"
  apt-get install --download-only -y -qq "$package" >"$work/log" 2>&1 ||
    die "downloading $package from '$line' failed. $(tail -n 3 "$work/log")"
  # The directories that link /lib to /usr/lib are in no package's archive of every release.
  mkdir -p "$work/root/usr"/{bin,sbin,lib,lib64}
  for deb in usr/bin usr/sbin usr/lib usr/lib64; do ln -s "$deb" "$work/root/${deb#usr/}"; done
  for deb in "$work"/apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/root" --keep-directory-symlink --no-same-owner
  done
  loader=$(readlink -f "$work"/root/usr/lib/*-linux-gnu/ld-linux-*.so.*)
  libraries=$(dirname "$loader")
  [[ -x $loader ]] || die "the packages of $package hold no loader for this machine"
  rm -rf "$work/apt"
  # --no-defaults must come first; the wrapper is replaced by the server, which so has its process id.
  cat >"$work/mysqld" <<END
#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
exec '${loader/"$work"/"$place"}' --library-path '${libraries/"$work"/"$place"}' '$place/root/usr/sbin/mysqld' \\
  --no-defaults --basedir='$place/root/usr' --secure-file-priv= "\$@"
END
  chmod +x "$work/mysqld"
  printf '%s\n' "$candidate" >"$work/version"
}

initialise() {
  local as_root=()
  [[ $(id -u) == 0 ]] && as_root=(--user=root)
  "$place/mysqld" "${as_root[@]}" --initialize-insecure --datadir="$place/data" --innodb-redo-log-capacity=8M \
    --innodb-doublewrite=OFF >"$place/log" 2>&1 || die "the server can't initialise its data: $(tail -n 3 "$place/log")"
  rm "$place/data/auto.cnf"  # its identity; each copy makes its own
}

line=${MYSQL_APT_LINE:-$(machine_line)}
place=$PWD/.cache/mysql-server/$(sha256sum <<<"$line" | cut -c -12)
stamp="$place $line $(sha256sum <tools/mysql_server.sh)"
mkdir -p "$place"
exec 9>"$place/lock"
flock 9
if [[ ! -f $place/made-of || $(<"$place/made-of") != "$stamp" ]]; then
  work=$(mktemp -d "$place/work.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  build
  rm -rf "$place/made-of" "$place/root" "$place/data"
  mv "$work"/{root,mysqld,version} "$place/"
  initialise
  printf '%s\n' "$stamp" >"$place/made-of"
fi
printf '%s\n' "$place"
