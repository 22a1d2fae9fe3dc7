#!/usr/bin/env bash
# Makes the tree that every machine of a lab begins with: the Debian of this machine, small, with an init, sshd, sudo and apt.
#
# Owns: what is in the tree. Must not: use another network than that of this machine's own apt mirror, or touch anything outside of
# TREE and CACHE. Only machine.sh starts it, in mount and process namespaces of its own. The digest of this file is the version of
# the tree: whoever changes the recipe gets a new tree.
#
#   machine-base.sh TREE CACHE    makes TREE; downloaded packages are kept in CACHE
#
# In it: `ops` may do anything with sudo and the password "maintenance-17", `deploy` without one. apt knows one archive and needs no
# network: /opt/archive, a package lab-demo in 1.0 (installed) and 1.1; /opt/beside holds its 2.0, which is in no archive.
set -euo pipefail
tree=$1 cache=$2
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
die() { echo "machine-base: $*" >&2; exit 1; }

# ---- from the mirror

# shellcheck source=/dev/null
. /etc/os-release
suite=${VERSION_CODENAME:?this machine does not say which release it is}
# apt may know a proxy that debootstrap does not ask for.
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}"
mirror=$(apt-get indextargets --format '$(RELEASE) $(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
  awk -v suite="$suite" '($1 == suite || $2 == suite) && $3 == "main" { print $4; exit }')
[ -n "$mirror" ] || die "apt has no mirror of $suite: look at /etc/apt/sources.list"
mkdir -p "$cache"
debootstrap --variant=minbase --cache-dir="$cache" \
  --include=openssh-server,sudo,systemd-sysv,dbus,libpam-systemd,iproute2,procps "$suite" "$tree" "$mirror" ||
  die "debootstrap of $suite from $mirror failed"

# ---- users and logins

rm -f "$tree"/etc/ssh/ssh_host_* "$tree"/var/cache/apt/archives/*.deb
for user in ops deploy; do chroot "$tree" useradd -m -s /bin/bash "$user"; done
echo 'ops:maintenance-17' | chroot "$tree" chpasswd
echo 'ops ALL=(ALL:ALL) ALL' >"$tree/etc/sudoers.d/ops"
echo 'deploy ALL=(ALL:ALL) NOPASSWD: ALL' >"$tree/etc/sudoers.d/deploy"
chmod 440 "$tree"/etc/sudoers.d/*
# One key opens every account: whose it is, is written when a machine is made.
cat >"$tree/etc/ssh/sshd_config.d/lab.conf" <<END
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys
UseDNS no
END

# ---- an archive without a network

package() { # VERSION FOLDER
  local made=$tree/opt/made
  mkdir -p "$made/DEBIAN" "$made/usr/bin" "$made/etc" "$tree/opt/$2"
  cat >"$made/DEBIAN/control" <<END
Package: lab-demo
Version: $1
Architecture: all
Maintainer: Lab <lab@localhost>
Description: says its version
END
  echo /etc/lab-demo.conf >"$made/DEBIAN/conffiles"
  echo "made for $1" >"$made/etc/lab-demo.conf"
  printf '#!/bin/sh\necho lab-demo %s\n' "$1" >"$made/usr/bin/lab-demo"
  chmod -R u=rwX,go=rX "$made"
  chmod 755 "$made/usr/bin/lab-demo"
  chroot "$tree" dpkg-deb --root-owner-group -b /opt/made "/opt/$2/lab-demo_$1_all.deb" >/dev/null
  rm -r "$made"
}
package 1.0 archive
package 1.1 archive
package 2.0 beside
for deb in "$tree"/opt/archive/*.deb; do
  chroot "$tree" dpkg-deb -f "/opt/archive/${deb##*/}"
  printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "${deb##*/}" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done >"$tree/opt/Packages"
mv "$tree/opt/Packages" "$tree/opt/archive/Packages"
rm -rf "$tree"/etc/apt/sources.list.d/* "$tree"/var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/opt/archive ./' >"$tree/etc/apt/sources.list"
chroot "$tree" apt-get update -qq
chroot "$tree" apt-get install -y -qq lab-demo=1.0 >/dev/null
[ "$(chroot "$tree" lab-demo)" = "lab-demo 1.0" ] || die "the package of the archive is not installed"

# ---- an init without a screen, a network of its own, or errands

for unit in console-getty.service systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer; do
  ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done
rm -f "$tree/var/lib/dbus/machine-id"
: >"$tree/etc/machine-id" # each machine has its own
