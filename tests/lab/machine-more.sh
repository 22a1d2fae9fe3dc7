#!/usr/bin/env bash
# Makes the layer over the base tree that has what the shipped runbooks work on: HAProxy, nginx, etcd, and what goes with them.
#
# Owns: what is in the layer. Must not: start any of it (a test does), leave sources of packages in it, or touch anything outside of
# LAYER. Only machine.sh starts it, in mount and process namespaces of its own. The digest of this file and of the base tree's recipe
# is the version of the layer.
#
#   machine-more.sh LAYER CACHE TREE    makes LAYER over TREE; CACHE is not used
#
# In it: haproxy, socat, nginx, curl, openssl, etcd and etcdctl, installed and switched off. /opt/needrestart holds needrestart and
# what it needs, which a test may install: a host that has it answers otherwise.
set -euo pipefail
layer=$1 tree=$1.root
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
die() { echo "machine-more: $*" >&2; exit 1; }

mkdir -p "$layer" "$layer.work" "$tree"
mount -t overlay more -o "lowerdir=$3,upperdir=$layer,workdir=$layer.work" "$tree"

# This machine's own apt asks its mirror, as if the tree's packages were installed here.
fetch() { # FOLDER PACKAGE...
  local folder=$tree$1
  shift
  mkdir -p "$folder/partial"
  "${apt[@]}" -y --no-install-recommends --download-only -o Dir::State::status="$tree/var/lib/dpkg/status" \
    -o Dir::State::extended_states=/dev/null -o Dir::Cache::archives="$folder" install "$@" >/dev/null || die "no way to get $*"
  rm -rf "$folder/partial" "$folder/lock"
}
lists=$(mktemp -d)
trap 'rm -rf "$lists"' EXIT
mkdir "$lists/partial"
apt=(apt-get -qq -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Dir::State::lists="$lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
"${apt[@]}" update --error-on=any

printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
fetch /opt/more haproxy socat nginx-light curl openssl etcd-server etcd-client
chroot "$tree" sh -c 'dpkg -i /opt/more/*.deb' >/dev/null
rm -r "$tree/opt/more" "$tree/usr/sbin/policy-rc.d"
for unit in haproxy nginx etcd; do
  chroot "$tree" systemctl -q disable "$unit"
  [ ! -e "$tree/etc/systemd/system/multi-user.target.wants/$unit.service" ] || die "$unit would start with the machine"
done
rm -f "$tree/etc/nginx/sites-enabled/default"
fetch /opt/needrestart needrestart
: >"$tree/etc/machine-id"
umount "$tree"
rmdir "$tree"
rm -rf "$layer.work"
