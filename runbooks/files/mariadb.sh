#!/bin/sh
# A dump of a MariaDB database with a manifest of the same moment; and whether what came back from the dump is the same.
#
# On the source, where the backup is taken (who runs it is known to the server by its socket or by ~/.my.cnf):
#   mariadb.sh dump DATABASE FILE                  FILE (.sql or .sql.gz), and of the same moment FILE.manifest
#   mariadb.sh manifest DATABASE [SOCKET]          prints a manifest of now, for a dump that is taken while nobody writes
#   mariadb.sh live DATABASE                       prints how many rows each table has now
# Where it is restored; SOCKET is that of the restored server, FOLDER and RUN are those of scratch.sh:
#   mariadb.sh tools                               all that is needed is installed
#   mariadb.sh find PLACE MANIFEST                 prints PLACE, of a folder its newest dump; dump and manifest can be read
#   mariadb.sh needs FILE                          prints how many MiB a server with this dump may take
#   mariadb.sh whole FILE                          it is neither cut nor damaged, as far as its form tells
#   mariadb.sh make FOLDER RUN                     makes an empty server, starts it, and waits for its answer
#   mariadb.sh load FOLDER RUN FILE DATABASE       reads the dump into it
#   mariadb.sh ask SOCKET DATABASE QUERY           asks QUERY as somebody who may only read; it must give a row
#   mariadb.sh sound SOCKET DATABASE               the server finds no fault in any table
#   mariadb.sh compare SOCKET DATABASE MANIFEST    rows, content and schema are those of the manifest
#   mariadb.sh near SOCKET DATABASE PERCENT        the source's tables, on standard input as `live` prints them, are all there, and the
#                                                  number of their rows differs by no more than PERCENT
#   mariadb.sh moment SOCKET DATABASE MANIFEST QUERY    the moment that the data is of: what QUERY gives; without one, when the dump was
#                                                  begun
#
# The content of a table is its number of rows, and of the SHA-2 of every row an exclusive or and a sum: the order of rows is no matter.
set -u
LC_ALL=C; export LC_ALL
umask 077
what=${1:-}
[ $# = 0 ] || shift
first='# pitstop mariadb 1'
socket=

die() { printf '%s\n' "$*" >&2; exit 1; }
tmp=$(mktemp -d) || die "there is no place for temporary files"
trap 'rm -rf -- "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# How the server is spoken to: the restored one by its socket alone, whatever this host's settings are.
client() { # PROGRAM ARGUMENT...
  program=$1
  shift
  if [ -n "$socket" ]; then
    "$program" --no-defaults --socket="$socket" --user=root --default-character-set=utf8mb4 "$@"
  else
    "$program" --default-character-set=utf8mb4 "$@"
  fi
}
sql() { client mariadb -N -B "$@"; }
named() { case $1 in '' | *[!A-Za-z0-9_]*) die "$1 is no name of a database: letters, digits and _" ;; esac; }
in_gzip() { case $1 in *.gz) true ;; *) false ;; esac; }
told() { sed -n "s/^# $1 //p" "$2" | head -n 1; }
plain='SET SESSION time_zone="+00:00", sql_mode="", group_concat_max_len=16000000;'

# Statements that give a line for each table: table, name, rows, digest, rows that could not be read.
questions() { # DATABASE
  sql -r "$1" <<'END'
SET SESSION group_concat_max_len=16000000, sql_mode='';
SELECT CONCAT("SELECT 'table',", QUOTE(t.table_name), ",COUNT(*),CONCAT(LPAD(LOWER(HEX(BIT_XOR(CAST(CONV(SUBSTR(h,1,16),16,10) AS UNSIGNED)))),",
  "16,'0'),'-',COALESCE(SUM(CAST(CONV(SUBSTR(h,17,16),16,10) AS UNSIGNED)),0)),COALESCE(SUM(h IS NULL),0) FROM (SELECT SHA2(CONCAT_WS(',',",
  (SELECT GROUP_CONCAT(CONCAT("CONVERT(QUOTE(`", REPLACE(column_name, "`", "``"), "`) USING binary)") ORDER BY ordinal_position)
    FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name = t.table_name),
  "),256) AS h FROM `", REPLACE(t.table_name, "`", "``"), "`) AS d;")
FROM information_schema.tables t WHERE t.table_schema = DATABASE() AND t.table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY t.table_name;
END
}

