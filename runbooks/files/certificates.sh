#!/bin/sh
# Looks at the certificates of a host: those in files and keystores, and those that its ports show. Changes nothing, prints no key.
#
#   certificates.sh WARN CRIT CHAIN CA PASSWORD PLACE...
#
#   WARN, CRIT      days
#   CHAIN           `chain`: each must lead to a root; or `no`
#   CA              a file with the roots; empty: those that the host trusts
#   PASSWORD        a file of this host with the password of keystores, or empty
#   PLACE           several with commas:
#     ports                          every TCP port that listens here: those that speak TLS
#     port HOST:PORT[/STARTTLS] [NAME]   one port, `/smtp` and others for STARTTLS; the certificate must be good for NAME
#     file PATTERN                   files, PEM or DER, with their chains
#     keystore PATTERN               PKCS#12 files
#
# It answers as a monitoring plugin: 0 good, 1 soon over, 2 over, weak, not good yet, for another name or without a chain, 3 not
# known. What was named and cannot be read is not known, and so is a host on which there was nothing to look at.
LC_ALL=C PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export LC_ALL PATH
set -f

die() { echo "$*"; exit 3; }
has() { command -v "$1" >/dev/null 2>&1; }

warn=$1 crit=$2 chain=$3 ca=$4 password=$5
shift 5
case $warn$crit in '' | *[!0-9]*) die "how many days? $warn, $crit" ;; esac
IFS=,
set -- $*
unset IFS
has openssl || die 'it has no `openssl`'
has timeout || die 'it has no `timeout`'
[ -z "$ca" ] || [ -r "$ca" ] || die "$ca cannot be read"
now=$(date +%s)
seconds() { date -d "$1" +%s 2>/dev/null; }
said() { printf '%s %s\n' "$1" "$2"; } # good | warn | bad | lost

# The certificates in a text, one at a time: `each N` is the Nth.
count() { printf '%s\n' "$pem" | grep -c -e '-----BEGIN \(TRUSTED \|X509 \)\{0,1\}CERTIFICATE-----'; }
each() {
  printf '%s\n' "$pem" | awk -v n="$1" '
    /-----BEGIN (TRUSTED |X509 )?CERTIFICATE-----/ { at++; is = 1 }
    is && at == n { print }
    /-----END/ { is = 0 }'
}

