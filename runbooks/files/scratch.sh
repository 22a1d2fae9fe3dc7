#!/bin/sh
# A scratch folder on a host for what a backup gives back: apart from production, cut off from the network, and always erased.
#
#   scratch.sh identity                                  prints who this host is, for `apart` on another one
#   scratch.sh apart IDENTITY                            this host may be restored on, and is not the one that said IDENTITY
#   scratch.sh room FOLDER MEGABYTES                     FOLDER has so much room
#   scratch.sh open FOLDER RUN LIMIT [USER]              makes FOLDER/pitstop-restore-RUN and plants what erases it after LIMIT
#   scratch.sh run FOLDER RUN NAME USER -- COMMAND...    starts a command there, cut off, and lets it go on
#   scratch.sh do FOLDER RUN NAME USER -- COMMAND...     the same, and waits for its end: input, output and exit code are its own
#   scratch.sh lives FOLDER RUN NAME                     what `run` started lives, and is still its first process
#   scratch.sh stop FOLDER RUN NAME [SIGNAL]             ends it, first with SIGNAL (TERM), so that NAME can be started again
#   scratch.sh cut FOLDER RUN NAME HOST:PORT...          from inside of it no HOST:PORT (or those of $PRODUCTION) can be reached
#   scratch.sh close FOLDER RUN                          ends what runs there, erases the folder, proves that nothing is left
#
# All but `identity` as root. FOLDER belongs to root; RUN is the run's id; NAME is [a-z0-9]; LIMIT is 90s, 20m, 8h or a number of hours;
# the scratch folder is USER's (root's without) and only USER can enter it.
#
# IDENTITY is `MACHINE-ID ADDRESS,ADDRESS,…`; `none` is said where there is no source that could be mixed up with this host. A host on
# which may be restored has the file /etc/pitstop-restore-target: somebody made it on purpose.
#
# What erases the scratch without anybody's help: a timer, and a line for systemd-tmpfiles, because a timer does not outlive a restart.
# A command that is run sees of the network only its own loopback, may write nowhere but into the scratch and its own /tmp, and cannot
# gain rights. It does not begin where the host cannot keep that: systemd passes over what a kernel cannot do. `run` and `do` give it
# no secret: everybody on a host can read the environment of a unit. `open` leaves this script as /run/pitstop-restore-RUN.sh, for the
# other scripts of a restore test, and makes the folder /run/pitstop-restore-RUN for what only root may write; there lies NAME.log, what
# a command that `run` started says. Root writes no file into a scratch of USER's: what was restored could have put a link there.
set -u
LC_ALL=C; export LC_ALL
umask 077
marker=/etc/pitstop-restore-target
what=${1:-}
[ $# = 0 ] || shift

die() { printf '%s\n' "$*" >&2; exit 1; }

# Sets scratch and unit. Both go into commands of root: nothing odd may be in them.
place() { # FOLDER RUN
  case $1 in /*) ;; *) die "$1 is no path from the root" ;; esac
  case $1 in *[!A-Za-z0-9/._-]* | *//* | */../* | */.. | */./* | */. | /) die "$1: a folder with a plain name is needed" ;; esac
  case $2 in '' | -* | *[!a-z0-9-]*) die "$2 is no id of a run" ;; esac
  scratch=${1%/}/pitstop-restore-$2
  unit=pitstop-restore-$2
  boot=/etc/tmpfiles.d/$unit.conf
  tool=/run/$unit.sh
  notes=/run/$unit
}
named() { case $1 in '' | *[!a-z0-9]*) die "$1 is no name: a-z and 0-9" ;; esac; }
is_root() { [ "$(id -u)" = 0 ] || die "this needs root on the restore host: become: true"; }
has() { for tool_needed; do command -v "$tool_needed" >/dev/null || die "$tool_needed is not installed on the restore host"; done; }

# Without loopback, link-local, and the bridges of container hosts, which have the same address everywhere.
addresses() {
  if command -v ip >/dev/null; then
    ip -o addr show scope global | awk '$2 !~ /^(docker|br-|virbr|cni|podman|veth|lxc|lxd)/ { sub("/.*", "", $4); print $4 }'
  else
    hostname -I 2>/dev/null | tr ' ' '\n' | grep .
  fi
}

