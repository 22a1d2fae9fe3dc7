#!/usr/bin/env bash
# A lab of whole Debian machines on one Linux machine, as root, cut off from every real network: each with its own init, sshd, sudo,
# apt, disk, host key, machine id and boot identity. What restarts is really another boot.
#
# Owns: the base tree, and of each lab a group of control groups, the network namespaces and DIR. Must not: touch the network, keys,
# homes or settings of this machine, but for fs.inotify.max_user_instances, which it raises where it is too low for several inits;
# use a name that another lab could have (all come from DIR, so that labs can be up beside each other); or leave anything behind
# after `down`, whatever became of `up`.
#
#   machine.sh base BASE [LAYER]   makes the tree that all machines begin with, if BASE has none of this recipe, and prints its path;
#                                  and a layer over it, before it with a `:`: `managers` has dnf, zypper and pacman, `more` what the
#                                  shipped runbooks work on, `backups` the databases and tools of restore tests
#   machine.sh up DIR N [BASE [LAYER]]   boots N machines (user root, ops, deploy; port 22) and writes into DIR, which must be new or
#                                  empty: hosts.txt (NAME ADDRESS a line), id, known_hosts, netns (the controller's); BASE:
#                                  target/machines
#   machine.sh guard DIR           takes the lab down as soon as its own standard input ends; may be started before `up`
#   machine.sh in DIR COMMAND...   runs a command where the controller is: only there can the machines be reached
#   machine.sh at DIR NAME COMMAND...     runs a command on a machine as root, past its sshd and its network
#   machine.sh reboot|crash|off|on DIR NAME   as its own root would restart it; dies and boots again; dies and stays off; boots
#   machine.sh doom DIR NAME       when it goes down the next time, it stays off
#   machine.sh cut|heal|freeze|thaw DIR NAME  its network cable is out, or in; it stops in the middle of everything, or goes on
#   machine.sh down DIR            ends the machines and removes everything that the lab owns
#
# DIR/h/NAME/boots has a line with the identity of each boot so far, DIR/h/NAME/log what the power supply saw.
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"
umask 022
here=$(cd "$(dirname "$0")" && pwd)
# Seconds that a machine has to boot, and to go down.
limit=90

die() { echo "machine: $*" >&2; exit 1; }
usage() { sed -n '10,24s/^# \{0,1\}//p' "$0" >&2; exit 64; }

needs() { # COMMAND PACKAGE
  command -v "$1" >/dev/null || die "needs $1 (Debian: $2)"
}

# Sets dir, id and group: where it is, what its namespaces begin with, and its control group.
lab() {
  local root
  [ "$(id -u)" = 0 ] || die "needs root"
  dir=$(realpath -m "$1")
  id=pitstop-$(printf %s "$dir" | sha256sum | cut -c1-12)
  root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
  [ -n "$root" ] || die "needs control groups, version 2"
  group=$root/$id
}

# Asks until it is so.
until_so() { # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || die "not in time: $what"
    sleep 0.05
  done
}

# ---- the base tree

layers=(managers more backups)

# The version of a tree is the digest of its recipe, of a layer that of both.
version() { # [LAYER]
  cat "$here/machine-base.sh" ${1:+"$here/machine-$1.sh"} | sha256sum | cut -c1-12
}

base() { # BASE [LAYER]
  local base tree layer
  [ "$(id -u)" = 0 ] || die "needs root"
  [ -z "${2:-}" ] || [[ " ${layers[*]} " == *" $2 "* ]] || die "no layer $2: there are ${layers[*]}"
  mkdir -p "$1"
  base=$(cd "$1" && pwd)
  tree=$base/$(version)
  exec 9>"$base/lock"
  flock 9
  if [ ! -d "$tree" ]; then
    needs debootstrap debootstrap
    made "$base" "$tree" machine-base.sh
  fi
  if [ -n "${2:-}" ]; then
    layer=$base/$(version "$2")
    [ -d "$layer" ] || made "$base" "$layer" "machine-$2.sh" "$tree"
    tree=$layer:$tree
  fi
  exec 9>&-
  echo "$tree"
}

