#!/bin/sh
# Prints what a host is, as JSON: a list of objects, one for each thing. Changes nothing.
#
#   inventory.sh host          the host: hardware, operating system, processors, memory, addresses
#   inventory.sh disks         its disks
#   inventory.sh networks      its network interfaces
#   inventory.sh listening     what listens, and the unit, package and version of the program
#   inventory.sh units         units that start with the host
#   inventory.sh packages      installed packages
#
# What is not known is null, never a guess. Where a whole list cannot be had it ends with 1 and says why.
set -uf
LC_ALL=C; export LC_ALL
PATH=$PATH:/usr/sbin:/sbin
nl='
'
die() { echo "$1" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "only root sees serial numbers and the programs behind all sockets"

# One line a field: its kind (s text, n number, b true or false, l an item of a list), its name, its value; an empty line ends the object.
field() {
  value=$3
  case $value in *"$nl"*) value=$(printf '%s' "$value" | tr '\n' ' ') ;; esac
  printf '%s\t%s\t%s\n' "$1" "$2" "$value"
}
text() { field s "$1" "$2"; }
number() { field n "$1" "$2"; }
items() { # NAME VALUE...
  name=$1; shift
  printf 'l\t%s\n' "$name"
  for item in "$@"; do field l "$name" "$item"; done
}
end() { echo; }
# shellcheck disable=SC2016 # it is awk
rows() {
  awk -F '\t' '
    BEGIN { for (i = 1; i < 32; i++) m[sprintf("%c", i)] = sprintf("\\u%04x", i); m["\""] = "\\\""; m["\\"] = "\\\\"; printf "[" }
    function q(s,   i, c, o) { o = "\""; for (i = 1; i <= length(s); i++) { c = substr(s, i, 1); o = o ((c in m) ? m[c] : c) } return o "\"" }
    $0 == "" {
      if (n) { printf "%s{", sep; for (i = 1; i <= n; i++) printf "%s%s:%s%s", (i > 1 ? "," : ""), q(name[i]), said[i], (list[i] ? "]" : ""); printf "}"; sep = ",\n " }
      n = 0; split("", at); split("", list); next
    }
    {
      v = substr($0, length($1) + length($2) + 3)
      if (!($2 in at)) { at[$2] = ++n; name[n] = $2; list[n] = ($1 == "l"); said[n] = ($1 == "l" ? "[" : "") }
      i = at[$2]
      if ($1 == "l") { if (NF > 2) said[i] = said[i] (said[i] == "[" ? "" : ",") q(v) }
      else if ($1 == "n") said[i] = (v ~ /^-?[0-9]+$/ ? v : "null")
      else if ($1 == "b") said[i] = (v == "true" || v == "false" ? v : "null")
      else said[i] = (v == "" ? "null" : q(v))
    }
    END { print "]" }'
}
# The first line of a file, without blanks at its ends.
first() { [ -r "$1" ] && sed -n 's/^[[:space:]]*//; s/[[:space:]]*$//; 1p' "$1" 2>/dev/null; }
# A fact of the hardware; vendors leave words of their forms in it.
dmi() {
  said=$(first "/sys/class/dmi/id/$1") || said=
  [ -n "$said" ] || { command -v dmidecode >/dev/null && said=$(dmidecode -s "$2" 2>/dev/null | grep -v '^#' | head -n 1); }
  case $said in
    '' | 'To Be Filled'* | 'To be filled'* | 'Not Specified' | 'Not Settable' | 'Default string' | 'System Serial Number' | None | none | 0 | Unknown) ;;
    *) printf '%s' "$said" ;;
  esac
}

