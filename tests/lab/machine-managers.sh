#!/usr/bin/env bash
# Makes the layer over the base tree that machines of other families have: dnf 4, zypper and pacman, real ones, with what builds packages
# for them. Which of them a machine's packages are is decided by its os-release, which a test writes: none of them has a package yet.
#
# Owns: what is in the layer. Must not: use another network than that of this machine's own apt mirror, or touch anything outside of
# LAYER and CACHE. Only machine.sh starts it, in mount and process namespaces of its own. The digest of this file and of the base
# tree's recipe is the version of the layer.
#
#   machine-managers.sh LAYER CACHE TREE    makes LAYER over TREE; downloaded packages are kept in CACHE
set -euo pipefail
layer=$1 cache=$2 tree=$3
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
die() { echo "machine-managers: $*" >&2; exit 1; }

# ---- from the mirror

# shellcheck source=/dev/null
. /etc/os-release
suite=${VERSION_CODENAME:?this machine does not say which release it is}
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
export http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}"
mirror=$(apt-get indextargets --format '$(RELEASE) $(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
  awk -v suite="$suite" '($1 == suite || $2 == suite) && $3 == "main" { print $4; exit }')
[ -n "$mirror" ] || die "apt has no mirror of $suite: look at /etc/apt/sources.list"
mkdir -p "$layer" "$layer.work" "$layer.root" "$cache"
mount -t overlay managers -o "lowerdir=$tree,upperdir=$layer,workdir=$layer.work" "$layer.root"
root=$layer.root
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/var/lib/apt/lists"
mount --bind "$cache" "$root/var/cache/apt/archives"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind /dev "$root/dev"
cp /etc/resolv.conf "$root/tmp/resolv.conf"
[ -e "$root/etc/resolv.conf" ] || touch "$root/etc/resolv.conf"
mount --bind "$root/tmp/resolv.conf" "$root/etc/resolv.conf"
echo "deb $mirror $suite main" >"$root/tmp/sources.list"
apt() { chroot "$root" apt-get -q -o Dir::Etc::sourcelist=/tmp/sources.list -o Dir::Etc::sourceparts=/dev/null "$@"; }
apt update
apt install -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io dnf python3-dateutil python3-dbus python3-libcomps zypper rpm createrepo-c \
  pacman-package-manager libarchive-tools
# Debian calls the one at odds with zypper, for the name of a program; the other would bring a printing press: they are only laid there.
chroot "$root" sh -c "cd /var/cache/apt/archives && apt-get -q -o Dir::Etc::sourcelist=/tmp/sources.list \
  -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root download dnf-plugins-core makepkg"
chroot "$root" sh -c 'for deb in dnf-plugins-core makepkg; do dpkg-deb -x /var/cache/apt/archives/${deb}_*.deb / || exit; done'

# ---- as their own systems have them

mkdir -p "$root/etc/rpm"
echo '%_dbpath /var/lib/rpm' >"$root/etc/rpm/macros"
rm -f "$root"/etc/dnf/plugins/{local,copr,debuginfo-install,post-transaction-actions}.conf
rm -f "$root"/usr/lib/python3/dist-packages/dnf-plugins/{local,show_leaves,leaves,copr,debug,debuginfo-install,generate_completion_cache,post-transaction-actions}.py
printf '[main]\ngpgcheck=0\nbest=True\nskip_if_unavailable=True\ninstallonly_limit=3\n' >"$root/etc/dnf/dnf.conf"
printf '[options]\nArchitecture = auto\nSigLevel = Never\n[lab]\nServer = file:///opt/pacman\n' >"$root/etc/pacman.conf"
mkdir -p "$root/etc/yum.repos.d" "$root/etc/zypp/repos.d"
printf '[lab]\nname=lab\nenabled=1\nautorefresh=0\nbaseurl=file:///opt/rpm\ngpgcheck=0\n' |
  tee "$root/etc/yum.repos.d/lab.repo" >"$root/etc/zypp/repos.d/lab.repo"
chroot "$root" repo-add -q /opt/try.db.tar.gz || die "repo-add does not work"
rm -f "$root"/opt/try*
for tool in dnf zypper pacman rpmbuild createrepo_c modifyrepo_c repo-add bsdtar needs-restarting; do
  chroot "$root" sh -c "command -v $tool" >/dev/null || die "no $tool in the layer"
done
rm -f "$root"/var/cache/debconf/*-old
umount "$root/etc/resolv.conf" "$root/dev" "$root/tmp" "$root/var/cache/apt/archives" "$root/var/lib/apt/lists" "$root/proc" "$root"
rmdir "$root"
rm -rf "$layer.work"
