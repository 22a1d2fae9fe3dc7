#!/usr/bin/env bash
# One machine of a lab: its power supply, and the first process of each of its boots until that becomes the machine's init.
#
# Owns: the namespaces, the mounts and the disk of one machine, all of which end with it: the disk is a tmpfs over the tree that all
# machines share. Must not: write outside of DIR/h/NAME, or let the machine write settings of the kernel, which it shares with this
# one. Only machine.sh starts it.
#
#   machine-boot.sh power DIR NAME    boots NAME, again each time it restarts itself or DIR/h/NAME/again exists, and else when
#                                     somebody writes to DIR/h/NAME/switch; never by itself while DIR/h/NAME/doomed exists
#   machine-boot.sh init DIR NAME     by `power` only
set -euo pipefail
dir=$2 name=$3
at=$dir/h/$name
here=$(cd "$(dirname "$0")" && pwd)

power() {
  local group status up
  group=$(cat "$dir/cgroup")/$name
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 tmpfs "$at/disk"
  mkdir "$at/disk/work"
  cp -a "$at/upper" "$at/disk/upper"
  while :; do
    rm -f "$at/again" "$at/init.pid"
    # What the last boot left of its own groups, so that a boot finds none.
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
    mkdir -p "$group"
    cat /proc/sys/kernel/random/uuid >"$at/boot_id"
    cat "$at/boot_id" >>"$at/boots"
    echo on >"$at/power"
    up=$(cut -d. -f1 /proc/uptime)
    status=0
    (
      echo "$BASHPID" >"$group/cgroup.procs"
      exec nsenter --net="/run/netns/$(cat "$at/netns")" unshare --mount --pid --uts --ipc --cgroup --time --boottime "-$up" \
        --monotonic "-$up" --fork --kill-child bash "$here/machine-boot.sh" init "$dir" "$name"
    ) || status=$?
    # SIGHUP is what reboot(2) makes of a namespace's init that restarts.
    if [ ! -e "$at/doomed" ] && { [ "$status" = 129 ] || [ -e "$at/again" ]; }; then
      echo "$name restarts, status $status"
      continue
    fi
    rm -f "$at/init.pid"
    echo "$name is off, status $status"
    echo off >"$at/power"
    read -r _ <"$at/switch"
  done
}

init() {
  local root=$at/root device pid rest
  read -r pid rest </proc/self/stat # as the machine outside numbers it: its /proc is still mounted
  mount --make-rprivate /
  mount -t overlay lab -o "lowerdir=$(cat "$dir/tree"),upperdir=$at/disk/upper,workdir=$at/disk/work" "$root"
  hostname "$name"
  mount -t proc proc "$root/proc"
  # Settings of the kernel are those of all: to be read only, but for the network's, which are the machine's own.
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
  mount -o remount,bind,rw "$root/proc/sys/net"
  [ ! -e "$root/proc/sysrq-trigger" ] || mount --bind /dev/null "$root/proc/sysrq-trigger"
  mount --bind "$at/boot_id" "$root/proc/sys/kernel/random/boot_id"
  mount -t sysfs -o ro sysfs "$root/sys"
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
  mount -t tmpfs -o mode=755 tmpfs "$root/dev"
  for device in null zero full random urandom tty; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
  done
  : >"$root/dev/console"
  mount --bind /dev/null "$root/dev/console"
  mkdir "$root/dev/pts" "$root/dev/shm"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  for device in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${device%%:*}" "$root/dev/${device#*:}"; done
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
  mount -t tmpfs -o mode=755 tmpfs "$root/run"
  mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
  echo "$pid" >"$at/init.pid.new"
  mv "$at/init.pid.new" "$at/init.pid"
  cd "$root"
  pivot_root . mnt
  umount -l /mnt
  # It may do what root may, but not set this machine's clock or load modules into its kernel.
  exec env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-syslog /lib/systemd/systemd
}

"$1"
