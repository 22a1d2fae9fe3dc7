#!/bin/sh
# Reads a repository of restic, and writes nothing into it: no lock either, so that rights to read it are enough.
#
#   restic.sh newest HOST TAG FOLDER    prints the newest snapshot of HOST with TAG that has FOLDER, as JSON; an empty word means any
#   restic.sh source ID LIST            prints whose files it holds: what LIST, a file in the snapshot, says; `none` if it does not
#   restic.sh needs ID                  prints how many MiB its files take
#   restic.sh restore ID SCRATCH        restores it into SCRATCH/tree and has restic compare what it wrote
#   restic.sh examine                   has restic read and check the whole repository
#
# RESTIC_REPOSITORY and RESTIC_PASSWORD come in the environment, never in a command line.
set -u
LC_ALL=C; export LC_ALL
umask 077
what=${1:-}
[ $# = 0 ] || shift

die() { printf '%s\n' "$*" >&2; exit 1; }
command -v restic >/dev/null || die "restic is not installed on the restore host"
[ -n "${RESTIC_REPOSITORY:-}" ] || die "no repository is named"
# restic asks for a password that it is not given, and waits.
[ -n "${RESTIC_PASSWORD:-}" ] || die "the password of the repository is empty"
tmp=$(mktemp -d) || die "there is no place for temporary files"
trap 'rm -rf -- "$tmp"' EXIT

quiet() { restic --quiet --no-lock --no-cache "$@" </dev/null; }
# The first line that says why: above it are attempts, below it hints.
why() { grep -v retrying "$tmp/said" | grep -m 1 -E 'Fatal|rror|cannot' | sed 's/^Fatal: //' | grep . || tail -n 1 "$tmp/said"; }
safe() { case $1 in *[!0-9a-f]* | '') die "$1 is no id of a snapshot" ;; esac; }

# A prune under way may take away what is about to be read.
no_exclusive_lock() {
  quiet list locks >"$tmp/locks" 2>"$tmp/said" || { cat "$tmp/said" >&2; die "the repository cannot be read: $(why)"; }
  while read -r lock; do
    quiet cat lock "$lock" >"$tmp/lock" 2>/dev/null || continue # it is gone
    tr -d '\n' <"$tmp/lock" | grep -Eq '"exclusive": *true' || continue
    field() { tr -d '\n' <"$tmp/lock" | sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"; }
    die "the repository is locked by process $(field pid) on $(field hostname) since $(field time): wait for its end, or, if it is long gone, restic unlock"
  done <"$tmp/locks"
}

case $what in
  newest)
    host=$1 tag=$2 folder=$3
    no_exclusive_lock
    quiet snapshots --json ${host:+--host "$host"} ${tag:+--tag "$tag"} ${folder:+--path "$folder"} latest >"$tmp/json" 2>"$tmp/said" ||
      { cat "$tmp/said" >&2; die "no snapshot: $(why)"; }
    grep -q '"id"' "$tmp/json" || die "the repository has no snapshot of ${host:-any host}${tag:+ with the tag $tag}${folder:+ that has $folder}"
    cat "$tmp/json"
    ;;
  source)
    safe "$1"
    quiet dump "$1" "$2" >"$tmp/list" 2>"$tmp/said" ||
      { cat "$tmp/said" >&2; die "the snapshot has no list $2 of what was backed up, or it cannot be read: $(why)"; }
    sed -n 's/^# source //p' "$tmp/list" | head -n 1 | grep . || echo none
    ;;
  needs)
    safe "$1"
    quiet stats --json --mode restore-size "$1" >"$tmp/json" 2>"$tmp/said" || { cat "$tmp/said" >&2; die "the snapshot cannot be read: $(why)"; }
    size=$(sed -n 's/.*"total_size":\([0-9]*\).*/\1/p' "$tmp/json")
    # And room for what restic keeps meanwhile.
    echo $((${size:-0} / 1048576 * 11 / 10 + 20))
    ;;
  restore)
    safe "$1"
    restic --no-lock --cache-dir "$2/cache" restore "$1" --target "$2/tree" --verify >"$tmp/words" 2>"$tmp/said" </dev/null
    status=$?
    tail -n 5 "$tmp/words"
    [ $status = 0 ] || { tail -n 40 "$tmp/said" >&2; die "restic restore ended with $status: $(why)"; }
    ;;
  examine)
    quiet check --read-data >"$tmp/words" 2>"$tmp/said" || { tail -n 40 "$tmp/said" >&2; die "restic check finds the repository damaged: $(why)"; }
    ;;
  *) die "restic.sh does not know $what" ;;
esac
