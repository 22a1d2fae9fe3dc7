#!/bin/sh
# Notes how a host is configured, and says where a host differs from such a note (a baseline). Changes nothing.
#
#   drift.sh note WHAT...          prints a baseline of this host; WHAT, several with commas: `user`, `package`, `unit`, `mount`,
#                                  `port`, `file /etc/ssh/*`, `file /etc/sudoers.d/` (all below it), `sysctl net.ipv4.ip_forward`
#   drift.sh compare HOST TODAY    reads a baseline and, behind a line `== exceptions`, exceptions; TODAY: 20261231, or a run's id
#
# A baseline has a thing a line, and `#` begins a comment:
#
#   file /etc/ssh/sshd_config: 0644 root:root sha256:c0ffee…     also `folder 0755 root:root`, `link TARGET`, `absent`
#   sysctl net.ipv4.ip_forward: 0                              package telnet: absent, or present, or a version
#   unit ssh.service: enabled                                  user deploy: 1001 1001 /home/deploy /bin/bash groups=deploy,sudo
#   mount /srv: /dev/vdb1 ext4 rw                              port tcp/0.0.0.0:22: listening
#   only user                                                  what the baseline does not have of it is a difference, too
#   only file /etc/sudoers.d/*
#
# An exception says which difference is accepted, until when, and why. HOST and NAME may have * and ?:
#
#   web1 port tcp/0.0.0.0:8080: until 2026-12-31, canary of the new shop, CHG0031337
#
# It answers as a monitoring plugin: 0 the same, 1 the same but an exception soon ends, 2 different, 3 not known. What cannot be read
# is not known, never the same.
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
set -f

die() { echo "$*"; exit 3; }
has() { command -v "$1" >/dev/null 2>&1; }
lost() { echo "unknown $1: $2"; } # KIND NAME, why

one_file() { # PATH
  if [ -L "$1" ]; then
    echo "file $1: link $(readlink -- "$1")"
  elif [ -d "$1" ]; then
    echo "file $1: folder $(stat -c '0%a %U:%G' -- "$1")"
  elif [ -f "$1" ]; then
    about=$(stat -c '0%a %U:%G' -- "$1" 2>&1) || { lost "file $1" "$about"; return; }
    if digest=$(sha256sum 2>/dev/null <"$1"); then
      echo "file $1: $about sha256:${digest%% *}"
    else
      lost "file $1" "its content cannot be read"
    fi
  elif [ -e "$1" ]; then
    echo "file $1: $(stat -c '%F 0%a %U:%G' -- "$1")"
  else
    why=$(ls -d -- "$1" 2>&1 >/dev/null)
    case $why in
      *'No such file'* | *'Not a directory'*) echo "file $1: absent" ;;
      *) lost "file $1" "${why##*: }" ;;
    esac
  fi
}

files() { # PATTERN
  has sha256sum && has stat || { lost "file $1" 'it has no `sha256sum` or no `stat`'; return; }
  folder=${1%/*}/
  case $folder in *'*'* | *'?'*) folder=$(printf %s "$folder" | sed 's/[^/]*[*?].*//') ;; esac
  if [ ! -d "$folder" ] || [ ! -r "$folder" ] || [ ! -x "$folder" ]; then
    # A folder that is not there holds nothing; one that is shut may hold anything.
    why=$(ls -- "$folder" 2>&1 >/dev/null)
    case $why in *'No such file'*) ;; *) lost "file $1" "$folder cannot be read" ;; esac
    return
  fi
  case $1 in
    */) find "$1" -xdev ! -type d 2>&1 ;;
    *) set +f; IFS=; for f in $1; do [ ! -e "$f" ] && [ ! -L "$f" ] || echo "$f"; done; unset IFS; set -f ;;
  esac | sort | while IFS= read -r f; do
    case $f in
      'find: '*) lost "file $1" "${f#find: }" ;;
      *) one_file "$f" ;;
    esac
  done
}

sysctls() { # NAME
  f=/proc/sys/$(printf %s "$1" | tr . /)
  if [ -f "$f" ]; then
    if value=$(cat "$f" 2>/dev/null); then
      echo "sysctl $1: $(printf %s "$value" | tr '\t\n' '  ')"
    else
      lost "sysctl $1" 'it cannot be read'
    fi
  else
    echo "sysctl $1: absent"
  fi
}