# What is to be said of the certificates in $pem, which are those of a place; the first is the server's own.
examine() { # WHERE [NAME]
  all=$(count) n=0
  while [ $((n += 1)) -le "$all" ]; do
    one=$(each $n)
    about=$(printf '%s\n' "$one" | openssl x509 -noout -subject -issuer -startdate -enddate -nameopt RFC2253 2>/dev/null) ||
      { said lost "$1: its certificate $n cannot be read"; continue; }
    get() { printf '%s\n' "$about" | sed -n "s/^$1= *//p"; }
    subject=$(get subject) issuer=$(get issuer) end=$(get notAfter) begin=$(get notBefore)
    who="$1: $(printf %s "$subject" | sed 's/,.*//')"
    ends=$(seconds "$end") begins=$(seconds "$begin")
    [ "$ends" ] && [ "$begins" ] || { said lost "$who: its dates cannot be read: $begin, $end"; continue; }
    days=$(((ends - now) / 86400))
    if [ "$ends" -le "$now" ]; then
      said "bad $days" "$who is over since $((-days)) days ($end)"
    elif [ "$days" -lt "$crit" ]; then said "bad $days" "$who is over in $days days ($end)"
    elif [ "$days" -lt "$warn" ]; then said "warn $days" "$who is over in $days days ($end)"
    else said "good $days" "$who is good for $days days"
    fi
    if [ "$begins" -gt "$now" ]; then
      late=$((begins - now))
      [ "$late" -gt 86400 ] && said bad "$who is not good before $begin" ||
        said bad "$who is not good before $begin, in $(((late + 59) / 60)) min: is the clock of this host or of the issuer wrong?"
    fi
    text=$(printf '%s\n' "$one" | openssl x509 -noout -text 2>/dev/null)
    kind=$(printf '%s\n' "$text" | sed -n 's/^ *Public Key Algorithm: *//p' | head -n 1)
    bits=$(printf '%s\n' "$text" | sed -n 's/^ *\(RSA \)\{0,1\}Public-Key: (\([0-9]*\) bit.*/\2/p' | head -n 1)
    case $kind in
      rsa*) [ "${bits:-0}" -ge 2048 ] || said bad "$who has a weak key: RSA of ${bits:-?} bits" ;;
      dsa*) said bad "$who has a weak key: DSA" ;;
      id-ec*) [ "${bits:-0}" -ge 224 ] || said bad "$who has a weak key: EC of ${bits:-?} bits" ;;
    esac
    # The signature of a root by itself proves nothing, so it may be of any kind.
    by=$(printf '%s\n' "$text" | sed -n 's/^ *Signature Algorithm: *//p' | head -n 1)
    case $by in
      *[mM][dD][245]* | *[sS][hH][aA]1[!0-9]* | *[sS][hH][aA]1) [ "$subject" = "$issuer" ] || said bad "$who has a weak signature: $by" ;;
    esac
  done
  first=$(each 1)
  if [ "${2:-}" ]; then
    case $2 in *[!0-9.:]*) how=checkhost ;; *) how=checkip ;; esac
    printf '%s\n' "$first" | openssl x509 -noout -$how "$2" 2>/dev/null | grep -q 'does match' ||
      said bad "$1: the certificate is not for $2, but for $(printf '%s\n' "$first" | openssl x509 -noout -ext subjectAltName 2>/dev/null | sed '1d; s/^ *//')"
  fi
  [ "$chain" = chain ] || return
  # Without time: what is over has been told.
  dir=$(mktemp -d) || { said lost "$1: no place for a temporary file"; return; }
  printf '%s\n' "$first" >"$dir/first"
  printf '%s\n' "$pem" >"$dir/all"
  why=$(openssl verify -no_check_time -untrusted "$dir/all" ${ca:+-CAfile "$ca"} "$dir/first" 2>&1) ||
    said bad "$1: the certificate does not lead to a root that is trusted here: $(printf '%s\n' "$why" | sed -n 's/^error [0-9]* at [0-9]* depth lookup: *//p' | head -n 1)"
  rm -r "$dir"
}

shown() { # HOST:PORT [STARTTLS [NAME]]
  timeout 6 openssl s_client -connect "$1" ${2:+-starttls "$2"} ${3:+-servername "$3"} -showcerts </dev/null 2>/dev/null
}

ports() {
  [ -r /proc/net/tcp ] || { said lost 'ports: it has no /proc/net/tcp'; return; }
  open=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { print $2 }' | sort -u)
  for at in $open; do
    host=${at%:*} port=$((0x${at##*:}))
    case $host in
      ????????) v4=$(printf '%d.%d.%d.%d' 0x"$(echo "$host" | cut -c7-8)" 0x"$(echo "$host" | cut -c5-6)" 0x"$(echo "$host" | cut -c3-4)" 0x"$(echo "$host" | cut -c1-2)") ;;
      *[1-9A-F]*) case $host in 00000000000000000000000001000000) v4='[::1]' ;; *) continue ;; esac ;;
      *) v4=127.0.0.1 ;;
    esac
    [ "$v4" != 0.0.0.0 ] || v4=127.0.0.1
    echo "$v4:$port"
  done | sort -u | while read -r at; do
    pem=$(shown "$at")
    [ "$(count)" = 0 ] || examine "port $at"
  done
}

read_file() { # PATH: into $pem; false: there is no certificate in it
  pem=$(cat -- "$1" 2>/dev/null | tr -d '\000') || return 1
  [ "$(count)" = 0 ] || return 0
  pem=$(openssl x509 -inform DER -in "$1" 2>/dev/null)
  [ "$(count)" != 0 ]
}

matches() { # PATTERN
  set +f
  IFS=
  for f in $1; do [ ! -e "$f" ] || echo "$f"; done
  unset IFS
  set -f
}

