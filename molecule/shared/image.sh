#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Make the image that the scenarios' containers run: this machine's own Debian or Ubuntu release, from its own mirrors
# (no container registry needed), with systemd, MariaDB, Redis and PHP. Prints its name. The tag is made of this file and
# the release, so that an image is made again only when one of them changes. Run as root by tools/molecule.sh.
set -euo pipefail

packages=(
  systemd systemd-sysv dbus python3 sudo procps iproute2 ca-certificates curl zstd
  mariadb-server mariadb-client redis-server
  php-cli php-laravel-framework php-redis php-mysql php-mbstring php-xml php-curl
)

# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
tag=$({ cat "$0" && echo "$release"; } | sha256sum | head -c 12)
image=localhost/finaegis-runbook-molecule:$tag
if podman image exists "$image"; then
  echo "$image"
  exit
fi

echo "molecule: making $image (once, about two minutes)" >&2
# What all the package scripts say is only of interest when something fails.
log=$(mktemp)
exec 3>&1 4>&2 >"$log" 2>&1
root=$(mktemp -d)
# It becomes the container's /, which everyone may read.
chmod 755 "$root"
cleanup() {
  local status=$?
  umount -q "$root/proc" || true
  # One file system only: should a mount be left, what it shows is not ours to delete.
  rm -rf --one-file-system "$root"
  ((status == 0)) || { tail -n 40 "$log" && echo "molecule: no image"; } >&4
  rm -f "$log"
}
trap cleanup EXIT

# The distribution's own repositories as this machine knows them (any format of sources), not what others were added.
apt-get update -qq
# shellcheck disable=SC2016  # apt-get's own placeholders
sources=$(apt-get indextargets --format '$(ORIGIN)|deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
  sed -nE 's/^(Debian|Ubuntu)\|//p' | sort -u)
mirror=$(awk -v release="$release" '$3 == release { print $2; exit }' <<<"$sources")
components=$(awk -v release="$release" '$3 == release { print $4 }' <<<"$sources" | sort -u | paste -sd,)
[[ -n $mirror ]] || { echo "molecule: apt knows no mirror of $release"; exit 1; }
debootstrap --variant=minbase --components="$components" "$release" "$root" "$mirror"

# Inside: no service may start (it would be started on this machine), and apt goes out the way it does here.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
printf '%s\n' "$sources" >"$root/etc/apt/sources.list"
{ apt-config dump | grep -E '^Acquire::https?::' || true; } >"$root/tmp/apt.conf"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
mount -t proc proc "$root/proc"
inside() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
  APT_CONFIG=/tmp/apt.conf ${http_proxy:+http_proxy="$http_proxy"} chroot "$root" "$@"; }
inside apt-get update -qq
inside apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "${packages[@]}"
# A scenario starts what its hosts are for.
inside systemctl disable --quiet mariadb.service redis-server.service
inside apt-get clean
rm -rf "$root"/usr/sbin/policy-rc.d "$root"/var/lib/apt/lists/* "$root"/tmp/apt.conf "$root"/etc/hostname
: >"$root/etc/resolv.conf"
# Empty, each container gets its own; missing, systemd would take the boot for the first and enable every service.
: >"$root/etc/machine-id"
umount "$root/proc"

tar --one-file-system -C "$root" -c . | podman import --quiet --change 'CMD ["/sbin/init"]' - "$image"
echo "$image" >&3
