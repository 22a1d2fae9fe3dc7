#!/bin/sh
# Finds what may go from a full disk, by kinds that are written here and nowhere else, and removes it.
#
#   free-disk-space.sh room PATH                      prints how many MiB are free where PATH lies
#   free-disk-space.sh list PATH KINDS DAYS           lists the files that may go, the largest first, with the moment it looked
#   free-disk-space.sh left PATH KINDS DAYS MOMENT    lists what of that is still there
#   free-disk-space.sh remove PATH KINDS DAYS MOMENT  removes it
#   free-disk-space.sh kernels PATH KINDS             prints the packages of kernels that neither run nor are the newest
#   free-disk-space.sh held PATH                      prints the largest files that are removed and still open
#
# Only plain files go that lie on the file system of PATH, have no second name, and did not change for DAYS before MOMENT: neither their
# content nor their name, owner or mode. So nothing goes that was not listed, and a file that was unpacked with an old date stays.
# No symbolic link is followed, not even while somebody swaps folders for links: find removes relative to folders that it holds open.
set -u
LC_ALL=C; export LC_ALL
what=$1 path=$2 kinds=${3:-} days=${4:-0} moment=${5:-$(date +%s)}

die() { printf '%s\n' "$*" >&2; exit 1; }
disk=$(stat -c %d -- "$path") || die "there is no $path"

# Of the folder ROOT, what the conditions of find say, if it is a folder and lies on the disk that is meant.
below() { # ROOT CONDITIONS...
  root=$1
  shift
  [ -d "$root" ] && [ ! -L "$root" ] && [ "$(stat -c %d "$root")" = "$disk" ] || return 0
  old="@$((moment - age * 86400))"
  find "$root" -xdev "$@" -type f -links 1 ! -newermt "$old" ! -newerct "$old" $deed
}
pick() { # KIND, with the deed in $deed
  age=$days
  case $1 in
    apt-cache)
      age=0
      below /var/cache/apt/archives -maxdepth 1 -name '*.deb'
      ;;
    logs)
      below /var/log ! -path '/var/log/journal/*' \
        \( -name '*.gz' -o -name '*.xz' -o -name '*.zst' -o -name '*.bz2' -o -name '*.[0-9]' -o -name '*.old' \)
      ;;
    journal) below /var/log/journal \( -name '*@*.journal' -o -name '*.journal~' \) ;;
    crashes) below /var/crash -maxdepth 1 && below /var/lib/systemd/coredump -maxdepth 1 ;;
    tmp) below /tmp ! -path '*/systemd-private-*' ! -path '*pitstop*' && below /var/tmp ! -path '*/systemd-private-*' ! -path '*pitstop*' ;;
    kernels) : ;; # these are packages: see below
    *) die "no kind of what may go: $1" ;;
  esac
}

# Every name on a line of its own: what would end or hide a line is shown as `?`.
show() {
  deed='-printf %k\t%p\0'
  for kind in $kinds; do
    pick "$kind" >"$work" || die "$kind could not be looked through"
    tr '\n\000' '?\n' <"$work" | tr '\001-\010\013-\037\177' '?' | sort -rn >"$work.sorted"
    awk -v kind="$kind" '{ n++; kib += $1 } END { printf "%s: %d files, %d MiB\n", kind, n, kib / 1024 }' "$work.sorted"
    head -n 200 "$work.sorted" | sed 's/^/  /'
    cat "$work.sorted" >>"$work.all"
  done
  awk '{ n++; kib += $1 } END { printf "in all %d MiB in %d files\n", kib / 1024, n }' "$work.all"
}
# The kernel that runs and the newest stay, whatever else there is.
kernels() {
  runs=$(uname -r)
  all=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 'linux-image-[0-9]*' 'linux-modules-[0-9]*' 'linux-modules-extra-[0-9]*' 2>/dev/null |
    sed -n 's/^installed //p')
  newest=$(printf '%s\n' "$all" | sed -n 's/^linux-image-//p' | sort -V | tail -n 1)
  printf '%s\n' "$all" | while read -r package; do
    version=$(printf '%s\n' "$package" | sed -E 's/^linux-(image|modules-extra|modules)-//')
    case $version in '' | "$runs" | "$newest") ;; *) echo "$package" ;; esac
  done
}

case $what in
  room) df -Pk -- "$path" | awk 'NR == 2 { print int($4 / 1024) }' ;;
  list | left)
    work=$(mktemp -p /run) || die "no room for a list" # in memory: the disk is full
    trap 'rm -f "$work" "$work.sorted" "$work.all"' EXIT
    : >"$work.all"
    case " $kinds " in *" kernels "*) echo "kernels: $(kernels | tr '\n' ' ')" ;; esac
    show
    echo "as of $moment"
    ;;
  remove)
    deed=-delete
    for kind in $kinds; do
      pick "$kind" || die "$kind could not be removed as a whole"
    done
    ;;
  kernels) case " $kinds " in *" kernels "*) kernels ;; esac ;;
  held)
    for pid in $(ls /proc | grep '^[0-9]*$'); do
      find "/proc/$pid/fd" -type l -lname '/* (deleted)' 2>/dev/null | while read -r fd; do
        size=$(stat -L -c '%d %s' "$fd" 2>/dev/null) || continue
        [ "${size% *}" = "$disk" ] && [ "${size#* }" -gt 1048576 ] || continue
        echo "$((${size#* } / 1048576)) MiB held by $(cat "/proc/$pid/comm") ($pid): $(readlink "$fd" | tr '\000-\037\177' '?')"
      done
    done | sort -rn | head -n 20
    ;;
  *) die "free-disk-space.sh does not know $what" ;;
esac