packages() {
  if has dpkg-query; then
    all=$(dpkg-query -W -f '${db:Status-Abbrev}${Package} ${Version}\n') || { lost 'package *' 'dpkg-query does not answer'; return; }
    printf '%s\n' "$all" | sed -n 's/^.i //p'
  elif has rpm; then
    rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE}\n' || lost 'package *' 'rpm does not answer'
  elif has pacman; then
    pacman -Q || lost 'package *' 'pacman does not answer'
  else
    lost 'package *' 'it has no package manager that is known here (dpkg, rpm, pacman)'
  fi | sort -u | awk '
    $1 == "unknown" { print; next }
    $1 == name { value = value "," $2; next }
    name != "" { print "package " name ": " value }
    { name = $1; value = $2 }
    END { if (name != "") print "package " name ": " value }'
}

units() {
  has systemctl || { lost 'unit *' 'it has no systemd'; return; }
  all=$(systemctl list-unit-files --no-legend --no-pager --plain 2>/dev/null) && [ "$all" ] || { lost 'unit *' 'systemd does not answer'; return; }
  printf '%s\n' "$all" | awk '$2 ~ /^(enabled|masked|linked)/ && $1 !~ /@\./ { print "unit " $1 ": " $2 }'
}

one_unit() { # NAME
  has systemctl || { lost "unit $1" 'it has no systemd'; return; }
  state=$(systemctl is-enabled -- "$1" 2>/dev/null)
  case $state in
    '' | not-found) systemctl list-unit-files --no-legend >/dev/null 2>&1 && echo "unit $1: absent" || lost "unit $1" 'systemd does not answer' ;;
    *) echo "unit $1: $state" ;;
  esac
}

users() {
  has getent || { lost 'user *' 'it has no `getent`'; return; }
  getent passwd | while IFS=: read -r name _ uid gid _ home shell; do
    echo "user $name: $uid $gid $home $shell groups=$(id -nG "$name" 2>/dev/null | tr ' ' '\n' | sort | tr '\n' ',' | sed 's/,$//')"
  done
}

mounts() {
  [ -r /proc/self/mounts ] || { lost 'mount *' 'it has no /proc/self/mounts'; return; }
  # What the kernel and systemd mount for themselves comes and goes.
  awk '$3 !~ /^(proc|sysfs|devtmpfs|devpts|cgroup2?|securityfs|pstore|bpf|tracefs|debugfs|mqueue|hugetlbfs|fusectl|configfs|autofs|ramfs|binfmt_misc|nsfs|efivarfs)$/ &&
    !($3 == "tmpfs" && $2 ~ /^\/(run|dev|sys|proc)(\/|$)/) && $2 !~ /^\/(proc|sys|dev|run)\// {
      split($4, o, ","); at[$2] = $1 " " $3 " " o[1]
    } END { for (m in at) print "mount " m ": " at[m] }' /proc/self/mounts
}

ports() {
  has ss || { lost 'port *' 'it has no `ss` (Debian: iproute2)'; return; }
  all=$(ss -Hltun) || { lost 'port *' '`ss` does not answer'; return; }
  # A UDP port of the range for clients is one of those that come and go.
  read -r first last </proc/sys/net/ipv4/ip_local_port_range 2>/dev/null || first=32768 last=60999
  printf '%s\n' "$all" | awk -v first="$first" -v last="$last" 'NF {
    port = $5; sub(/.*:/, "", port)
    if ($1 == "udp" && port + 0 >= first && port + 0 <= last) next
    sub(/%[^:]*/, "", $5); print "port " $1 "/" $5 ": listening"
  }' | sort -u
}

# All of a kind, or what fits a pattern.
all_of() { # KIND [PATTERN]
  case $1 in
    file) files "$2" ;;
    sysctl) sysctls "$2" ;;
    package) packages ;;
    unit) units ;;
    user) users ;;
    mount) mounts ;;
    port) ports ;;
  esac
}

# One thing that the baseline names and `only` does not.
one_of() { # KIND NAME
  case $1 in
    file) one_file "$2" ;;
    sysctl) sysctls "$2" ;;
    unit) one_unit "$2" ;;
    *) all_of "$1" | awk -v is="$1 $2: " -v lost="unknown $1 *" '
      index($0, is) == 1 { print; any = 1 }
      index($0, lost) == 1 { sub(/ \*: /, substr(is, length("'"$1"'") + 1)); print; any = 1 }
      END { if (!any) print is "absent" }' ;;
  esac
}