host() {
  uname=$(uname -n)
  text name "$uname"
  text fqdn "$(hostname -f 2>/dev/null | grep -F .)"
  text machine_id "$(first /etc/machine-id)"
  virtual=$(systemd-detect-virt 2>/dev/null) || [ "$virtual" = none ] || virtual=
  case $virtual in none) kind=physical ;; '') kind= ;; *) kind=virtual ;; esac
  text kind "$kind"
  text platform "$([ "$virtual" = none ] || echo "$virtual")"
  text vendor "$(dmi sys_vendor system-manufacturer)"
  text product "$(dmi product_name system-product-name)"
  text serial "$(dmi product_serial system-serial-number)"
  text uuid "$(dmi product_uuid system-uuid)"
  text firmware "$(dmi bios_version bios-version)"
  text os "$(. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME:-}")"
  text os_id "$(. /etc/os-release 2>/dev/null && printf '%s' "${ID:-}")"
  text os_version "$(cat /etc/debian_version 2>/dev/null || { . /etc/os-release 2>/dev/null && printf '%s' "${VERSION_ID:-}"; })"
  text kernel "$(uname -r)"
  text architecture "$(uname -m)"
  number processors "$(getconf _NPROCESSORS_ONLN 2>/dev/null || grep -c '^processor' /proc/cpuinfo)"
  number sockets "$(sed -n 's/^physical id[[:space:]]*: //p' /proc/cpuinfo | sort -u | grep -c .)"
  text processor "$(sed -n 's/^model name[[:space:]]*: //p; s/^Model[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
  number memory_mib "$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo)"
  number swap_mib "$(awk '$1 == "SwapTotal:" { print int($2 / 1024) }' /proc/meminfo)"
  number disks_gb "$(for disk in $(disk_names); do first "/sys/block/$disk/size"; done | awk '{ n += $1 * 512 } END { print int(n / 1000000000) }')"
  # shellcheck disable=SC2046 # words
  items addresses $(ip -o addr show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4 }')
  # shellcheck disable=SC2046 # words
  items macs $(for net in $(net_names); do first "/sys/class/net/$net/address"; done | grep -v '^00:00:00:00:00:00$' | sort -u)
  text gateway "$(ip route show default 2>/dev/null | sed -n 's/^default via \([^ ]*\).*/\1/p' | head -n 1)"
  text booted "$(date -u -d "@$(awk '$1 == "btime" { print $2 }' /proc/stat)" +%Y-%m-%dT%H:%M:%SZ 2>/dev/null)"
  text timezone "$(readlink -f /etc/localtime 2>/dev/null | sed -n 's|.*/zoneinfo/||p')"
  end
}

# Those that are devices: no loops, no memory, nothing that lies on others.
disk_names() { for disk in $(ls /sys/block 2>/dev/null); do [ -e "/sys/block/$disk/device" ] && echo "$disk"; done; }
net_names() { ls /sys/class/net 2>/dev/null | grep -v '^lo$'; }

disks() {
  for disk in $(disk_names); do
    at=/sys/block/$disk
    text disk "$disk"
    number bytes "$(awk '{ printf "%.0f\n", $1 * 512 }' "$at/size")"
    text vendor "$(first "$at/device/vendor")"
    text model "$(first "$at/device/model")"
    serial=$(first "$at/device/serial" || first "$at/serial") || serial=
    [ -n "$serial" ] || serial=$(udevadm info --query=property --name="$disk" 2>/dev/null | sed -n 's/^ID_SERIAL_SHORT=//p')
    text serial "$serial"
    case $(first "$at/queue/rotational") in 1) media=disk ;; 0) media=flash ;; *) media= ;; esac
    text media "$media"
    case $(first "$at/removable") in 1) out=true ;; 0) out=false ;; *) out= ;; esac
    field b removable "$out"
    # shellcheck disable=SC2046 # words
    items mounted $(lsblk -nro MOUNTPOINT "/dev/$disk" 2>/dev/null | grep . | sort -u)
    end
  done
}

networks() {
  command -v ip >/dev/null || die "there is no ip: install iproute2"
  for net in $(net_names); do
    at=/sys/class/net/$net
    [ -e "$at/address" ] || continue
    text interface "$net"
    text mac "$(first "$at/address")"
    # shellcheck disable=SC2046 # words
    items addresses $(ip -o addr show dev "$net" 2>/dev/null | awk '{ print $4 }')
    text state "$(first "$at/operstate")"
    number mtu "$(first "$at/mtu")"
    speed=$(cat "$at/speed" 2>/dev/null) || speed=
    case $speed in -*) speed= ;; esac
    number mbit "$speed"
    if [ -e "$at/device" ]; then kind=device; else kind=virtual; fi
    text kind "$kind"
    end
  done
}

# PATH: the package that it belongs to, and its version.
owner() {
  if command -v dpkg-query >/dev/null; then
    # Where /bin is a link to /usr/bin, dpkg knows some files by the one name and some by the other.
    for name in "$1" "${1#/usr}" "/usr$1"; do
      found=$(dpkg-query -S "$name" 2>/dev/null | sed -n "s|^\([^ ,:]*\).*: /.*|\1|p" | head -n 1)
      [ -z "$found" ] || { dpkg-query -W -f '${Package} ${Version}\n' "$found" 2>/dev/null | head -n 1; return; }
    done
  elif command -v rpm >/dev/null; then
    rpm -qf --qf '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' "$1" 2>/dev/null | grep -v ' not owned \|^error' | sed 's/ 0:/ /' | head -n 1
  elif command -v pacman >/dev/null; then
    found=$(pacman -Qqo "$1" 2>/dev/null) && pacman -Q "$found"
  elif command -v apk >/dev/null; then
    apk info --who-owns "$1" 2>/dev/null | sed -n 's/.* owned by \(.*\)-\([0-9][^-]*-r[0-9]*\)$/\1 \2/p'
  fi
}

