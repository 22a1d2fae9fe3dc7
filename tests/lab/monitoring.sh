#!/usr/bin/env bash
# Downloads what the checks are compared with, for a test machine that has no network: Debian's monitoring plugins and testinfra, and
# what they look at (nginx, PostgreSQL, MariaDB, chrony, dnsmasq).
#
# Owns: FOLDER, which holds the packages that the base tree lacks. Must not: install anything (the test does, on its own machine), or
# ask another network than this machine's own apt mirror. Only the tests and tests/run start it.
#
#   monitoring.sh FOLDER TREE     does nothing if FOLDER has what this recipe and this tree ask for
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd) tree=$2
export LC_ALL=C
die() { echo "monitoring: $*" >&2; exit 1; }
exec 9>"$folder/lock"
flock 9
version=$(cat "$0" "$tree/var/lib/dpkg/status" | sha256sum | cut -c1-12)
[ ! -e "$folder/$version" ] || { echo "$folder/$version"; exit 0; }
rm -rf --one-file-system "$folder"/????????????
new=$folder/new
rm -rf "$new"
mkdir -p "$new/partial" "$new/lists/partial"
apt=(apt-get -qq -y -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Dir::State::lists="$new/lists"
  -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Dir::Cache::archives="$new"
  -o Dir::State::status="$tree/var/lib/dpkg/status" -o Dir::State::extended_states=/dev/null)
"${apt[@]}" update --error-on=any || die "apt's mirror does not answer"
"${apt[@]}" --no-install-recommends --download-only install monitoring-plugins-basic monitoring-plugins-standard bind9-dnsutils \
  python3-testinfra curl openssl iputils-ping nginx-light chrony dnsmasq-base postgresql mariadb-server >/dev/null ||
  die "the packages cannot be had"
rm -rf "$new/partial" "$new/lists" "$new/lock"
mv "$new" "$folder/$version"
echo "$folder/$version"