# Numbers of the processes that have something of the scratch open, or stand in it.
users_of() {
  find /proc/[0-9]*/cwd /proc/[0-9]*/root /proc/[0-9]*/exe /proc/[0-9]*/fd -maxdepth 1 \
    \( -lname "$scratch" -o -lname "$scratch/*" \) 2>/dev/null | cut -d/ -f3 | sort -u | grep -vx "$$"
}
mounts_of() { awk -v s="$scratch" '$5 == s || index($5, s "/") == 1 { print $5 }' /proc/self/mountinfo | sort -r; }
units_of() { systemctl list-units --all --plain --no-legend "$unit-*" 2>/dev/null | awk '{ print $1 }'; }

erase() {
  # It is all to be erased: nothing has to end in peace.
  systemctl kill --kill-who=all --signal=KILL "$unit-*.service" 2>/dev/null
  systemctl stop "$unit-*.service" 2>/dev/null
  systemctl reset-failed "$unit-*.service" 2>/dev/null
  for try in 1 2 3 4 5 6 7 8 9 10; do
    users=$(users_of) || break
    # shellcheck disable=SC2086 # numbers
    kill -KILL $users 2>/dev/null
    [ "$try" = 1 ] || sleep 1
  done
  mounts_of | while IFS= read -r at; do umount "$at" 2>/dev/null || umount -l "$at"; done
  if [ -L "$scratch" ]; then rm -f -- "$scratch"; else rm -rf --one-file-system -- "$scratch"; fi
}

# What there is of it, a line each; nothing if it is gone.
left() {
  { [ ! -e "$scratch" ] && [ ! -L "$scratch" ]; } || echo "the folder $scratch"
  units_of | sed 's/^/the unit /'
  users_of | sed 's/^/the process /'
  mounts_of | sed 's/^/mounted at /'
}