case $1 in
  note)
    shift
    IFS=,
    set -- $*
    unset IFS
    [ $# -gt 0 ] || die 'say what to note: drift.sh note user unit "file /etc/ssh/*"'
    for what; do
      kind=${what%% *} pattern=${what#"$kind"} pattern=${pattern# }
      case $kind in
        file) case $pattern in /*) ;; *) die "\`$what\`: a path begins with /" ;; esac ;;
        sysctl) [ "$pattern" ] || die "\`$what\`: name the setting" ;;
        package | unit | user | mount | port) [ -z "$pattern" ] || die "\`$what\`: there is no part of it to be named" ;;
        *) die "\`$what\`: what is noted is file, sysctl, package, unit, user, mount or port" ;;
      esac
      # Of a package only that it is there: its version changes with each update.
      noted=$(all_of "$kind" ${pattern:+"$pattern"} | sed "s/^\(package [^ ]*\): .*/\1: present/" | sort)
      case "
$noted" in
        *'
unknown '*) printf '%s\n' "$noted" | grep '^unknown ' | head -n 1; exit 3 ;;
      esac
      [ "$kind" = sysctl ] || echo "only $what"
      [ -z "$noted" ] || printf '%s\n' "$noted"
    done
    exit 0
    ;;
  compare) ;;
  *) die "drift.sh does not know $1" ;;
esac

# ---- compare

host=$2 today=$(printf %.8s "$3")
case $today in *[!0-9]* | '' | ???????) die "\`$3\` is no day" ;; esac
text=$(cat | tr -d '\r')
baseline=$(printf '%s\n' "$text" | sed '/^== exceptions$/,$d' | grep -v '^[ ]*\(#\|$\)')
exceptions=$(printf '%s\n' "$text" | sed '1,/^== exceptions$/d' | grep -v '^[ ]*\(#\|$\)')
[ "$baseline" ] || die 'the baseline is empty: nothing would be looked at'