# How many rows each table has.
counts() { # DATABASE
  sql -r "$1" >"$tmp/questions" <<'END' || return
SELECT CONCAT("SELECT ", QUOTE(table_name), ",COUNT(*) FROM `", REPLACE(table_name, "`", "``"), "`;")
FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED') ORDER BY table_name;
END
  { echo "START TRANSACTION WITH CONSISTENT SNAPSHOT;"; cat "$tmp/questions"; } | sql "$1"
}

# Without what differs between two servers that hold the same.
schema() { # DATABASE
  client mariadb-dump --no-data --skip-lock-tables --routines --triggers --events --skip-comments --skip-add-drop-table "$1" >"$tmp/schema.sql" || return 1
  sed -e '/enable the sandbox mode/d' -e 's/ AUTO_INCREMENT=[0-9]*//' -e '/^$/d' -e '/^DELIMITER /d' \
    -e '/^\/\*![0-9]* SET  *sql_mode/!{ /^\/\*![0-9]* SET /d; }' -e 's/^/schema\t/' "$tmp/schema.sql"
}

# The lines of the tables without their last field, which must be 0.
read_all() { # ANSWERS
  unread=$(awk -F '\t' '$5 != 0 { print $2 }' "$1" | head -n 1)
  [ -z "$unread" ] || die "$unread has rows that are longer than max_allowed_packet: no digest can be made of them"
  cut -f 1-4 "$1"
}

header() { # TAKEN
  printf '%s\n# taken %s\n# source %s\n' "$first" "$1" "$(cat /etc/machine-id 2>/dev/null || echo none)"
}
footer() { echo "# end $(grep -vc '^#' "$1")"; }

now() { # DATABASE: a manifest of now into $tmp/manifest
  questions "$1" >"$tmp/questions" && schema "$1" >"$tmp/schema" || die "the database $1 cannot be looked at"
  { echo "$plain START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ');"; cat "$tmp/questions"; } |
    sql "$1" >"$tmp/answers" || die "not every table of $1 can be read"
  { header "$(head -n 1 "$tmp/answers")"; sed 1d "$tmp/answers" >"$tmp/tables"; read_all "$tmp/tables"; cat "$tmp/schema"; } >"$tmp/manifest" || exit 1
  footer "$tmp/manifest" >>"$tmp/manifest"
}

# A client that is spoken to line by line: it reads from the pipe NAME.in and writes to NAME.out.
session() { # NAME DATABASE
  mkfifo "$tmp/$1.in" "$tmp/$1.out"
  sql --unbuffered "$2" <"$tmp/$1.in" >"$tmp/$1.out" 2>"$tmp/$1.err" 3>&- 4<&- &
}

