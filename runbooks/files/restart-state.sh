#!/bin/sh
# Prints which boot and which kernel run, and `needed yes`, `needed no` or `needed unknown`. Changes nothing.
#
# That nothing asks for a restart is a `no` only where something would ask: Debian's /run/reboot-required is written only where
# needrestart, unattended-upgrades or update-notifier is installed.
LC_ALL=C; export LC_ALL
read -r boot </proc/sys/kernel/random/boot_id
kernel=$(uname -r) why='' no=''
echo "boot $boot"
echo "kernel $kernel"

if [ -e /run/reboot-required ]; then
  why="the host says so$([ ! -s /run/reboot-required.pkgs ] || { printf ': '; sort -u /run/reboot-required.pkgs | tr '\n' ' '; })"
fi
if [ -e "/boot/vmlinuz-$kernel" ]; then
  newest=$(for k in /boot/vmlinuz-*; do echo "${k#/boot/vmlinuz-}"; done | sort -V | tail -n 1)
  [ "$newest" = "$kernel" ] || why="${why:+$why; }kernel $newest is installed"
fi
if command -v needs-restarting >/dev/null; then
  needs-restarting -r >/dev/null 2>&1
  case $? in 0) no=needs-restarting ;; 1) why="${why:+$why; }needs-restarting says so" ;; esac
elif command -v zypper >/dev/null; then
  zypper -q needs-rebooting >/dev/null 2>&1
  case $? in 0) no=zypper ;; 102) why="${why:+$why; }zypper says so" ;; esac
elif command -v needrestart >/dev/null; then
  case $(needrestart -b -k 2>/dev/null | sed -n 's/^NEEDRESTART-KSTA: *//p') in
    1) no=needrestart ;;
    2 | 3) why="${why:+$why; }needrestart: another kernel is installed" ;;
  esac
elif [ -e /etc/kernel/postinst.d/unattended-upgrades ] || [ -e /usr/share/update-notifier/notify-reboot-required ]; then
  no='the hook that would write /run/reboot-required'
fi
! grep -q ' /.*\.so.* (deleted)$' /proc/1/maps 2>/dev/null || why="${why:+$why; }the first process uses files that were replaced"

if [ -n "$why" ]; then
  echo "why $why"
  echo "needed yes"
elif [ -n "$no" ]; then
  echo "why $no"
  echo "needed no"
else
  echo "needed unknown"
fi