bad=$(printf '%s\n' "$baseline" | awk '
  /^only (package|unit|user|mount|port)$/ || /^only file \// { next }
  /^file \/.*: ./ || /^(sysctl|package|unit|user|mount|port) [^ ].*: ./ { next }
  { print; exit }')
[ -z "$bad" ] || die "this line of the baseline cannot be read: $bad"
bad=$(printf '%s\n' "$exceptions" | awk 'NF && !/^[^ ]+ (file|sysctl|package|unit|user|mount|port|\*) .+: until [0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9], *[^ ]/ { print; exit }')
[ -z "$bad" ] || die "an exception says HOST KIND NAME: until YYYY-MM-DD, REASON; this one does not: $bad"

facts=$(printf '%s\n' "$baseline" | sed -n 's/^only //p' | while IFS= read -r what; do
  kind=${what%% *} pattern=${what#"$kind"} pattern=${pattern# }
  all_of "$kind" ${pattern:+"$pattern"}
done)
# What the closed lists did not tell is asked one by one.
rest=$({ printf '%s\n' "$facts" | sed 's/^/f /'; printf '%s\n' "$baseline" | sed 's/^/b /'; } | awk '
  $1 == "f" { line = substr($0, 3); sub(/^unknown /, "", line); sub(/: .*/, "", line); told[line] = 1; next }
  $2 == "only" { next }
  { line = substr($0, 3); sub(/: .*/, "", line); if (!(line in told)) print line }')
more=$(printf '%s\n' "$rest" | while IFS= read -r key; do
  [ -z "$key" ] || one_of "${key%% *}" "${key#* }"
done)

{
  printf '%s\n' "$exceptions" | sed 's/^/e /'
  printf '%s\n%s\n' "$facts" "$more" | sed 's/^/f /'
  printf '%s\n' "$baseline" | sed 's/^/b /'
} | awk -v host="$host" -v today="$today" '
  # `*` and `?` as a shell has them.
  function fits(pattern, text,   p) {
    p = pattern
    gsub(/[][\\.^$+(){}|]/, "\\\\&", p); gsub(/\*/, ".*", p); gsub(/\?/, ".", p)
    return text ~ ("^" p "$")
  }
  function key_of(line) { sub(/: .*/, "", line); return line }
  function value_of(line) { sub(/^[^:]*(:[^ ][^:]*)*: /, "", line); return line }
  # Days since long ago: enough to tell how far two are apart.
  function day(text,   y, m, d) {
    y = substr(text, 1, 4) + 0; m = substr(text, 5, 2) + 0; d = substr(text, 7, 2) + 0
    if (m < 3) { y--; m += 12 }
    return 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * m - 457) / 5) + d
  }
  function apart(key, should, is,   i, s, n, m, parts, label) {
    split(key ~ /^user / ? "uid gid home shell" : key ~ /^mount / ? "source type" : key ~ /^file / ? "mode owner" : "", label, " ")
    if (is == "absent") return "is not there (baseline: " should ")"
    if (should == "absent") return "is there: " is
    n = split(should, s, " "); m = split(is, i, " ")
    if (n != m) return is ", not " should
    parts = ""
    for (m = 1; m <= n; m++) if (s[m] != i[m]) {
      if (s[m] ~ /^sha256:/ && i[m] ~ /^sha256:/) parts = parts (parts == "" ? "" : "; ") "its content is another"
      else parts = parts (parts == "" ? "" : "; ") (label[m] == "" ? "" : label[m] " ") i[m] ", not " s[m]
    }
    return parts
  }
  function differs(key, words,   n, until) {
    for (n = 1; n <= exceptions; n++) if (fits(for_host[n], host) && fits(for_key[n], key)) {
      used[n] = 1
      if (ends[n] >= today) {
        accepted++; ok[accepted] = key ": " words " (accepted until " shown[n] ": " why[n] ")"
        if (day(ends[n]) - day(today) < 14) soon = soon (soon == "" ? "" : "; ") "the exception for " key " ends " shown[n]
        return
      }
      words = words " (its exception ended " shown[n] ")"
    }
    bad[++different] = key ": " words
  }
  $1 == "e" && NF > 1 {
    line = substr($0, 3); exceptions++
    for_host[exceptions] = $2
    sub(/^[^ ]+ /, "", line)
    at = match(line, /: until [0-9-]+, */)
    for_key[exceptions] = substr(line, 1, at - 1)
    shown[exceptions] = substr(line, at + 8, 10)
    ends[exceptions] = shown[exceptions]; gsub(/-/, "", ends[exceptions])
    why[exceptions] = substr(line, at + RLENGTH)
    next
  }
  $1 == "f" && $2 == "unknown" { line = substr($0, 3); unknown++; odd[unknown] = substr(line, 9); dark[key_of(substr(line, 9))] = 1; next }
  $1 == "f" && NF > 1 { line = substr($0, 3); k = key_of(line); if (!(k in is)) order[++things] = k; is[k] = value_of(line); next }
  $1 == "b" && $2 == "only" { closed[substr($0, 8)] = 1; next }
  $1 == "b" { line = substr($0, 3); k = key_of(line); if (!(k in should)) named[++all] = k; should[k] = value_of(line) }
  END {
    for (n = 1; n <= all; n++) {
      k = named[n]; kind = k; sub(/ .*/, "", kind)
      if (k in dark) continue
      if (!(k in is)) { if (!((kind " *") in dark)) { unknown++; odd[unknown] = k ": nothing was found out about it" } continue }
      s = should[k]; i = is[k]
      if (s == i || s == "present" && i != "absent") continue
      differs(k, apart(k, s, i))
    }
    for (n = 1; n <= things; n++) if (!(order[n] in should)) differs(order[n], "is new: " is[order[n]])
    text = different ? different (different == 1 ? " differs" : " differ") " from the baseline" : accepted || unknown ? "nothing else differs from the baseline" : all " things are as in the baseline"
    if (!different && !all) text = "nothing is there that the baseline does not have"
    if (unknown) text = text ", " unknown " cannot be read"
    if (accepted) text = text ", " accepted " accepted"
    if (different) for (n = 1; n <= different && n <= 3; n++) text = text (n == 1 ? ": " : "; ") bad[n]
    else if (unknown) text = text ": " odd[1]
    else if (soon != "") text = text ": " soon
    gsub(/\|/, "/", text)
    print text " | differ=" different + 0 " unknown=" unknown + 0 " accepted=" accepted + 0
    for (n = 1; n <= different; n++) print "- " bad[n]
    for (n = 1; n <= unknown; n++) print "- not known: " odd[n]
    for (n = 1; n <= accepted; n++) print "- accepted: " ok[n]
    exit different ? 2 : unknown ? 3 : soon != "" ? 1 : 0
  }'
