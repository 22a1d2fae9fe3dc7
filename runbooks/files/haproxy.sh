#!/bin/sh
# Looks at one server of HAProxy, takes it out of service, brings it back: over HAProxy's runtime socket, with socat.
#
#   haproxy.sh fit  SOCKET BACKEND SERVER KEEP           it is in service, and so are KEEP others
#   haproxy.sh out  SOCKET BACKEND SERVER KEEP SECONDS   no new request is sent to it, those under way have ended, it is in maintenance
#   haproxy.sh in   SOCKET BACKEND SERVER SECONDS        it is in service again, and HAProxy's own checks of it pass
#   haproxy.sh away SOCKET BACKEND                       prints how many servers are not in service
#
# HAProxy answers an order with an empty line, and a wrong one with words and the same exit code: nothing counts but what it shows
# afterwards. An order holds until HAProxy is reloaded.
set -u
what=$1 sock=$2 backend=$3 server=${4:-}

die() { printf '%s\n' "$*" >&2; exit 1; }
# A `;` in a name would be the next order.
case $backend$server in *[!A-Za-z0-9_.:-]*) die "no name of a server or backend: $backend/$server" ;; esac

ask() { printf '%s\n' "$1" | socat -t 10 stdio "unix-connect:$sock"; }
order() {
  said=$(ask "set server $backend/$server state $1") || die "HAProxy does not answer at $sock"
  [ -z "$said" ] || die "HAProxy says: $said"
}

# One line a server of the backend: NAME STATUS REQUESTS-UNDER-WAY. A status of two words becomes one: UP_1/3.
servers() {
  stat=$(ask 'show stat') || die "HAProxy does not answer at $sock"
  printf '%s\n' "$stat" | awk -F, -v backend="$backend" '
    NR == 1 { sub(/^# /, ""); for (i = 1; i <= NF; i++) at[$i] = i; next }
    $at["pxname"] == backend && $at["svname"] != "FRONTEND" && $at["svname"] != "BACKEND" {
      gsub(" ", "_", $at["status"]); print $at["svname"], $at["status"], $at["scur"] + $at["qcur"]
    }' || exit 1
}
# Its line, without its name.
shown() {
  all=$(servers) || exit 1
  printf '%s\n' "$all" | awk -v server="$server" '$1 == server { print $2, $3; known = 1 } END { exit !known }' ||
    die "HAProxy has no server $server in its backend $backend"
}
# Up by checks that all passed, or without any.
is_up() { case $1 in UP | no_check) ;; *) return 1 ;; esac; }
keep() {
  others=$(servers | awk -v server="$server" '$1 != server && ($2 == "UP" || $2 == "no_check")' | wc -l)
  [ "$others" -ge "$1" ] || die "without $server only $others servers of $backend would be in service, $1 must be"
}
# Asks again each second.
within() { # SECONDS
  [ "$waited" -lt "$1" ] || return 1
  waited=$((waited + 1))
  sleep 1
}

waited=0
case $what in
  fit)
    now=$(shown) || exit 1
    is_up "${now% *}" || die "HAProxy shows $server as ${now% *}, not UP: somebody took it out, or its checks fail"
    keep "$5"
    ;;
  out)
    # Two hosts that leave at one moment count each other.
    exec 9<"${sock%/*}/" && flock 9 || die "the folder of $sock cannot be locked"
    now=$(shown) || exit 1
    case $now in
      MAINT*) ;;
      DRAIN*) order drain ;;
      *) keep "$5"; order drain ;;
    esac
    exec 9<&-
    until now=$(shown) || exit 1; [ "${now##* }" = 0 ]; do
      within "$6" || die "after $6 s ${now##* } requests are still under way on $server"
    done
    order maint
    now=$(shown) || exit 1
    case $now in "MAINT 0") echo "$server is out of $backend" ;; *) die "HAProxy shows $server as $now, not as MAINT 0" ;; esac
    ;;
  in)
    order ready
    until now=$(shown) || exit 1; is_up "${now% *}"; do
      within "$5" || die "after $5 s HAProxy shows $server as ${now% *}, not UP"
    done
    echo "$server is in $backend: ${now% *}"
    ;;
  away)
    all=$(servers) || exit 1
    [ -n "$all" ] || die "HAProxy has no servers in a backend $backend"
    printf '%s\n' "$all" | awk '$2 != "UP" && $2 != "no_check" { n++ } END { print n + 0 }'
    ;;
  *) die "haproxy.sh does not know $what" ;;
esac
