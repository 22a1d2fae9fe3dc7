#!/bin/sh
# Reads a repository of borg.
#
#   borg.sh newest NAMES              prints the name of the newest archive whose name fits NAMES, a pattern as `shop-*`
#   borg.sh source ARCHIVE LIST       prints whose files it holds: what LIST, a file in the archive, says; `none` if it does not
#   borg.sh needs ARCHIVE             prints how many MiB its files take
#   borg.sh restore ARCHIVE SCRATCH   restores it into SCRATCH/tree
#   borg.sh examine                   has borg read and check the whole repository
#
# BORG_REPO and BORG_PASSPHRASE come in the environment, never in a command line. What borg remembers of repositories on a host is put
# aside and erased. A warning of borg (its exit code 1) is no success.
set -u
LC_ALL=C; export LC_ALL
umask 077
what=${1:-}
[ $# = 0 ] || shift

die() { printf '%s\n' "$*" >&2; exit 1; }
command -v borg >/dev/null || die "borg is not installed on the restore host (Debian: borgbackup)"
[ -n "${BORG_REPO:-}" ] || die "no repository is named"
tmp=$(mktemp -d) || die "there is no place for temporary files"
trap 'rm -rf -- "$tmp"' EXIT
export BORG_CACHE_DIR="$tmp/cache" BORG_SECURITY_DIR="$tmp/security"
export BORG_RELOCATED_REPO_ACCESS_IS_OK=yes BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes
# What it says when it cannot go on; the traceback below it says nothing to an operator.
why() { grep -m 1 -vE '^( |Traceback|$|Platform|Linux|Borg:|PID:|CWD:|sys.argv|SSH_ORIGINAL)' "$tmp/said" | grep . || tail -n 1 "$tmp/said"; }
borgs() { # COMMAND ARGUMENT...
  command=$1
  shift
  borg "$command" --lock-wait 30 "$@" 2>"$tmp/said" </dev/null
  status=$?
  [ $status = 0 ] || { tail -n 40 "$tmp/said" >&2; die "borg $command ended with $status: $(why)"; }
}
safe() { case $1 in '' | -* | *::*) die "$1 is no name of an archive" ;; esac; }

case $what in
  newest)
    case $1 in -*) die "$1 is no pattern of names" ;; esac
    borgs list --last 1 --format '{archive}{NL}' --glob-archives "$1" >"$tmp/names" || exit 1
    grep . "$tmp/names" || die "the repository has no archive whose name fits $1"
    ;;
  source)
    safe "$1"
    borgs extract --stdout "::$1" "${2#/}" >"$tmp/list" || exit 1
    [ -s "$tmp/list" ] || die "the archive has no list $2 of what was backed up"
    sed -n 's/^# source //p' "$tmp/list" | head -n 1 | grep . || echo none
    ;;
  needs)
    safe "$1"
    borgs list --format '{size}{NL}' "::$1" >"$tmp/sizes" || exit 1
    awk '{ size += $1 } END { print int(size / 1048576 * 1.1) + 20 }' "$tmp/sizes"
    ;;
  restore)
    safe "$1"
    mkdir -p -- "$2/tree" && cd -- "$2/tree" || die "there is no scratch folder $2"
    borgs extract --numeric-ids "::$1"
    ;;
  examine) borgs check --verify-data ;;
  *) die "borg.sh does not know $what" ;;
esac