# In namespaces of its own, which end with this shell: whatever ends it, no mount and no process of it is left.
made() { # BASE TREE RECIPE [ARGUMENT]
  rm -rf --one-file-system "$1"/new "$1"/new.*
  setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc \
    bash "$here/$3" "$1/new" "$1/packages" "${@:4}" </dev/null >"$1/log" 2>&1 || {
    tail -n 25 "$1/log" >&2
    die "the tree could not be made: see $1/log"
  }
  mv "$1/new" "$2"
  old_trees "$1"
}

# Trees of other recipes go, unless a machine runs on one.
old_trees() { # BASE
  local tree layer versions
  versions=" $(version) "
  for layer in "${layers[@]}"; do versions+="$(version "$layer") "; done
  for tree in "$1"/????????????; do
    [[ $versions != *" ${tree##*/} "* ]] || continue
    grep -qE "lowerdir=([^,]*:)?$tree[:,]" /proc/[0-9]*/mounts 2>/dev/null || rm -rf --one-file-system "$tree"
  done
}

# ---- up

up() {
  local tree
  lab "$1"
  for tool in "ip iproute2" "unshare util-linux" "nsenter util-linux" "flock util-linux" "setpriv util-linux" "ssh-keygen openssh-client"; do
    needs $tool # two words
  done
  [ ! -e "$dir" ] || [ -z "$(ls -A "$dir")" ] || die "$dir is not empty"
  tree=$("$here/machine.sh" base "${3:-$here/../../target/machines}" "${@:4}")
  mkdir -p "$dir"
  echo "$group" >"$dir/cgroup"
  mkdir "$group"
  trap failed EXIT # until all is up
  # An init takes several; of 128, the kernel's default, three machines have too few.
  [ "$(sysctl -n fs.inotify.max_user_instances)" -ge 1024 ] || sysctl -qw fs.inotify.max_user_instances=8192
  # What makes the machines is in the lab's group as they are: should this shell be killed, `down` ends it.
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    make_machines "$2" "$tree"
    await_machines
  )
  trap - EXIT
  echo "machine: $2 machines in $dir"
}

