# Sourced on a machine by tests/machines/managers.rs: packages of its own family, and an archive of them without a network.
#
#   family dnf|zypper|pacman      what the system calls itself from now on
#   pkg NAME VERSION [SCRIPT] [NEEDS] [ROOT]   builds a package: SCRIPT runs after it, ROOT holds its files, those in /etc are settings
#   index [ADVISORY]              tells the manager's sources of all that lie in the archive
#   get NAME...                   installs them, by hand
#   ver NAME                      the version that is installed, or nothing
export LC_ALL=C
family=$(cat /root/family 2>/dev/null)
family() {
  echo "$1" >/root/family; family=$1
  rm -f /etc/os-release
  case $1 in
    dnf) printf 'ID=fedora\nVERSION_ID=40\n' ;;
    zypper) printf 'ID=opensuse-leap\nID_LIKE="suse opensuse"\nVERSION_ID=15\n' ;;
    pacman) printf 'ID=arch\n' ;;
  esac >/etc/os-release
  # As SUSE ships it.
  [ "$1" != zypper ] || printf '[main]\nmultiversion = provides:multiversion(kernel)\n' >/etc/zypp/zypp.conf
  mkdir -p /opt/rpm /opt/pacman
  [ "$1" = pacman ] || pkg lab-base 1 '' '' '' 'Provides: /bin/sh\nProvides: system-release = 40'
}
demo() { # VERSION
  r=$(mktemp -d); mkdir -p "$r/usr/bin" "$r/etc"; rm -f /etc/lab-demo.conf.dpkg* ; echo "made for $1" >"$r/etc/lab-demo.conf"
  printf '#!/bin/sh\necho lab-demo %s\n' "$1" >"$r/usr/bin/lab-demo"; chmod 755 "$r/usr/bin/lab-demo"; echo "$r"
}
pkg() {
  r=${5:-$(mktemp -d)}; d=$(mktemp -d)
  if [ "$family" = pacman ]; then
    cp -a "$r/." "$d/"
    {
      printf 'pkgname = %s\npkgver = %s-1\npkgdesc = for a test\nurl = none\nbuilddate = 1\npackager = test\nsize = 1\narch = any\n' "$1" "$2"
      for x in $4; do echo "depend = $x"; done
      (cd "$d" && [ ! -d etc ] || find etc -type f | sed 's/^/backup = /')
    } >"$d/.PKGINFO"
    [ -z "$3" ] || printf 'post_install() {\n%s\n}\npost_upgrade() {\n%s\n}\n' "$3" "$3" >"$d/.INSTALL"
    (cd "$d" && bsdtar -czf "/opt/pacman/$1-$2-1-any.pkg.tar.gz" .PKGINFO $([ -z "$3" ] || echo .INSTALL) $(ls))
    repo-add -q /opt/pacman/lab.db.tar.gz "/opt/pacman/$1-$2-1-any.pkg.tar.gz" >/dev/null 2>&1
  else
    {
      printf 'Name: %s\nVersion: %s\nRelease: 1\nSummary: for a test\nLicense: none\nBuildArch: noarch\nAutoReqProv: no\n' "$1" "$2"
      for x in $4; do echo "Requires: $x"; done
      printf '%b\n%%description\nfor a test\n%%install\nmkdir -p %%{buildroot}\ncp -a %s/. %%{buildroot}/\n' "$6" "$r"
      [ -z "$3" ] || printf '%%post\n%s\n' "$3"
      echo '%files'
      (cd "$r" && find . -type f) | while read -r f; do case $f in ./etc/*) printf '%s ' "${config:-%config(noreplace)}" ;; esac; echo "${f#.}"; done
    } >"$d/x.spec"
    rpmbuild --quiet -bb --define "_topdir $d/t" --define '_rpmdir /opt/rpm' --define '__os_install_post %{nil}' --define '_build_id_links none' \
      --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' "$d/x.spec" >"$d/log" 2>&1 || { cat "$d/log"; return 1; }
  fi
  rm -rf "$d"
}
index() {
  [ "$family" != pacman ] || return 0
  createrepo_c -q --revision "$(date +%s%N)" /opt/rpm
  [ -z "$1" ] || { echo "$1" >/root/updateinfo.xml; modifyrepo_c --mdtype=updateinfo /root/updateinfo.xml /opt/rpm/repodata >/dev/null; }
  [ "$family" != zypper ] || zypper -q -n clean -a
}
get() {
  case $family in
    dnf) dnf -q -y --refresh install "$@" ;;
    zypper) zypper -q -n ref && zypper -q -n in "$@" ;;
    pacman) pacman -Sy --noconfirm "$@" ;;
  esac >/dev/null 2>&1
}
ver() {
  if [ "$family" = pacman ]; then pacman -Q "$1" 2>/dev/null | cut -d' ' -f2; else rpm -q --qf '%{VERSION}-%{RELEASE}\n' "$1" | grep -v 'not installed' || :; fi
}