look() { # PLACE
  case $1 in
    ports) ports ;;
    'port '*)
      at=${1#port } name=
      case $at in *' '*) name=${at#* } at=${at%% *} ;; esac
      start=
      case $at in */*) start=${at#*/} at=${at%%/*} ;; esac
      case $at in -* | *[!0-9A-Za-z.:_\[\]-]*) said lost "port $at: it is no HOST:PORT"; return ;; esac
      pem=$(shown "$at" "$start" "$name")
      if [ "$(count)" = 0 ]; then
        said bad "port $at shows no certificate${start:+ after STARTTLS ($start)}"
      else
        examine "port $at" "$name"
      fi
      ;;
    'file /'* | 'keystore /'*)
      kind=${1%% *} pattern=${1#* } any=
      folder=$(printf %s "${pattern%/*}/" | sed 's/[^/]*[*?[].*//')
      [ -r "$folder" ] && [ -x "$folder" ] || {
        # A folder that is not there holds nothing; one that is shut may hold anything.
        case $(ls -- "$folder" 2>&1 >/dev/null) in
          *'No such file'*) [ "${pattern#*[*?[]}" != "$pattern" ] || said lost "there is no file $pattern" ;;
          *) said lost "$folder cannot be read" ;;
        esac
        return
      }
      matches "$pattern" | while IFS= read -r f; do
        [ ! -d "$f" ] || continue
        [ -r "$f" ] || { said lost "$f cannot be read"; continue; }
        if [ "$kind" = keystore ]; then
          case $(od -An -N4 -tx1 -- "$f" | tr -d ' ') in
            feedfeed | cececece) said lost "$f is a keystore of Java's own (JKS): openssl cannot read it"; continue ;;
          esac
          [ -r "$password" ] || { said lost "$f: there is no file with its password${password:+: $password}"; continue; }
          pem=$(openssl pkcs12 -in "$f" -nokeys -passin "file:$password" 2>/dev/null </dev/null) ||
            pem=$(openssl pkcs12 -legacy -in "$f" -nokeys -passin "file:$password" 2>/dev/null </dev/null) ||
            { said lost "$f: the password does not open it, or it is no PKCS#12"; continue; }
          [ "$(count)" != 0 ] && examine "$f" || said lost "$f holds no certificate"
        elif read_file "$f"; then
          examine "$f"
        else
          # Among many there are keys and lists; the one that was named must have one.
          [ "$f" != "$pattern" ] || said lost "$f holds no certificate"
        fi
      done
      case $pattern in
        *'*'* | *'?'* | *'['*) ;;
        *) [ -e "$pattern" ] || said lost "there is no file $pattern" ;;
      esac
      ;;
    *) said lost "\`$1\` is no place: ports, port HOST:PORT, file /PATTERN or keystore /PATTERN" ;;
  esac
}

[ $# -gt 0 ] || die 'say where to look: ports, port HOST:PORT, file /PATTERN, keystore /PATTERN'
for place; do look "$place"; done | awk '
  # `good 30 words`, `bad words`: the days come first where there are any.
  {
    how = $1; sub(/^[a-z]+ /, "")
    if ($1 ~ /^-?[0-9]+$/) { days = $1 + 0; sub(/^-?[0-9]+ /, ""); if (!seen++ || days < least) { least = days; first = $0 } }
    if (how != "good" && !(($0) in told)) { told[$0] = 1; list[how, ++n[how]] = $0 }
  }
  END {
    if (!seen && !n["bad"] && !n["lost"]) { print "no certificate was found: nothing was looked at"; exit 3 }
    text = seen + 0 " certificates"
    if (n["bad"]) text = text ", " n["bad"] " wrong: " list["bad", 1] (n["bad"] > 1 ? "; " list["bad", 2] : "")
    else if (n["lost"]) text = text ", " n["lost"] " not known: " list["lost", 1]
    else text = text "; the first to end: " first
    gsub(/\|/, "/", text)
    print text (seen ? " | days=" least " certificates=" seen : "")
    for (i = 1; i <= n["bad"]; i++) print "- " list["bad", i]
    for (i = 1; i <= n["lost"]; i++) print "- not known: " list["lost", i]
    for (i = 1; i <= n["warn"]; i++) print "- " list["warn", i]
    exit n["bad"] ? 2 : n["lost"] ? 3 : n["warn"] ? 1 : 0
  }'