dump() { # DATABASE FILE
  db=$1 file=$2
  [ ! -e "$file" ] || die "$file is there already"
  # Nobody writes from here on, until both the dump and the manifest look at the same moment.
  session lock "$db"
  exec 3>"$tmp/lock.in" 4<"$tmp/lock.out"
  echo "SET SESSION lock_wait_timeout=60; FLUSH TABLES WITH READ LOCK; SELECT 'locked';" >&3
  IFS= read -r said <&4 && [ "$said" = locked ] || die "the database cannot be locked: $(tail -n 1 "$tmp/lock.err")"
  others=$(sql -e "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema='$db' AND table_type LIKE '%TABLE' AND engine<>'InnoDB'") ||
    die "the database $db cannot be looked at"
  questions "$db" >"$tmp/questions" && schema "$db" >"$tmp/schema" || die "the database $db cannot be looked at"
  session look "$db"
  exec 5>"$tmp/look.in" 6<"$tmp/look.out"
  echo "$plain START TRANSACTION WITH CONSISTENT SNAPSHOT; SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ');" >&5
  IFS= read -r taken <&6 || die "$(tail -n 1 "$tmp/look.err")"
  mkfifo "$tmp/said"
  {
    client mariadb-dump --single-transaction --quick --routines --triggers --events --hex-blob --verbose "$db" 2>"$tmp/said"
    echo $? >"$tmp/status"
  } 3>&- 4<&- 5>&- 6<&- | if in_gzip "$file"; then gzip; else cat; fi >"$file.part" 3>&- 4<&- 5>&- 6<&- &
  writer=$!
  # It tells of its first table when it has begun to look.
  exec 7<"$tmp/said"
  while IFS= read -r said <&7; do
    case $said in '-- Retrieving table structure'*) break ;; '-- '*) ;; *) printf '%s\n' "$said" >>"$tmp/complaints" ;; esac
  done
  # Tables of other engines know no such moment: for them it stays locked to the end.
  [ "$others" != 0 ] || exec 3>&-
  { grep -v '^-- ' >>"$tmp/complaints"; } <&7 3>&- 5>&- &
  cat "$tmp/questions" >&5
  exec 5>&-
  cat <&6 >"$tmp/answers"
  wait "$writer"
  exec 3>&-
  wait
  { [ "$(cat "$tmp/status")" = 0 ] && [ ! -s "$tmp/look.err" ]; } ||
    { rm -f -- "$file.part"; die "no dump: $(tail -qn 1 "$tmp/complaints" "$tmp/look.err" 2>/dev/null)"; }
  { header "$taken"; read_all "$tmp/answers"; cat "$tmp/schema"; } >"$file.manifest.part" || exit 1
  footer "$file.manifest.part" >>"$file.manifest.part"
  sync -- "$file.part" "$file.manifest.part"
  mv -- "$file.manifest.part" "$file.manifest" && mv -- "$file.part" "$file"
}