failed() {
  tail -n 5 "$dir"/h/*/log >&2 2>/dev/null || true
  down "$dir"
}

make_machines() { # COUNT TREE
  local n name addr place
  echo "$2" >"$dir/tree"
  echo "$id-c" >"$dir/netns"
  ip netns add "$id-r"
  ip -n "$id-r" link add br0 type bridge
  ip -n "$id-r" link set br0 up
  plug c 10.98.255.254
  ssh-keygen -q -t ed25519 -N '' -C lab -f "$dir/id"
  : >"$dir/hosts.txt"
  for ((n = 1; n <= $1; n++)); do
    name=$(printf 'h%02d' "$n") addr=10.98.$((n / 250)).$((n % 250)) place=$dir/h/$name
    mkdir -p "$place/disk" "$place/root" "$place/upper/etc/ssh"
    plug "$name" "$addr"
    echo "$id-$name" >"$place/netns"
    mkfifo "$place/switch"
    echo "$name" >"$place/upper/etc/hostname"
    printf '127.0.0.1 localhost\n%s %s\n' "$addr" "$name" >"$place/upper/etc/hosts"
    tr -d - </proc/sys/kernel/random/uuid >"$place/upper/etc/machine-id"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$place/upper/etc/ssh/ssh_host_ed25519_key"
    cp "$dir/id.pub" "$place/upper/etc/ssh/authorized_keys"
    echo "$addr $(cut -d' ' -f1,2 "$place/upper/etc/ssh/ssh_host_ed25519_key.pub")" >>"$dir/known_hosts"
    echo "$name $addr" >>"$dir/hosts.txt"
    setsid unshare --mount bash "$here/machine-boot.sh" power "$dir" "$name" </dev/null >"$place/log" 2>&1 &
  done
}

# A network namespace with one cable to the bridge.
plug() { # NAME ADDRESS
  ip netns add "$id-$1"
  ip -n "$id-r" link add "p-$1" type veth peer name eth0 netns "$id-$1"
  ip -n "$id-r" link set "p-$1" master br0 up
  ip -n "$id-$1" addr add "$2/16" dev eth0
  ip -n "$id-$1" link set lo up
  ip -n "$id-$1" link set eth0 up
}

await_machines() {
  local name addr
  while read -r name addr; do
    until_so $limit "$name boots" has_booted "$name"
    until_so 10 "$name answers at $addr" greets "$addr"
  done <"$dir/hosts.txt"
}

# Its init says how it is as soon as it is asked; one that has failed units is not what the tests want.
has_booted() {
  local said
  at=$dir/h/$1
  [ ! -e "$at/power" ] || is on || die "$1 did not boot"
  [ -e "$at/init.pid" ] || return
  said=$(timeout $limit "$here/machine.sh" at "$dir" "$1" systemctl is-system-running --wait 2>/dev/null </dev/null || true)
  case $said in
    running) ;;
    degraded) die "$1 has failed units: $("$here/machine.sh" at "$dir" "$1" systemctl --failed --no-legend </dev/null)" ;;
    *) return 1 ;;
  esac
}

greets() {
  timeout 5 nsenter --net="/run/netns/$id-c" bash -c "exec 3<>/dev/tcp/$1/22 && read -r line <&3" 2>/dev/null
}

# ---- one machine

# Sets at to its place; it must be on.
machine() { # NAME
  at=$dir/h/$1
  [ -d "$at" ] || die "$dir has no machine $1"
  pid=$(cat "$at/init.pid" 2>/dev/null) || die "$1 is off"
}

is() { [ "$(cat "$at/power")" = "$1" ]; }
is_frozen() { grep -qx "frozen $2" "$group/$1/cgroup.events"; }

one() { # COMMAND NAME
  at=$dir/h/$2
  case $1 in
    reboot) machine "$2"; exec "$here/machine.sh" at "$dir" "$2" systemctl reboot ;;
    crash)
      machine "$2"
      : >"$at/again"
      kill -9 "$pid"
      ;;
    off)
      machine "$2"
      kill -9 "$pid"
      until_so $limit "$2 is off" is off
      ;;
    on)
      rm -f "$at/doomed"
      is off || die "$2 is on"
      echo on | timeout 10 tee "$at/switch" >/dev/null
      until_so 10 "$2 is on" is on
      ;;
    doom) machine "$2"; : >"$at/doomed" ;;
    cut) ip -n "$id-r" link set "p-$2" down ;;
    heal) ip -n "$id-r" link set "p-$2" up ;;
    freeze)
      echo 1 >"$group/$2/cgroup.freeze"
      until_so 10 "$2 is frozen" is_frozen "$2" 1
      ;;
    thaw)
      echo 0 >"$group/$2/cgroup.freeze"
      until_so 10 "$2 goes on" is_frozen "$2" 0
      ;;
  esac
}

# ---- down

# True when no process of the lab is left.
is_over() {
  [ -d "$group" ] || return 0
  if [ -e "$group/cgroup.kill" ]; then
    echo 1 >"$group/cgroup.kill"
  else # before Linux 5.14
    find "$group" -name cgroup.procs -exec cat {} + | xargs -r kill -9
  fi 2>/dev/null || true
  find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
  [ ! -d "$group" ]
}

down() {
  local netns
  trap - EXIT
  lab "$1"
  [ ! -e "$dir" ] || [ -e "$dir/cgroup" ] || [ -z "$(ls -A "$dir")" ] || die "$dir is no lab"
  until_so 30 "the processes in $group end" is_over
  for netns in $(ip netns list | awk -v id="$id-" 'index($1, id) == 1 { print $1 }'); do
    ip netns del "$netns" 2>/dev/null || true # somebody else may take it down too
  done
  rm -rf --one-file-system "$dir"
}

guard() {
  lab "$1"
  cat >/dev/null
  down "$1"
}

case ${1:-} in
  base) [ $# = 2 ] || [ $# = 3 ] || usage; base "$2" "${@:3}" ;;
  up) [ $# -ge 3 ] && [ $# -le 5 ] || usage; shift; up "$@" ;;
  guard) [ $# = 2 ] || usage; guard "$2" ;;
  in) [ $# -ge 3 ] || usage; lab "$2"; shift 2; exec nsenter --net="/run/netns/$id-c" -- "$@" ;;
  at) [ $# -ge 4 ] || usage; lab "$2"; machine "$3"; shift 3; exec nsenter --target "$pid" --all -- "$@" ;;
  reboot | crash | off | on | doom | cut | heal | freeze | thaw) [ $# = 3 ] || usage; lab "$2"; one "$1" "$3" ;;
  down) [ $# = 2 ] || usage; down "$2" ;;
  *) usage ;;
esac
