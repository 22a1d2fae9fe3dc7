#!/bin/sh
# Prints the services that still use program files or libraries that were replaced or removed, one unit a line. Changes nothing.
#
#   stale-services.sh restart "LEAVE..."   those that may be restarted: all but the units LEAVE (patterns of the shell)
#   stale-services.sh leave "LEAVE..."     the others, and what is no service: the first process, sessions of people
#
# It asks needrestart where that is installed, which also knows of interpreters; else it looks at what each process has mapped.
set -uf
LC_ALL=C; export LC_ALL
what=$1 leave=$2
[ "$(id -u)" = 0 ] || { echo "only root sees what all processes use" >&2; exit 1; }

# PID of each process that has mapped, to be executed, a file that is not there any more. Not files that are made to vanish.
stale() {
  for pid in $(ls /proc | grep '^[0-9]*$'); do
    grep '^[^ ]* ..x. .* /.* (deleted)$' "/proc/$pid/maps" 2>/dev/null |
      grep -qEv ' /(tmp|var/tmp|run|dev|proc|memfd:|SYSV|anon_hugepage)' && echo "$pid"
  done
}
# The unit that a process belongs to: the last part of its control group that is a unit.
unit() {
  sed -n 's/^0:://p; s/^[0-9]*:name=systemd://p' "/proc/$1/cgroup" 2>/dev/null | tr / '\n' |
    grep -E '\.(service|scope)$' | tail -n 1
}
# A process of a session is nobody's service, though user@1000.service holds it.
owner() {
  case $(cat "/proc/$1/cgroup" 2>/dev/null) in *user.slice*) echo "session of $(stat -c %U "/proc/$1" 2>/dev/null)" ;; *) unit "$1" ;; esac
}
if command -v needrestart >/dev/null; then
  said=$(needrestart -b -r l -l 2>/dev/null) || { echo "needrestart failed" >&2; exit 1; }
  found=$(printf '%s\n' "$said" | sed -n 's/^NEEDRESTART-SVC: *//p; s/^NEEDRESTART-SESS: */session of /p')
else
  found=$(for pid in $(stale); do owner "$pid"; done)
fi
printf '%s\n' "$found" | sort -u | while read -r unit; do
  [ -n "$unit" ] || continue
  side=restart
  case $unit in *.service) ;; *) side=leave ;; esac
  for pattern in $leave; do
    # shellcheck disable=SC2254 # it is a pattern
    case $unit in $pattern) side=leave ;; esac
  done
  [ "$side" != "$what" ] || echo "$unit"
done