scratch() { # FOLDER RUN: sets socket and tool
  data=${1%/}/pitstop-restore-$2/data socket=${1%/}/pitstop-restore-$2/s tool=/run/pitstop-restore-$2.sh
  [ ${#socket} -le 107 ] || die "$socket is too long for a socket: give a folder with a shorter path"
}

case $what in
  tools)
    for tool in mariadbd mariadb mariadb-dump mariadb-admin mariadb-install-db gzip awk; do
      command -v "$tool" >/dev/null || die "$tool is not installed on the restore host (Debian: mariadb-server)"
    done
    id -u mysql >/dev/null 2>&1 || die "there is no user mysql on the restore host"
    ;;
  manifest)
    named "$1"
    socket=${2:-}
    now "$1"
    cat "$tmp/manifest"
    ;;
  dump) named "$1"; dump "$1" "$2" ;;
  live)
    named "$1"
    counts "$1" || die "the rows of $1 cannot be counted"
    ;;
  find)
    found=$1 manifest=$2
    if [ -d "$found" ]; then
      found=$(find "$found" -maxdepth 1 -type f \( -name '*.sql' -o -name '*.sql.gz' \) -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2-)
      [ -n "$found" ] || die "there is no dump (*.sql, *.sql.gz) in $1"
    fi
    [ -f "$found" ] && [ -r "$found" ] || die "there is no dump $found, or it cannot be read"
    : "${manifest:=$found.manifest}"
    [ -r "$manifest" ] || die "there is no manifest $manifest: mariadb.sh dump makes one with the dump"
    [ "$(head -n 1 -- "$manifest")" = "$first" ] || die "$manifest is no manifest of mariadb.sh"
    [ "$(tail -n 1 -- "$manifest")" = "# end $(grep -vc '^#' "$manifest")" ] || die "the manifest $manifest is not whole: its end is missing"
    grep -q '^table' "$manifest" || die "the manifest $manifest names no table: nothing could be compared"
    printf '%s\n%s\n' "$found" "$manifest"
    ;;
  needs)
    size=$(($(wc -c <"$1") / 1048576))
    # A server without data takes some 130 MiB.
    if in_gzip "$1"; then echo $((200 + size * 20)); else echo $((200 + size * 3)); fi
    ;;
  whole)
    file=$1
    [ -s "$file" ] || die "the dump $file is empty"
    if in_gzip "$file"; then
      { gzip -dc -- "$file" 2>"$tmp/gzip" || : >"$tmp/broken"; } | tail -c 400 >"$tmp/end"
      [ ! -e "$tmp/broken" ] || die "the dump is cut or damaged: $(tail -n 1 "$tmp/gzip")"
    else
      tail -c 400 -- "$file" >"$tmp/end" || die "$file cannot be read"
    fi
    case $(grep -v '^$' "$tmp/end" | tail -n 1) in
      '-- Dump completed'*) ;;
      *) die "the dump is cut: its end marker (-- Dump completed) is missing" ;;
    esac
    tail -n 1 "$tmp/end"
    ;;
  make)
    scratch "$1" "$2"
    sh "$tool" do "$1" "$2" make mysql -- mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal \
      --skip-test-db --skip-name-resolve >"$tmp/said" 2>&1 || { tail -n 20 "$tmp/said" >&2; die "no empty server could be made: $(grep -iE 'error|space' "$tmp/said" | tail -n 1)"; }
    sh "$tool" run "$1" "$2" mariadbd mysql -- mariadbd --no-defaults --datadir="$data" --socket="$socket" --pid-file="$data/pid" \
      --skip-networking --skip-log-bin --skip-slave-start --event-scheduler=OFF --default-time-zone=+00:00 || exit 1
    for look in $(seq 1 300); do
      ! client mariadb-admin ping >/dev/null 2>&1 || exit 0
      [ $((look % 10)) != 0 ] || sh "$tool" lives "$1" "$2" mariadbd >/dev/null || exit 1
      sleep 0.2
    done
    die "the server does not answer"
    ;;
  load)
    scratch "$1" "$2"
    run=$2 folder=$1 file=$3 db=$4
    named "$db"
    sql -e "CREATE DATABASE \`$db\`" || die "the restored server takes no database"
    # Only what is cut off from the network reads what stands in the dump. Of its complaints the data is left out: it shows whole statements.
    {
      { if in_gzip "$file"; then gzip -dc -- "$file" 2>/dev/null; else cat -- "$file"; fi || : >"$tmp/broken"; } |
        sh "$tool" do "$folder" "$run" load mysql -- mariadb --no-defaults --socket="$socket" --user=root --default-character-set=utf8mb4 "$db"
      echo $? >"$tmp/status"
    } 2>&1 >/dev/null | grep -a '^ERROR' | sed "s/ near '.*//" | cut -c 1-300 >"$tmp/errors"
    status=$(cat "$tmp/status")
    if [ "$status" != 0 ]; then
      free=$(df -Pm -- "$data" | awk 'NR == 2 { print $4 }')
      [ "${free:-0}" -ge 8 ] || die "the scratch folder is full, $free MiB are left: mariadb ended with $status: $(tail -n 1 "$tmp/errors")"
      sh "$tool" lives "$folder" "$run" mariadbd >/dev/null || exit 1
      die "the dump cannot be read into a server: mariadb ended with $status: $(tail -n 1 "$tmp/errors")"
    fi
    [ ! -e "$tmp/broken" ] || die "the dump could not be read to its end"
    ;;
  ask)
    socket=$1 db=$2
    named "$db"
    # Somebody without rights beyond reading, as applications should be; the socket is out of everybody else's reach.
    sql -e "CREATE USER IF NOT EXISTS pitstop_reader@localhost;
      GRANT SELECT, EXECUTE, SHOW VIEW ON \`$(printf %s "$db" | sed 's/_/\\_/g')\`.* TO pitstop_reader@localhost" || exit 1
    printf '%s\n' "$3" | mariadb --no-defaults --socket="$socket" --user=pitstop_reader -N -B "$db" >"$tmp/answer" || die "the query failed"
    [ -n "$(tr -d '\n' <"$tmp/answer")" ] || die "the query gives nothing"
    echo "the query gives $(wc -l <"$tmp/answer") rows"
    ;;
  sound)
    socket=$1 db=$2
    named "$db"
    sql -r -e "SELECT CONCAT('CHECK TABLE \`', REPLACE(table_name, '\`', '\`\`'), '\` EXTENDED;') FROM information_schema.tables
      WHERE table_schema='$db' AND table_type IN ('BASE TABLE', 'SYSTEM VERSIONED', 'VIEW')" >"$tmp/questions" &&
      sql "$db" <"$tmp/questions" >"$tmp/answers" || die "the tables cannot be checked"
    awk -F '\t' '$3 == "status" && $4 == "OK" { ok++; next } { print $1 ": " $4 }
      END { if (NR == 0) print "there is no table" }' "$tmp/answers" >"$tmp/faults"
    [ ! -s "$tmp/faults" ] || { cat "$tmp/faults"; die "$(head -n 1 "$tmp/faults")"; }
    echo "$(wc -l <"$tmp/answers") tables and views are sound"
    ;;
  compare)
    socket=$1 db=$2 manifest=$3
    named "$db"
    now "$db"
    awk -F '\t' '
      $1 != "table" { next }
      FNR == NR { rows[$2] = $3; digest[$2] = $4; next }
      !($2 in rows) { print $2 ": a table that the manifest does not have"; next }
      rows[$2] != $3 { print $2 ": " rows[$2] " rows at the backup, " $3 " came back" }
      rows[$2] == $3 && digest[$2] != $4 { print $2 ": " $3 " rows as at the backup, but not their content" }
      { delete rows[$2] }
      END { for (name in rows) print name ": the table is missing" }' "$manifest" "$tmp/manifest" >"$tmp/differences"
    grep '^schema' "$manifest" | cut -f 2- >"$tmp/then"
    grep '^schema' "$tmp/manifest" | cut -f 2- >"$tmp/now"
    diff "$tmp/then" "$tmp/now" | sed -n 's/^< */the schema lacks: /p; s/^> */the schema has besides: /p' >>"$tmp/differences"
    if [ -s "$tmp/differences" ]; then
      cat "$tmp/differences"
      awk '{ n++; if (n <= 5) said = said (n > 1 ? "; " : "") $0 } END { print n (n > 1 ? " differences: " : " difference: ") said }' "$tmp/differences" >&2
      exit 1
    fi
    awk -F '\t' '$1 == "table" { n++; rows += $3 } END { print n " tables with " rows " rows are as they were, and their schema" }' "$manifest"
    ;;
  near)
    socket=$1 db=$2 percent=$3
    named "$db"
    cat >"$tmp/live"
    [ -s "$tmp/live" ] || die "the source has no table"
    counts "$db" >"$tmp/restored" || die "the rows that came back cannot be counted"
    awk -F '\t' -v percent="$percent" '
      FILENAME == ARGV[1] { rows[$1] = $2; next }
      !($1 in rows) { print $1 ": the source has this table, the backup does not"; next }
      { most = $2 > rows[$1] ? $2 : rows[$1]; off = $2 - rows[$1]; if (off < 0) off = -off
        if (off * 100 > most * percent) print $1 ": " $2 " rows on the source, " rows[$1] " came back" }' "$tmp/restored" "$tmp/live" >"$tmp/differences"
    [ ! -s "$tmp/differences" ] || { cat "$tmp/differences"; die "$(head -n 3 "$tmp/differences" | paste -sd';' -)"; }
    echo "each of the source's $(wc -l <"$tmp/live") tables is there, its rows within $percent %"
    ;;
  moment)
    socket=$1 db=$2 manifest=$3 query=$4
    if [ -z "$query" ]; then
      told taken "$manifest" | grep . || die "the manifest does not say when it was made"
      exit 0
    fi
    at=$({ echo "$plain"; printf '%s\n' "$query"; } | sql "$db" | head -n 1) || die "the query failed"
    case $at in [0-9]*) ;; *) die "the query gives no moment: $at" ;; esac
    date -u -d "$at UTC" +%Y-%m-%dT%H:%M:%SZ || die "the query gives no moment: $at"
    ;;
  *) die "mariadb.sh does not know $what" ;;
esac