listening() {
  command -v ss >/dev/null || die "there is no ss: install iproute2"
  found=$(ss -H -lntup) || die "ss failed"
  known=
  printf '%s\n' "$found" | awk 'NF' | sort -u | while read -r proto _ _ _ local _ users; do
    text protocol "$proto"
    text address "$(printf '%s' "${local%:*}" | tr -d '[]')"
    number port "${local##*:}"
    pid=$(printf '%s' "$users" | sed -n 's/^[^,]*,pid=\([0-9]*\),.*/\1/p')
    text process "$(printf '%s' "$users" | sed -n 's/^users:(("\([^"]*\)".*/\1/p')"
    program= unit= package= version= replaced=
    if [ -n "$pid" ]; then
      program=$(readlink "/proc/$pid/exe" 2>/dev/null) || program=
      unit=$(sed -n 's/^0:://p; s/^[0-9]*:name=systemd://p' "/proc/$pid/cgroup" 2>/dev/null | tr / '\n' | grep -E '\.(service|scope|socket)$' | tail -n 1)
    fi
    if [ -n "$program" ]; then
      replaced=false
      case $program in *' (deleted)') replaced=true program=${program% (deleted)} ;; esac
      case $known in
        *"$nl$program$nl"*) package=$(printf '%s' "$known" | grep -A 1 -x -F -e "$program" | sed -n 2p) ;;
        *) package=$(owner "$program") known="$known$nl$program$nl${package:- }$nl" ;;
      esac
      version=${package#* } package=${package%% *}
    fi
    text program "$program"
    text unit "$unit"
    text package "$package"
    text version "$version"
    # The program's file is another one since it was started: what runs is not what the version says.
    field b replaced "$replaced"
    end
  done
}

units() {
  if [ -d /run/systemd/system ]; then
    names=$(systemctl list-unit-files --no-legend --no-pager --state=enabled,enabled-runtime) || die "systemctl failed"
    # Templates are no units that run.
    names=$(printf '%s\n' "$names" | awk '$1 !~ /@\./ { print $1 }')
    [ -n "$names" ] || return 0
    # shellcheck disable=SC2086 # words
    systemctl show --no-pager -p Id,Description,ActiveState,SubState,FragmentPath,MainPID -- $names |
      awk -F = '
        function put(   i) { if (!("Id" in v)) return; print "s\tunit\t" v["Id"]; print "s\tdescription\t" v["Description"]; print "s\tactive\t" v["ActiveState"]; print "s\tstate\t" v["SubState"]; print "s\tfile\t" v["FragmentPath"]; print ""; split("", v) }
        $0 == "" { put(); next }
        { name = $1; value = substr($0, length($1) + 2); gsub("\t", " ", value); v[name] = value }
        END { put() }'
  elif command -v rc-update >/dev/null; then
    rc-update show | awk -F '|' 'NF > 1 { gsub(/[ \t]/, "", $1); sub(/^ */, "", $2); print "s\tunit\t" $1; print "s\trunlevels\t" $2; print "" }'
  else
    die "neither systemd nor OpenRC starts services here"
  fi
}

packages() {
  if command -v dpkg-query >/dev/null; then
    dpkg-query -W -f 's\tpackage\t${Package}\ns\tversion\t${Version}\ns\tarchitecture\t${Architecture}\ns\tstatus\t${db:Status-Status}\n\n'
  elif command -v rpm >/dev/null; then
    rpm -qa --qf 's\tpackage\t%{NAME}\ns\tversion\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\ns\tarchitecture\t%{ARCH}\ns\tstatus\tinstalled\n\n'
  elif command -v pacman >/dev/null; then
    pacman -Q | awk '{ print "s\tpackage\t" $1; print "s\tversion\t" $2; print "" }'
  elif command -v apk >/dev/null; then
    apk list --installed 2>/dev/null | sed -n 's/^\([^ ]*\)-\([0-9][^ -]*-r[0-9]*\) \([^ ]*\) .*/s\tpackage\t\1\ns\tversion\t\2\ns\tarchitecture\t\3\n/p'
  else
    die "no package manager that is known"
  fi
}

case ${1-} in
  host | disks | networks | listening | units | packages) ;;
  *) die "usage: inventory.sh host|disks|networks|listening|units|packages" ;;
esac
# What failed must not look like a short list.
said=$("$1") || exit 1
printf '%s\n\n' "$said" | rows