# Runs a command in a unit of its own: OPTIONS of systemd-run in $options.
in_unit() { # NAME USER -- COMMAND...
  named "$1"
  [ "$3" = -- ] && [ $# -ge 4 ] || die "write: NAME USER -- COMMAND..."
  [ -d "$scratch" ] || die "there is no $scratch: open it first"
  name=$1 user=$2
  id -u -- "$user" >/dev/null 2>&1 || die "there is no user $user on the restore host"
  shift 3
  # systemd reads a dollar sign in a command line as one of its variables; two are one.
  n=$#
  while [ "$n" -gt 0 ]; do
    word=$(printf '%s.' "$1" | sed 's/\$/$$/g')
    shift
    set -- "$@" "${word%.}"
    n=$((n - 1))
  done
  # The first thing that it does is to look whether it is cut off.
  guard='for n in net mnt; do case " $0 " in *" $(readlink /proc/self/ns/$n) "*) echo "this host does not cut off what it runs ($n)" >&2; exit 97 ;; esac; done; exec "$@"'
  guard=$(printf '%s' "$guard" | sed 's/\$/$$/g')
  # shellcheck disable=SC2086 # options
  exec systemd-run --quiet --unit="$unit-$name" --uid="$user" --property=PrivateNetwork=yes --property=ProtectSystem=strict \
    --property=ReadWritePaths="$scratch" --property=TemporaryFileSystem=/tmp:mode=1777 --property=NoNewPrivileges=yes \
    --property=WorkingDirectory="$scratch" $options \
    /bin/sh -c "$guard" "$(readlink /proc/self/ns/net) $(readlink /proc/self/ns/mnt)" "$@"
}

case $what in
  identity)
    id=$(cat /etc/machine-id 2>/dev/null)
    [ -n "$id" ] || die "this host has no /etc/machine-id: it cannot say who it is"
    echo "$id $(addresses | sort -u | paste -sd, -)"
    ;;
  apart)
    said=${1:-}
    [ -f "$marker" ] && [ ! -L "$marker" ] ||
      die "this host has no $marker: nobody meant it for restore tests. If it is, touch $marker there"
    [ "$said" != none ] || { echo "marked; no source to be mixed up with"; exit 0; }
    case $said in '' | ' '*) die "nobody said who the source is" ;; esac
    [ "${said%% *}" != "$(cat /etc/machine-id 2>/dev/null)" ] ||
      die "this host is the source, or a copy of it with the same /etc/machine-id: nothing is restored here"
    own=$(addresses) || own=
    for address in $(printf '%s' "${said#* }" | tr , ' '); do
      ! printf '%s\n' "$own" | grep -qxF -- "$address" || die "this host has the source's address $address: nothing is restored here"
    done
    echo "marked; not the source (${said%% *})"
    ;;
  room)
    free=$(df -Pm -- "$1" | awk 'NR == 2 { print $4 }') && [ -n "$free" ] || die "no room can be measured at $1"
    [ "$free" -ge "$2" ] || die "$1 has $free MiB free, $2 MiB are wanted"
    echo "$free MiB free, $2 MiB wanted"
    ;;
  open)
    is_root
    place "$1" "$2"
    limit=$3 user=${4:-root}
    has systemd-run systemctl systemd-tmpfiles find awk nsenter
    [ -d /run/systemd/system ] || die "systemd does not run on this host: nothing would erase the scratch by itself"
    id -u -- "$user" >/dev/null 2>&1 || die "there is no user $user on the restore host"
    case $limit in
      '' | *[!0-9hms]* | [hms]* | 0 | 0[hms]) die "$limit is no length of time: 90s, 20m, 8h" ;;
      *[hms]) ;;
      *) limit=${limit}h ;;
    esac
    [ -d "$1" ] && [ "$(realpath -- "$1")" = "${1%/}" ] || die "$1 is no folder, or there is a link on the way to it"
    [ -z "$(find "$1" -maxdepth 0 ! -user root)" ] || die "$1 does not belong to root"
    [ -z "$(find "$1" -maxdepth 0 -perm /go=w ! -perm -1000)" ] || die "others can write into $1: chmod go-w $1"
    case $1/ in /tmp/*) die "$1: not in /tmp, of which every command that is run gets its own" ;; esac
    { [ ! -e "$scratch" ] && [ ! -L "$scratch" ]; } || die "$scratch is there already: it is left alone"
    [ -r "$0" ] && [ -f "$0" ] || die "scratch.sh has to be run from a file"
    mkdir -m 700 -- "$notes" || die "$notes is there already"
    # First what erases it, then the folder.
    cat <"$0" >"$tool" && chmod 500 "$tool" || die "$tool cannot be written"
    printf '%s\n' "# Of a restore test: it erases what would be left if this host restarts meanwhile." "R! $scratch" "r! $boot" >"$boot" ||
      die "$boot cannot be written"
    chmod 644 "$boot"
    sync -- "$boot"
    systemd-run --quiet --unit="$unit" --description="Erases $scratch if nobody else does" --on-active="$limit" \
      --timer-property=AccuracySec=1s /bin/sh "$tool" dead-man "$1" "$2" || die "no timer could be planted"
    systemctl is-active --quiet "$unit.timer" || die "the timer $unit.timer does not run"
    mkdir -m 700 -- "$scratch" && chown -- "$user" "$scratch" || die "$scratch could not be made"
    echo "$scratch, to be erased in $limit at the latest"
    ;;
  run)
    is_root
    place "$1" "$2"
    shift 2
    options="--property=Type=exec --property=StandardOutput=append:$notes/${1:-}.log --property=StandardError=append:$notes/${1:-}.log"
    in_unit "$@"
    ;;
  do)
    is_root
    place "$1" "$2"
    shift 2
    options="--wait --pipe --collect"
    in_unit "$@"
    ;;
  lives)
    is_root
    place "$1" "$2"
    named "$3"
    now=$(systemctl show -p ActiveState -p Result -p ExecMainStatus -p NRestarts "$unit-$3.service" | tr '\n' ' ')
    case $now in
      *ActiveState=active*) echo "$3 lives" ;;
      *)
        [ ! -s "$notes/$3.log" ] || tail -n 15 "$notes/$3.log" >&2
        die "$3 does not live: $now"
        ;;
    esac
    ;;
  stop)
    is_root
    place "$1" "$2"
    named "$3"
    systemctl kill --kill-who=main --signal="${4:-TERM}" "$unit-$3.service" 2>/dev/null
    systemctl stop "$unit-$3.service" 2>/dev/null
    systemctl reset-failed "$unit-$3.service" 2>/dev/null
    ! systemctl is-active --quiet "$unit-$3.service" || die "$3 does not end"
    ;;
  cut)
    is_root
    place "$1" "$2"
    named "$3"
    has nsenter bash timeout
    pid=$(systemctl show -P MainPID "$unit-$3.service")
    case $pid in '' | 0) die "$3 does not run: from nowhere nothing can be reached" ;; esac
    [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] || die "$3 is in the host's own network"
    # Every address that the kernel of this network answers to; its own loopback is none.
    has_too=$({
      awk '/host LOCAL/ && last !~ /^127\./ { print last } { last = $NF }' "/proc/$pid/net/fib_trie"
      awk '$6 != "lo" { print $6 }' "/proc/$pid/net/if_inet6"
    } 2>/dev/null | sort -u | paste -sd' ' -)
    [ -z "$has_too" ] || die "$3 has a network: $has_too"
    shift 3
    # shellcheck disable=SC2086 # words
    [ $# -gt 0 ] || set -- ${PRODUCTION:-}
    [ $# -gt 0 ] || echo "no network but its own loopback; nobody said where production is"
    for to; do
      host=${to%:*} port=${to##*:}
      case $port in '' | *[!0-9]*) die "$to: write HOST:PORT" ;; esac
      # Names are asked outside: inside there is nobody to ask.
      at=$(getent ahosts "$host" | awk '{ print $1 }' | sort -u)
      [ -n "$at" ] || die "nobody knows the address of $host: that it cannot be reached would prove nothing"
      for address in $at; do
        case $address in 127.* | ::1) die "$to is loopback: everybody has their own" ;; esac
        outside=no
        # shellcheck disable=SC2016 # bash's own
        ! timeout 5 bash -c ': <>"/dev/tcp/$0/$1"' "$address" "$port" 2>/dev/null || outside=yes
        # shellcheck disable=SC2016
        if said=$(timeout 5 nsenter -t "$pid" -n bash -c ': <>"/dev/tcp/$0/$1"' "$address" "$port" 2>&1); then
          die "$3 reaches $to ($address): it is not cut off"
        fi
        case $said in
          *'Network is unreachable'* | *'Cannot assign requested address'*) ;;
          *) die "whether $3 reaches $to ($address) cannot be said: $said" ;;
        esac
        echo "$to ($address) cannot be reached from inside; from this host: $outside"
      done
    done
    ;;
  close | dead-man)
    is_root
    place "$1" "$2"
    erase
    rest=$(left)
    [ -z "$rest" ] || die "left behind: $(printf '%s' "$rest" | paste -sd';' -)"
    # Only now what would have erased it.
    systemctl stop "$unit.timer" 2>/dev/null
    if [ "$what" = close ]; then
      # It may have gone off at this moment.
      for try in 1 2 3 4 5 6 7 8 9 10; do
        systemctl is-active --quiet "$unit.service" || break
        sleep 1
      done
      systemctl stop "$unit.service" 2>/dev/null
    fi
    systemctl reset-failed "$unit.service" 2>/dev/null
    rm -rf -- "$boot" "$tool" "$notes"
    [ "$(systemctl show -P ActiveState "$unit.timer")" = inactive ] || die "left behind: the timer $unit.timer"
    { [ ! -e "$boot" ] && [ ! -e "$tool" ] && [ ! -e "$notes" ]; } || die "left behind: $boot, $tool or $notes"
    echo "nothing is left of $scratch: no folder, unit, process, mount or timer"
    ;;
  *) die "scratch.sh does not know $what" ;;
esac
