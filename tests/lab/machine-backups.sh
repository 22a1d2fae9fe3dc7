#!/usr/bin/env bash
# Makes the layer over the base tree that restore tests work on: PostgreSQL and MariaDB, and what takes backups of them and of files.
#
# Owns: what is in the layer. Must not: start any of it (a test does), make a database in it, leave sources of packages in it, or
# touch anything outside of LAYER. Only machine.sh starts it, in mount and process namespaces of its own. The digest of this file and
# of the base tree's recipe is the version of the layer.
#
#   machine-backups.sh LAYER CACHE TREE    makes LAYER over TREE; CACHE is not used
#
# In it: PostgreSQL (with contrib, no cluster), pgbackrest, mariadb-server, restic, borg, getfattr and getfacl. No unit of it starts with
# the machine.
set -euo pipefail
layer=$1 tree=$1.root
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
die() { echo "machine-backups: $*" >&2; exit 1; }

mkdir -p "$layer" "$layer.work" "$tree"
mount -t overlay backups -o "lowerdir=$3,upperdir=$layer,workdir=$layer.work" "$tree"
mount -t proc proc "$tree/proc"
mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"

# This machine's own apt asks its mirror, as if the tree's packages were installed here.
lists=$(mktemp -d)
trap 'rm -rf "$lists"' EXIT
mkdir "$lists/partial"
apt=(apt-get -qq -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Dir::State::lists="$lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
"${apt[@]}" update --error-on=any
mkdir -p "$tree/opt/backups/partial"
"${apt[@]}" -y --no-install-recommends --download-only -o Dir::State::status="$tree/var/lib/dpkg/status" \
  -o Dir::State::extended_states=/dev/null -o Dir::Cache::archives="$tree/opt/backups" \
  install postgresql postgresql-contrib pgbackrest mariadb-server mariadb-client restic borgbackup attr acl >/dev/null ||
  die "no way to get the packages"

# No cluster of PostgreSQL is made, and no process is started.
mkdir -p "$tree/etc/postgresql-common"
echo 'create_main_cluster = false' >"$tree/etc/postgresql-common/createcluster.conf"
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d"
chmod 755 "$tree/usr/sbin/policy-rc.d"
# The tree's apt knows in which order; it has them all there, and asks no network.
chroot "$tree" sh -c 'apt-get -qq -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install /opt/backups/*.deb' >/dev/null
rm -r "$tree/opt/backups" "$tree/usr/sbin/policy-rc.d"

# What would start with the machine, and did not before.
for link in "$layer"/etc/systemd/system/*.wants/*; do
  [ ! -L "$link" ] || rm "$tree${link#"$layer"}"
done
for tool in psql pgbackrest mariadbd mariadb-dump mariadb-install-db restic borg getfattr getfacl; do
  chroot "$tree" sh -c "command -v $tool" >/dev/null || die "no $tool in the layer"
done
[ -z "$(chroot "$tree" pg_lsclusters -h 2>/dev/null)" ] || die "there is a cluster of PostgreSQL"
rm -f "$tree"/var/cache/debconf/*-old
: >"$tree/etc/machine-id"
umount "$tree/tmp" "$tree/proc" "$tree"
rmdir "$tree"
rm -rf "$layer.work"
