#!/bin/sh
# Prints evidence of a host to standard output. It writes nothing, and asks no service that would write (timedatectl starts one that does).
#
#   evidence.sh clock | processes | sockets | people | modules | mounts | deleted     what is gone with the power, as text
#   evidence.sh services | packages | hashes "FOLDER..."                              what is there, as text
#   evidence.sh journal SINCE MIB        the journal since a moment, as gzip of `journalctl -o export`
#   evidence.sh logs SINCE MIB           files below /var/log that were written since then, as tar.gz
#   evidence.sh configs MIB              /etc, crontabs, units, files of shells and SSH of all homes, as tar.gz
#   evidence.sh fits "FILE..." MIB       those of FILE (a line each) that can be taken; names the others and ends with 9
#
# What is cut at MIB says so on standard error and ends with 9; what is not whole for another reason with 8. Never read: passwords' hashes and private keys; their digests are in
# `hashes`. tar opens files with O_NOATIME where it can, so that most access times stay.
set -uf
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
nl='
'
die() { echo "$1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "only root sees all of it"
part() { echo; echo "== $*"; }
# A command and what it says; that it is missing or fails is evidence too.
says() {
  part "$*"
  command -v "$1" >/dev/null || { echo "(there is no $1)"; return 0; }
  "$@" 2>&1 || echo "(exit code $?)"
}
# MIB COMMAND...: what the command prints, so much at most. More than that, and a command that fails, are told.
bounded() {
  limit=$1; shift
  ends=$({ { { "$@"; echo "command $?" >&3; } | { head -c $((limit * 1048576)); [ "$(head -c 1 | wc -c)" = 0 ]; echo "fits $?" >&3; } >&4; } 3>&1; } 4>&5)
  case $ends in
    *'fits 1'*) echo "CUT: there is more than $limit MiB, and this is the beginning" >&2; return 9 ;;
    *"command 0$nl"* | *'command 0') ;;
    *) echo "INCOMPLETE: $1 ended with ${ends#*command }" | head -n 1 >&2; return 8 ;;
  esac
} 5>&1
# Others than those of GNU know neither these moments nor these access times, and fail with 1, which of GNU tar is: a file changed while it
# was read, as logs do.
gnu() {
  for program in tar find; do
    "$program" --version 2>/dev/null | grep -q GNU || die "an archive takes GNU $program, which is not here"
  done
}
pack() {
  tar --no-recursion --null -T - --ignore-failed-read --atime-preserve=system --warning=no-file-changed -czf -
  packed=$?
  [ $packed != 1 ] || packed=0
  return $packed
}
# SINCE: the journal, packed. A pipe would tell the end of gzip only.
entries() {
  read_all=$({ { journalctl --no-pager -q -o export --since "$1"; echo $? >&6; } | gzip -c >&7; } 6>&1)
  return "${read_all:-1}"
} 7>&1
# SINCE as a moment that every tool understands.
moment() { date -u -d "$1" '+%Y-%m-%d %H:%M:%S UTC' 2>/dev/null || die "this is no moment: $1"; }

