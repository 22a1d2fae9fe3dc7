#!/usr/bin/env bash
# A lab of real SSH hosts on one Linux machine, as root, cut off from every real network.
#
# Owns: two network namespaces with no way out (the controller's and the hosts'), the link between them, one sshd a host, one
# control group for all hosts, and DIR. Must not: touch the machine's own network, keys, homes or settings, or leave
# anything behind after `down` or a failed `up`.
#
#   lab.sh up DIR N [--delay MS]   starts N hosts (10.77.x.y, port 22, user root) and writes into DIR, which must be new or empty:
#                                  hosts.txt (NAME ADDRESS a line), id, known_hosts, ssh_config, netns (the controller's)
#   lab.sh in DIR COMMAND...       runs a command where the controller is: only there can the hosts be reached
#   lab.sh cpu DIR                 CPU seconds that all hosts together have used so far
#   lab.sh down DIR                ends the hosts and removes the namespaces, the control group and DIR
#
# Each host has its own address, its own host key, and its own tmpfs for /root, /tmp, /var/tmp, /var/log, /run and /etc/ssh: what a
# login writes is on no file system that another host or the controller uses. Programs and libraries are the machine's own.
# --delay is the round trip in milliseconds, made by a relay (delay.rs, rustc needed) because not every kernel has netem; the
# file DIR/turns then says how many round trips were waited for, over all hosts.
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin:$HOME/.cargo/bin"
here=$(cd "$(dirname "$0")" && pwd)

die() { echo "lab: $*" >&2; exit 1; }
usage() { sed -n '8,13s/^# \{0,1\}//p' "$0" >&2; exit 64; }

address() { echo "10.77.$(($1 / 250)).$(($1 % 250 + 1))"; }

# The file that counts the hosts' CPU time, or nothing where no control group can be had.
cpu_file() {
  local id=$1 file
  for file in /sys/fs/cgroup/cpuacct/"$id"/cpuacct.usage /sys/fs/cgroup/cpu,cpuacct/"$id"/cpuacct.usage /sys/fs/cgroup/"$id"/cpu.stat; do
    [ ! -e "$file" ] || { echo "$file"; return; }
  done
}

make_cgroup() {
  local id=$1 root
  for root in /sys/fs/cgroup/cpuacct /sys/fs/cgroup/cpu,cpuacct /sys/fs/cgroup; do
    [ -e "$root/cgroup.procs" ] || continue
    mkdir "$root/$id" 2>/dev/null && return
  done
  echo "lab: no control group can be had; the hosts' CPU time will be summed over their processes" >&2
}

host_pids() { ip netns pids "$(cat "$1/netns.hosts")" 2>/dev/null || true; }

# ---- up

link() { # CONTROLLER HOSTS MS
  local end
  if [ "$3" = 0 ]; then
    ip -n "$1" link add link0 type veth peer name link0 netns "$2"
  else
    rustc --edition 2021 -O -o "$dir/delay" "$here/delay.rs"
    setsid "$dir/delay" "$1" "$2" link0 "$3" "$dir/turns" </dev/null >"$dir/delay.log" 2>&1 &
    echo $! >"$dir/delay.pid"
    for _ in $(seq 50); do
      ip -n "$2" link show link0 >/dev/null 2>&1 && break
      sleep 0.1
    done
    ip -n "$2" link show link0 >/dev/null 2>&1 || die "no relay: $(cat "$dir/delay.log")"
  fi
  ip -n "$1" addr add 10.76.0.1 peer 10.76.0.2 dev link0
  ip -n "$2" addr add 10.76.0.2 peer 10.76.0.1 dev link0
  for end in "$1" "$2"; do
    ip -n "$end" link set lo up
    ip -n "$end" link set link0 up
  done
  ip -n "$1" route add 10.77.0.0/16 via 10.76.0.2
  ip -n "$2" route add local 10.77.0.0/16 dev lo # every address of the network is one of the hosts'
}

# Becomes the sshd of one host. Runs in its mount namespace; $1 is the folder with its /etc/ssh.
host() {
  local place
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 tmpfs /etc/ssh
  cp "$1"/* /etc/ssh/ # before what holds it is covered
  for place in /root /tmp /var/tmp /var/log /run; do mount -t tmpfs -o mode=755 tmpfs "$place"; done
  chmod 1777 /tmp /var/tmp
  chmod 700 /root
  mkdir -p /run/sshd
  cd /
  exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin /usr/sbin/sshd -D -e
}

sshd_config() { # ADDRESS
  cat <<END
Port 22
ListenAddress $1
HostKey /etc/ssh/ssh_host_ed25519_key
PidFile none
LogLevel ERROR
AuthorizedKeysFile /etc/ssh/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UseDNS no
PrintMotd no
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org
MaxStartups 200
Subsystem sftp internal-sftp
END
  # Newer servers lock a source out that comes often; in the lab all hosts see the same source.
  ! /usr/sbin/sshd -T -o PerSourcePenalties=no -f /dev/null -h "$dir/id" >/dev/null 2>&1 || echo "PerSourcePenalties no"
}

up() {
  dir=$1 count=$2 delay=0
  shift 2
  if [ "${1:-}" = --delay ]; then delay=$2; shift 2; fi
  [ $# = 0 ] || usage
  [ "$(id -u)" = 0 ] || die "needs root"
  for tool in ip unshare nsenter setsid ssh-keygen; do command -v "$tool" >/dev/null || die "needs $tool"; done
  [ -x /usr/sbin/sshd ] || die "needs /usr/sbin/sshd (Debian: openssh-server)"
  [ ! -e "$dir" ] || [ -z "$(ls -A "$dir")" ] || die "$dir is not empty"
  mkdir -p "$dir/h"
  dir=$(cd "$dir" && pwd)
  trap 'down "$dir"' EXIT # until all is up
  local id=pitstop-lab-$$
  echo "$id" >"$dir/cgroup"
  echo "$id-c" >"$dir/netns"
  echo "$id-h" >"$dir/netns.hosts"
  ip netns add "$id-c"
  ip netns add "$id-h"
  link "$id-c" "$id-h" "$delay"
  make_cgroup "$id"
  ssh-keygen -q -t ed25519 -N '' -C lab -f "$dir/id"
  local n=0 name addr place
  while [ "$n" -lt "$count" ]; do
    name=$(printf 'h%03d' "$n") addr=$(address "$n") place=$dir/h/$n
    mkdir "$place"
    ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$place/ssh_host_ed25519_key"
    cp "$dir/id.pub" "$place/authorized_keys"
    sshd_config "$addr" >"$place/sshd_config"
    echo "$addr $(cut -d' ' -f1,2 "$place/ssh_host_ed25519_key.pub")" >>"$dir/known_hosts"
    echo "$name $addr" >>"$dir/hosts.txt"
    (
      file=$(cpu_file "$id")
      [ -z "$file" ] || echo "$BASHPID" >"${file%/*}/cgroup.procs"
      exec setsid nsenter --net="/run/netns/$id-h" unshare --mount bash "$here/lab.sh" host "$place"
    ) </dev/null >"$place.log" 2>&1 &
    n=$((n + 1))
  done
  cat >"$dir/ssh_config" <<END
Host 10.77.*
  User root
  IdentityFile $dir/id
  IdentitiesOnly yes
  UserKnownHostsFile $dir/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  KexAlgorithms curve25519-sha256
  BatchMode yes
  LogLevel ERROR
END
  while read -r name addr; do
    for _ in $(seq 100); do
      nsenter --net="/run/netns/$id-c" bash -c "exec 3<>/dev/tcp/$addr/22 && read -r -t 2 line <&3" 2>/dev/null && continue 2
      sleep 0.1
    done
    cat "$dir"/h/*.log >&2
    die "$name ($addr) does not answer"
  done <"$dir/hosts.txt"
  trap - EXIT
  echo "lab: $count hosts, round trip $(round_trip "$id-c" "$(address 0)") ms as measured, in $dir"
}

# Milliseconds that a TCP connection takes to open: the best of five. (Not every machine has ping.)
round_trip() { # NETNS ADDRESS
  nsenter --net="/run/netns/$1" bash -c '
    for _ in 1 2 3 4 5; do
      began=${EPOCHREALTIME/[.,]/}
      exec 3<>"/dev/tcp/$0/22"
      echo "$((${EPOCHREALTIME/[.,]/} - began))"
      exec 3>&-
    done' "$2" | sort -n | awk 'NR == 1 { printf "%.1f", $1 / 1000 }'
}

# ---- the others

cpu() {
  local file
  file=$(cpu_file "$(cat "$1/cgroup")")
  case $file in
    */cpuacct.usage) awk '{ printf "%.3f\n", $1 / 1e9 }' "$file" ;;
    */cpu.stat) awk '$1 == "usage_usec" { printf "%.3f\n", $2 / 1e6 }' "$file" ;;
    *) # of the living and of the children that they waited for
      echo "lab: summed over processes" >&2
      host_pids "$1" | while read -r pid; do cat "/proc/$pid/stat" 2>/dev/null || true; done |
        awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); t += $12 + $13 + $14 + $15 } END { printf "%.3f\n", t / hz }'
      ;;
  esac
}

down() {
  local dir=$1 file pid
  [ -e "$dir/netns.hosts" ] || die "$dir is no lab"
  for _ in $(seq 50); do
    pid=$(host_pids "$dir")
    [ -n "$pid" ] || break
    kill -9 $pid 2>/dev/null || true # several words
    sleep 0.1
  done
  [ ! -e "$dir/delay.pid" ] || kill "$(cat "$dir/delay.pid")" 2>/dev/null || true
  file=$(cpu_file "$(cat "$dir/cgroup")")
  [ -z "$file" ] || rmdir "${file%/*}" 2>/dev/null || echo "lab: ${file%/*} is left" >&2
  ip netns del "$(cat "$dir/netns")" 2>/dev/null || true
  ip netns del "$(cat "$dir/netns.hosts")" 2>/dev/null || true
  rm -rf "$dir"
}

case ${1:-} in
  up) [ $# -ge 3 ] || usage; shift; up "$@" ;;
  in) [ $# -ge 3 ] || usage; netns=$(cat "$2/netns"); shift 2; exec ip netns exec "$netns" "$@" ;;
  cpu) [ $# = 2 ] || usage; cpu "$2" ;;
  down) [ $# = 2 ] || usage; down "$2" ;;
  host) host "$2" ;; # by `up` only
  *) usage ;;
esac