# A link of each process: its number and where it leads.
links() { set +f; ls -l /proc/[0-9]*/"$1" 2>/dev/null | sed -n "s|^.* /proc/\([0-9]*\)/$1 -> |\1 |p"; set -f; }
processes() {
  says ps -eo pid,ppid,uid,user,lstart,stat,tty,args -ww
  part "program of each process"; links exe
  part "folder of each process"; links cwd
  part "root of each process, where it is not /"; links root | grep -v ' /$'
  set +f
  part "group of each process"; grep -H . /proc/[0-9]*/cgroup 2>/dev/null | sed 's|^/proc/\([0-9]*\)/cgroup:|\1 |'
  part "SHA-256 of running programs, as they run (also of those whose file is gone)"
  sha256sum /proc/[0-9]*/exe 2>/dev/null
  part "libraries that were put before others"
  grep -a -o -z 'LD_PRELOAD=[^[:cntrl:]]*' /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n'
  set -f
}
deleted() {
  part "open files that have no name any more: process, descriptor, file, bytes"
  set +f
  ls -l /proc/[0-9]*/fd 2>/dev/null | awk '
    /^\/proc\// { split($0, at, "/"); pid = at[3] }
    / -> \/.* \(deleted\)$/ { file = $0; sub(/^.* -> /, "", file); fd = $0; sub(/ -> .*/, "", fd); sub(/.* /, "", fd); print pid, fd, file }' |
    grep -v ' /memfd:\| /dev/zero \| /SYSV\| /\[aio\]' | while read -r pid fd file; do
      echo "$pid $fd $file $(stat -L -c %s "/proc/$pid/fd/$fd" 2>/dev/null)"
    done
  set -f
  part "programs that run without their file"
  links exe | grep ' (deleted)$'
  part "files in memory only"
  set +f; ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c ' -> /memfd:'; set -f
}
crons() { find /etc/cron* /var/spool/cron -type f 2>/dev/null; }
hashes() {
  # shellcheck disable=SC2086 # words
  find $1 -xdev -type f -exec sha256sum {} + 2>&1
  part "type, mode, owner, size, change of contents and of the entry"
  # shellcheck disable=SC2086 # words
  find $1 -xdev -printf '%y %m %u:%g %s %TY-%Tm-%TdT%TH:%TM:%TS %CY-%Cm-%CdT%CH:%CM:%CS %p -> %l\n' 2>&1
  part "programs that run as their owner, anywhere on the system's disk"
  find / -xdev -type f -perm /6000 -exec ls -ld {} + 2>/dev/null
}
what=${1-}
case $what in
  clock) says date -u '+%Y-%m-%dT%H:%M:%S.%NZ'; says uname -a; says uptime; part "boot" ; cat /proc/sys/kernel/random/boot_id; says date '+%Z %z'; cat /etc/timezone 2>/dev/null ;;
  processes) processes ;;
  sockets) says ss -anptu; says ss -anpx; says ip addr; says ip route show table all; says ip neigh; says nft list ruleset; says iptables-save ;;
  people) says who -a; says w; says last -Faixw -n 200; says lastb -Faixw -n 200; says loginctl list-sessions ;;
  modules) says lsmod; part "what taints the kernel"; cat /proc/sys/kernel/tainted; says sysctl kernel.modules_disabled; says dmesg -T ;;
  mounts) part "/proc/self/mountinfo"; cat /proc/self/mountinfo; says df -h; says swapon --show ;;
  deleted) deleted ;;
  services) says systemctl list-units --all --no-pager; says systemctl list-timers --all --no-pager; says systemctl list-unit-files --no-pager; part "cron"; crons; says atq ;;
  packages)
    if command -v dpkg >/dev/null; then says dpkg-query -W; says dpkg --verify; else says rpm -qa --last; says rpm -Va; fi ;;
  hashes) hashes "$2" ;;
  journal)
    command -v journalctl >/dev/null || die "there is no journalctl"
    since=$(moment "$2") || exit 1
    bounded "$3" entries "$since" ;;
  logs)
    gnu
    since=$(moment "$2") || exit 1
    cd / || exit 1
    find var/log -xdev -type f -newermt "$since" ! -path 'var/log/journal/*' -print0 |
      bounded "$3" pack ;;
  configs)
    gnu
    cd / || exit 1
    homes=$(getent passwd | cut -d: -f6 | sort -u)
    {
      find etc var/spool/cron -xdev ! -name 'shadow*' ! -name 'gshadow*' ! -name 'ssh_host_*_key' ! -path '*/private/*' ! -name '*.key' -print0
      for home in $homes; do
        case $home in / | /dev* | /proc* | /nonexistent | /bin | /usr/sbin) continue ;; esac
        for name in .ssh/authorized_keys .ssh/authorized_keys2 .ssh/known_hosts .ssh/config .bashrc .bash_profile .profile .bash_login .bash_logout .bash_history .zsh_history .ash_history .config/systemd; do
          [ -e "$home/$name" ] && find "${home#/}/$name" -xdev -print0
        done
      done
    } 2>/dev/null | bounded "$2" pack ;;
  fits)
    bad=$(printf '%s\n' "$2" | while IFS= read -r file; do
      if ! [ -f "$file" ]; then printf '%s is no file here; ' "$file"
      elif [ "$(stat -L -c %s -- "$file")" -gt $(($3 * 1048576)) ]; then printf '%s is larger than %s MiB; ' "$file" "$3"
      else printf '%s\n' "$file" >&3; fi
    done 3>&5)
    [ -z "$bad" ] || { echo "NOT TAKEN: ${bad%; }" >&2; exit 9; } ;;
  *) die "usage: evidence.sh clock|processes|sockets|people|modules|mounts|deleted|services|packages|hashes|journal|logs|configs|fits ..." ;;
esac 5>&1
