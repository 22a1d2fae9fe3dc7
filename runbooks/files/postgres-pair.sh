#!/bin/sh
# A primary of PostgreSQL and its streaming standby: looks at them, fences, promotes, makes one follow the other. On their hosts as root.
#
#   postgres-pair.sh look UNIT DATA primary|standby       it runs as UNIT and is that, and the other one is there; prints the system's id
#   postgres-pair.sh lost UNIT DATA                       it is a standby that nobody sends anything any more
#   postgres-pair.sh clock MOMENT SECONDS                 the host's clock is not further than that from MOMENT, which was just now
#   postgres-pair.sh state UNIT DATA                      what must be the same again at the end, a line each
#   postgres-pair.sh rewind UNIT DATA                     `yes` where pg_rewind can bring this cluster back, else why it cannot
#   postgres-pair.sh fence UNIT DATA RUN                  stops it, keeps it from starting, proves both; prints its last record: TIMELINE LSN
#   postgres-pair.sh unfence UNIT DATA RUN                takes that back: it takes writes again, on its former timeline
#   postgres-pair.sh fenced UNIT DATA                     it does not run, and cannot come up as a primary
#   postgres-pair.sh retire UNIT DATA RUN                 fences a former primary however it is: nobody may need what it alone has
#   postgres-pair.sh serves UNIT DATA                     it takes writes
#   postgres-pair.sh closed ADDRESS PORT                  from here nothing of PostgreSQL answers there
#   postgres-pair.sh reach UNIT DATA ADDRESS PORT USER    from here USER can follow the server there; prints that system's id
#   postgres-pair.sh replayed UNIT DATA LAST SECONDS      the standby has replayed the record LAST (TIMELINE LSN), the last one that there is
#   postgres-pair.sh promote UNIT DATA SECONDS            it takes writes from now on; prints its TIMELINE and the LSN where that begins
#   postgres-pair.sh fork UNIT DATA                       it takes writes; prints its TIMELINE and the LSN where that begins
#   postgres-pair.sh system UNIT DATA                     the id of the system, also of one that does not run
#   postgres-pair.sh beyond UNIT DATA FORK                what a former primary has that the new one has not
#   postgres-pair.sh began UNIT DATA                      when its server began: no other server has the same
#   postgres-pair.sh newest UNIT DATA                     when the last transaction was committed that came over from the former primary
#   postgres-pair.sh reached UNIT DATA                    up to when the standby has everything
#   postgres-pair.sh receives UNIT DATA                   since when it runs, which process receives, which timeline
#   postgres-pair.sh slot UNIT DATA RUN                   makes a slot that keeps what the fenced one will need. Those of former runs
#                                                         that nobody uses go: they would keep WAL until the disk is full
#   postgres-pair.sh unslot UNIT DATA RUN                 drops it, and proves that it is gone
#   postgres-pair.sh follow UNIT DATA RUN FORK ADDRESS PORT USER REBUILD   the fenced one follows the server there, whose timeline begins at
#                                                         FORK. What it has beyond that is rewound (REBUILD rewind), or it is copied anew (copy)
#   postgres-pair.sh stay UNIT DATA RUN                   it goes on following: what the drill kept is thrown away
#   postgres-pair.sh return UNIT DATA RUN                 the fenced one follows whom its own settings name
#   postgres-pair.sh home UNIT DATA RUN                   the settings are those from before the drill
#   postgres-pair.sh can CONNECT LOGIN TABLE BEGAN        CONNECT leads LOGIN to the server that began at BEGAN, and it may write into TABLE
#   postgres-pair.sh works CONNECT LOGIN TABLE RUN BEGAN SECONDS  the same, and a row is written and read again (BEGAN empty: any server)
#   postgres-pair.sh clone UNIT DATA SCRATCH              a copy of the standby in SCRATCH, with settings of its own, that follows nobody
#   postgres-pair.sh open-copy DATA SCRATCH SECONDS       the copy takes writes
#
# UNIT is systemd's, DATA the data directory. What a drill keeps lies in DATA.pitstop, which only root can read. A cluster that is fenced
# has standby.signal: whoever starts it by hand, and whatever else fails, it comes up as a standby, never as a second primary.
set -u
LC_ALL=C; export LC_ALL
umask 077
unset PGHOST PGPORT PGUSER PGDATABASE PGOPTIONS PGSERVICE 2>/dev/null
what=${1:-}
[ $# = 0 ] || shift

die() { printf '%s\n' "$*" >&2; exit 1; }

# Sets unit, data, keep, owner, bin.
place() { # UNIT DATA
  unit=$1 data=${2%/} keep=${2%/}.pitstop
  case $unit in '' | -* | *[!A-Za-z0-9@._:-]*) die "no name of a unit: $unit" ;; esac
  case $data in *[!A-Za-z0-9/._-]* | *..*) die "no plain path: $data" ;; /?*) ;; *) die "no path from the root: $data" ;; esac
  [ "$(id -u)" = 0 ] || die "this needs root: become: true"
  [ ! -L "$data" ] && [ -f "$data/PG_VERSION" ] || die "$data is no data directory of PostgreSQL"
  owner=$(stat -c %U -- "$data")
  binaries
}
binaries() {
  version=$(cat "$data/PG_VERSION")
  [ "${version%%.*}" -ge 13 ] || die "PostgreSQL $version: this needs 13 or later"
  for bin in "/usr/lib/postgresql/$version/bin" "/usr/pgsql-$version/bin" "$(dirname "$(command -v postgres || echo /none/none)")"; do
    [ ! -x "$bin/pg_controldata" ] || return 0
  done
  die "the programs of PostgreSQL $version are not installed where they are expected: /usr/lib/postgresql/$version/bin"
}
as_owner() { (cd / && exec runuser -u "$owner" -- "$@"); }

# Its postmaster lives. Sets pid, port, socket.
runs() {
  [ -s "$data/postmaster.pid" ] || return 1
  { read -r pid; read -r _; read -r _; read -r port; read -r socket; } <"$data/postmaster.pid"
  [ -d "/proc/$pid" ] && [ "$(readlink "/proc/$pid/cwd")" = "$(realpath "$data")" ]
}
sql() {
  runs || die "PostgreSQL does not run in $data"
  PGCONNECT_TIMEOUT=10 PGOPTIONS='-c statement_timeout=120s' as_owner "$bin/psql" -XAtq -v ON_ERROR_STOP=1 -h "$socket" -p "$port" -d postgres -c "$1"
}
control() { as_owner "$bin/pg_controldata" -D "$data" | sed -n "s/^$1: *//p"; }
# An LSN as a number.
number() { echo $((0x${1%/*} * 4294967296 + 0x${1#*/})); }
is_lsn() { case $1 in [0-9A-F]*/[0-9A-F]*) case $1 in *[!0-9A-F/]*) return 1 ;; esac ;; *) return 1 ;; esac; }
# Asks each quarter of a second.
within() { # SECONDS COMMAND...
  end=$(($(date +%s) + $1))
  shift
  until "$@"; do
    [ "$(date +%s)" -lt "$end" ] || return 1
    sleep 0.25
  done
}
masked() { [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = masked ]; }
run_of() { cat "$keep/run" 2>/dev/null; }
mine() { [ "$(run_of)" = "$1" ] || die "$data was fenced by the run $(run_of), not by $1: settle that one first"; }
slot_of() { echo "pitstop_$1" | tr 'A-Z-' 'a-z_'; }
recovers() { [ "$(sql 'select pg_is_in_recovery()')" = t ]; }
takes_writes() { runs && [ "$(sql 'select pg_is_in_recovery()' 2>/dev/null)" = f ]; }
home_of() { getent passwd "$owner" | cut -d: -f6; }
# As whom and where: no password stands in it.
conninfo() { # ADDRESS PORT USER
  case $1$2$3 in *[!A-Za-z0-9._:-]*) die "no plain address, port and user: $1 $2 $3" ;; esac
  echo "host=$1 port=$2 user=$3 passfile=$(home_of)/.pgpass connect_timeout=10"
}
no_tablespaces() { [ -z "$(ls -A "$data/pg_tblspc")" ] || die "it has tablespaces: they are outside of $data, and this copies only that"; }
streams() { runs && [ "$(sql "select count(*) from pg_stat_wal_receiver where status = 'streaming'" 2>/dev/null)" = 1 ]; }
log_of() { journalctl -q -u "$unit" -n 8 -o cat 2>/dev/null; tail -n 8 "/var/log/postgresql/postgresql-$(echo "${data#/var/lib/postgresql/}" | tr / -).log" 2>/dev/null; }
start() {
  systemctl reset-failed "$unit" 2>/dev/null
  systemctl start "$unit" && runs || { log_of >&2; die "$unit does not start: systemctl status $unit"; }
}
stop() {
  ! runs || systemctl stop "$unit"
  # Where it was started past systemd.
  ! runs || as_owner "$bin/pg_ctl" -D "$data" -m fast -w -t 120 stop >/dev/null
  ! runs || die "$data still runs (process $pid)"
}
# Follows the newest timeline: what its own settings or the kept ones say.
follows() {
  within 60 streams || { log_of >&2; die "$unit runs and streams from nobody within 60 s: its log says why"; }
  recovers || die "$unit takes writes: it is no standby"
  said=$(sql "select 'streams timeline ' || received_tli || ' from ' || coalesce(sender_host, 'a socket') from pg_stat_wal_receiver")
  echo "${said:-streams}"
}
# One who was fenced comes up again.
release() {
  systemctl unmask "$unit" 2>/dev/null
  ! masked || die "$unit is still masked"
}

case $what in
  look)
    place "$1" "$2"
    runs || die "PostgreSQL does not run in $data"
    [ "$(systemctl show -P MainPID "$unit")" = "$pid" ] || die "what runs in $data is not the unit $unit: systemctl status $unit"
    [ ! -e "$keep/run" ] || die "the run $(run_of) has fenced $data and did not let it go: pitstop owed $(run_of)"
    case $3:$(sql 'select pg_is_in_recovery()') in
      primary:f)
        [ "$(sql "select count(*) from pg_stat_replication where state = 'streaming'")" -gt 0 ] || die "no standby streams from this primary"
        ;;
      standby:t)
        streams || die "this standby streams from nobody: a failover would lose what it has not got"
        [ "$(sql 'select pg_is_wal_replay_paused()')" = f ] || die "replay is paused on this standby: select pg_wal_replay_resume()"
        ;;
      primary:*) die "it is a standby and should be the primary: primary and standby are given the wrong way round, or nobody takes writes" ;;
      standby:*) die "it takes writes and should be a standby: it follows nobody. If the other one takes writes too, this is a split brain" ;;
      *) die "it does not say what it is" ;;
    esac
    sql 'select system_identifier from pg_control_system()'
    ;;
  lost)
    place "$1" "$2"
    recovers || die "it takes writes already: it is no standby. If the other one takes writes too, this is a split brain"
    ! streams || die "the primary still sends to this standby: it lives, or its link was cut less than wal_receiver_timeout ago. With a living primary take the mode planned"
    sql 'select system_identifier from pg_control_system()'
    ;;
  clock)
    was=$(date -d "$1" +%s.%N) || die "$1 is no moment"
    awk -v was="$was" -v now="$(date +%s.%N)" -v most="$2" 'BEGIN {
      off = now - was
      printf "%.1f s from the clock of the control machine\n", off
      if (off > most || off < -most) { printf "this host'\''s clock is %.1f s off, at most %s s may be: RPO and RTO would be wrong\n", off, most >"/dev/stderr"; exit 1 }
    }'
    ;;
  state)
    place "$1" "$2"
    sql "select 'system ' || system_identifier from pg_control_system()"
    sql "select 'role ' || case when pg_is_in_recovery() then 'standby' else 'primary' end"
    sql "select 'slot ' || slot_name || case when active then ' in use' else ' not in use' end from pg_replication_slots where not temporary order by slot_name"
    sql "select 'setting ' || name || ' ' || md5(setting) from pg_settings where name in ('primary_conninfo', 'primary_slot_name', 'restore_command', 'recovery_target_timeline') order by name"
    echo "settings changed by hand: $(cat "$data/postgresql.auto.conf" 2>/dev/null | sha256sum | cut -c1-16)"
    echo "unit $(systemctl is-enabled "$unit" 2>/dev/null) $(systemctl is-active "$unit")"
    [ ! -e "$keep" ] || echo "left by a drill: $keep"
    ;;
  rewind)
    place "$1" "$2"
    hints=$(control 'wal_log_hints setting') sums=$(control 'Data page checksum version')
    if [ "$hints" = on ] || [ "${sums:-0}" != 0 ]; then
      echo yes
    else
      echo "pg_rewind cannot work here: wal_log_hints is off and there are no data checksums"
    fi
    ;;
  fence)
    place "$1" "$2"
    if [ -e "$keep/run" ]; then
      mine "$3"
    else
      takes_writes || die "$data takes no writes: there is nothing to fence"
      [ ! -e "$data/standby.signal" ] || die "$data has a standby.signal although it takes writes: somebody is at work here"
      mkdir -m 700 "$keep" && cp -p -- "$data/postgresql.auto.conf" "$keep/auto.conf" && echo "$port" >"$keep/port" &&
        echo "$3" >"$keep/run" && sync -- "$keep/run" || die "$keep could not be made"
    fi
    # First what makes it harmless however it is started, then the stop, then the lock: masked, systemd would forget how it is stopped.
    as_owner touch "$data/standby.signal" && sync -- "$data" || die "$data/standby.signal could not be made"
    stop
    systemctl --quiet mask "$unit" 2>/dev/null
    exec sh "$0" fenced "$unit" "$data"
    ;;
  retire)
    place "$1" "$2"
    if [ -e "$keep/run" ]; then
      [ "$(run_of)" = "$3" ] || echo "fenced before by the run $(run_of)"
    else
      mkdir -m 700 "$keep" && cp -p -- "$data/postgresql.auto.conf" "$keep/auto.conf" || die "$keep could not be made"
    fi
    echo "$3" >"$keep/run" && sync -- "$keep/run" || die "$keep/run could not be written"
    # Of a crash that was not recovered only the stop is missing: pg_rewind makes up for it.
    [ -f "$data/standby.signal" ] || as_owner touch "$data/standby.signal"
    stop
    systemctl --quiet mask "$unit" 2>/dev/null
    masked || die "$unit can still be started"
    echo "it does not run and cannot be started"
    ;;
  fenced)
    place "$1" "$2"
    ! runs || die "$data runs (process $pid): it is not fenced"
    masked || die "$unit can be started: it is not fenced"
    [ -e "$data/standby.signal" ] || die "$data has no standby.signal: started by hand it would take writes"
    ! "$bin/pg_isready" -q -h 127.0.0.1 -p "$(cat "$keep/port")" || die "something answers on port $(cat "$keep/port")"
    case $(control 'Database cluster state') in
      'shut down' | 'shut down in recovery') ;;
      *) die "it was not stopped in order: $(control 'Database cluster state'). What it had not sent is lost to the standby" ;;
    esac
    last="$(control "Latest checkpoint's TimeLineID") $(control 'Latest checkpoint location')"
    is_lsn "${last#* }" || die "pg_controldata does not say where its last record is"
    echo "$last"
    ;;
  unfence)
    place "$1" "$2"
    if [ -e "$keep/run" ]; then
      mine "$3"
      stop
      rm -f -- "$data/standby.signal" && sync -- "$data"
      release
    fi
    runs || start
    within 120 takes_writes || die "$unit runs and takes no writes"
    rm -rf -- "$keep"
    echo "it takes writes again on timeline $(sql 'select timeline_id from pg_control_checkpoint()')"
    ;;
  serves)
    place "$1" "$2"
    takes_writes || die "$data takes no writes"
    ;;
  closed)
    command -v pg_isready >/dev/null || die "pg_isready is not installed here"
    for try in 1 2 3; do
      pg_isready -q -t 3 -h "$1" -p "$2"
      case $? in
        2) ;;
        3) die "$1:$2 cannot be asked" ;;
        *) die "PostgreSQL still answers at $1:$2: the old primary is not fenced" ;;
      esac
    done
    echo "nothing answers at $1:$2"
    ;;
  reach)
    place "$1" "$2"
    to=$(conninfo "$3" "$4" "$5") || exit 1
    said=$(as_owner "$bin/psql" -XAtqw -d "$to dbname=postgres replication=true" -c IDENTIFY_SYSTEM 2>&1) || die "$5 cannot follow the server at $3:$4: $said"
    echo "${said%%|*}"
    ;;
  replayed)
    place "$1" "$2"
    last=${3#* } most=$4
    is_lsn "$last" || die "$3 is not TIMELINE LSN"
    recovers || die "it takes writes: it is no standby"
    # Its last record is the checkpoint of its shutdown, which begins at LAST: who is past that has all there is.
    past() { [ "$(sql "select pg_last_wal_replay_lsn() > '$last'")" = t ]; }
    within "$most" past || {
      behind=$(sql "select pg_wal_lsn_diff('$last', pg_last_wal_replay_lsn())") got=$(sql 'select pg_last_wal_receive_lsn()')
      why=$(sql "select case when pg_is_wal_replay_paused() then ': replay is paused there' else '' end || coalesce((select ': recovery_min_apply_delay is ' || setting || ' ms' from pg_settings where name = 'recovery_min_apply_delay' and setting <> '0'), '')")
      die "after $most s the standby is $behind bytes behind the last record $last (it has got $got)$why"
    }
    echo "replayed up to $(sql 'select pg_last_wal_replay_lsn()'), the old primary's last record is at $last: nothing is lost"
    ;;
  promote)
    place "$1" "$2"
    recovers || die "it takes writes already: somebody else has promoted it, or it never was a standby"
    [ "$(sql "select pg_promote(true, $3)")" = t ] || die "it was told to take writes and does not within $3 s"
    within 60 takes_writes || die "it was promoted and takes no writes"
    exec sh "$0" fork "$unit" "$data"
    ;;
  fork)
    place "$1" "$2"
    takes_writes || die "it takes no writes: it is not the primary"
    sql checkpoint
    line=$(sql 'select timeline_id from pg_control_checkpoint()')
    fork=$(awk '$1 ~ /^[0-9]+$/ { at = $2 } END { print at }' "$data/pg_wal/$(printf %08X "$line").history" 2>/dev/null)
    is_lsn "$fork" || die "timeline $line does not say where it begins: this one was never promoted"
    echo "$line $fork"
    ;;
  system)
    place "$1" "$2"
    control 'Database system identifier' | grep . || die "$data does not say what system it is"
    ;;
  beyond)
    place "$1" "$2"
    fork=${3#* }
    is_lsn "$fork" || die "$3 is not TIMELINE LSN"
    if takes_writes; then how="it runs and takes writes" at=$(sql 'select pg_current_wal_lsn()')
    elif runs; then how="it runs as a standby" at=$(sql 'select pg_last_wal_replay_lsn()')
    else how="it does not run ($(control 'Database cluster state'))" at=$(control 'Latest checkpoint location'); fi
    more=$(($(number "$at") - $(number "$fork")))
    [ "$more" -gt 0 ] && echo "$how, and has at least $more bytes of WAL that the new primary has not: they will be lost" ||
      echo "$how, and no record of it is known that the new primary has not"
    ;;
  began)
    place "$1" "$2"
    sql 'select extract(epoch from pg_postmaster_start_time())'
    ;;
  newest)
    place "$1" "$2"
    at=$(sql "select to_char(pg_last_xact_replay_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
    [ -n "$at" ] || die "since this server began no transaction came over: nothing says how much is lost"
    echo "$at"
    ;;
  reached)
    place "$1" "$2"
    # Who has all that the primary last spoke of has it up to then. Without new transactions that of the last one would say nothing.
    at=$(sql "select to_char(case when pg_last_wal_replay_lsn() >= latest_end_lsn then last_msg_send_time else pg_last_xact_replay_timestamp() end at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') from pg_stat_wal_receiver where status = 'streaming'")
    [ -n "$at" ] || die "this standby streams from nobody"
    echo "$at"
    ;;
  receives)
    place "$1" "$2"
    sql "select 'in recovery since ' || pg_postmaster_start_time() || ', received by process ' || pid || ' on timeline ' || received_tli from pg_stat_wal_receiver where pg_is_in_recovery() and status = 'streaming'" | grep . ||
      die "it is no standby that receives"
    ;;
  slot)
    place "$1" "$2"
    name=$(slot_of "$3")
    sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'pitstop\_%' and slot_name <> '$name' and not active" >/dev/null
    sql "select pg_create_physical_replication_slot('$name', true) where not exists (select from pg_replication_slots where slot_name = '$name')" >/dev/null
    echo "$name"
    ;;
  unslot)
    place "$1" "$2"
    name=$(slot_of "$3")
    free() { [ "$(sql "select count(*) from pg_replication_slots where slot_name = '$name' and active")" = 0 ]; }
    within 30 free || die "the slot $name is still in use"
    sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '$name'" >/dev/null
    [ "$(sql "select count(*) from pg_replication_slots where slot_name = '$name'")" = 0 ] || die "the slot $name is still there: it would keep WAL until the disk is full"
    ;;
  follow)
    place "$1" "$2"
    run=$3 fork=${4#* } line=${4%% *} rebuild=$8
    to=$(conninfo "$5" "$6" "$7") || exit 1
    mine "$run"
    is_lsn "$fork" || die "$4 is not TIMELINE LSN"
    ! takes_writes || die "it runs and takes writes: two primaries, a split brain. Nothing is taken from one that runs"
    stop
    at=$(control 'Latest checkpoint location')
    case $(control 'Database cluster state') in
      # Its last record, that of its stop, lies before the fork: it has nothing that the new primary has not.
      'shut down' | 'shut down in recovery') [ "$(number "$at")" -lt "$(number "$fork")" ] && beyond=no || beyond=yes ;;
      *) beyond=yes ;;
    esac
    if [ "$beyond" = no ]; then
      did="nothing to be rewound"
    elif [ "$rebuild" = rewind ]; then
      can=$(sh "$0" rewind "$unit" "$data")
      [ "$can" = yes ] || die "it has records beyond $fork, where timeline $line begins, and $can. Copy it anew: --set rebuild=copy"
      # After a crash pg_rewind first recovers it, which a standby.signal forbids.
      rm -f -- "$data/standby.signal"
      config=$(sed -n 's/.*"config_file=\([^"]*\)".*/\1/p' "$data/postmaster.opts" 2>/dev/null)
      said=$(as_owner "$bin/pg_rewind" -D "$data" ${config:+"--config-file=$config"} --source-server="$to dbname=postgres" 2>&1)
      status=$?
      as_owner touch "$data/standby.signal"
      [ "$status" = 0 ] || die "pg_rewind: $said. Or copy it anew: --set rebuild=copy"
      did="rewound to where timeline $line begins"
    else
      no_tablespaces
      need=$(du -sm -- "$data" | cut -f1) free=$(df -Pm -- "$data" | awk 'NR == 2 { print $4 }')
      [ "$free" -gt $((need + 200)) ] || die "a copy takes $need MiB, and there are $free MiB free beside $data"
      rm -rf -- "$data.pitstop-new"
      install -d -m 700 -o "$owner" -- "$data.pitstop-new"
      said=$(as_owner "$bin/pg_basebackup" -D "$data.pitstop-new" -d "$to" -X stream -c fast -w 2>&1) || die "pg_basebackup: $said"
      said=$(as_owner "$bin/pg_verifybackup" -q "$data.pitstop-new" 2>&1) || die "the copy is not whole: $said"
      as_owner touch "$data.pitstop-new/standby.signal"
      mv -- "$data" "$data.pitstop-old" && mv -- "$data.pitstop-new" "$data" && rm -rf -- "$data.pitstop-old" ||
        die "the copy could not take the place of $data"
      did="copied anew"
    fi
    cp -p -- "$keep/auto.conf" "$keep/auto.new"
    printf "primary_conninfo = '%s'\nprimary_slot_name = '%s'\nrecovery_target_timeline = 'latest'\n" "$to" "$(slot_of "$run")" >>"$keep/auto.new"
    mv -f -- "$keep/auto.new" "$data/postgresql.auto.conf" && sync -- "$data"
    release
    runs || start
    now=$(follows) || exit 1
    # Those that it had as a primary, of former runs.
    sql "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'pitstop\_%' and not active" >/dev/null
    echo "$did; it $now"
    ;;
  stay)
    place "$1" "$2"
    mine "$3"
    streams || die "it streams from nobody"
    rm -rf -- "$keep"
    ;;
  return)
    place "$1" "$2"
    mine "$3"
    [ -f "$data/standby.signal" ] || die "$data has no standby.signal"
    release
    runs || start
    follows || exit 1
    rm -rf -- "$keep"
    ;;
  home)
    place "$1" "$2"
    mine "$3"
    takes_writes || die "it takes no writes"
    cp -p -- "$keep/auto.conf" "$data/postgresql.auto.conf.new" && mv -f -- "$data/postgresql.auto.conf.new" "$data/postgresql.auto.conf" && sync -- "$data"
    sql 'select pg_reload_conf()' >/dev/null
    rm -rf -- "$keep"
    ;;
  can | works)
    connect=$1 login=$2 table=$3
    if [ "$what" = works ]; then run=$4 began=$5 most=$6; else run='' began=$4; fi
    case $table in '' | *[!A-Za-z0-9_.]*) die "no plain name of a table: $table" ;; esac
    command -v psql >/dev/null || die "psql is not installed on the host that asks for the application"
    # A new connection each time, as an application has after an outage.
    ask() { timeout 20 psql -XAtqw -v ON_ERROR_STOP=1 -v run="$run" -v word="$word" -d "$connect connect_timeout=5" -U "$login" 2>&1; }
    if [ "$what" = can ]; then
      word=''
      said=$(echo "select extract(epoch from pg_postmaster_start_time()) || ' ' || has_table_privilege('$table', 'select') || ' ' || has_table_privilege('$table', 'insert')" | ask) ||
        die "the application's login $login does not come in: $said"
      case $said in
        "$began true true") echo "$login reaches the primary and may write into $table"; exit 0 ;;
        "$began "*) die "$login may not write into and read $table: create it and grant both" ;;
        *) die "the service leads $login to another server than the primary" ;;
      esac
    fi
    word=$(date +%s.%N)
    good() {
      said=$(echo "insert into $table (run, word) values (:'run', :'word')" | ask) || return 1
      said=$(echo "select count(*) from $table where run = :'run' and word = :'word'" | ask) || return 1
      [ "$said" = 1 ] || { said="what was written cannot be read again"; return 1; }
      said=$(echo "select extract(epoch from pg_postmaster_start_time())" | ask) || return 1
      [ -z "$began" ] || [ "$said" = "$began" ] || { said="the service leads to another server than it should"; return 1; }
    }
    within "$most" good || die "the application's login $login cannot work within $most s: $said"
    echo "written and read by $login"
    ;;
  clone)
    place "$1" "$2"
    to=$3/data
    runs || die "PostgreSQL does not run in $data"
    no_tablespaces
    need=$(du -sm -- "$data" | cut -f1) free=$(df -Pm -- "$3" | awk 'NR == 2 { print $4 }')
    [ "$free" -gt $((need + 200)) ] || die "the copy takes $need MiB, and there are $free MiB free at $3"
    said=$(as_owner "$bin/pg_basebackup" -D "$to" -h "$socket" -p "$port" -X stream -c fast -w 2>&1) || die "the standby cannot be copied: $said"
    as_owner "$bin/pg_verifybackup" -q "$to" || die "the copy is not whole"
    # Its own settings: none of the original's may send it anywhere, or begin jobs of its own.
    at_least=$(as_owner "$bin/pg_controldata" -D "$to" | awk -F': *' '/^max_[a-z_]+ setting/ { sub(/ setting/, "", $1); print $1 " = " $2 }' | sed 's/^max_prepared_xacts/max_prepared_transactions/; s/^max_locks_per_xact/max_locks_per_transaction/')
    # Root writes nothing into a folder that is the database's.
    put() { as_owner sh -c 'cat >"$0"' "$1"; }
    printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$3'" "port = $port" "hba_file = '$3/hba.conf'" "ident_file = ''" "hot_standby = on" \
      "archive_mode = off" "primary_conninfo = ''" "restore_command = 'false'" "recovery_target_timeline = 'current'" "shared_preload_libraries = ''" \
      "fsync = on" "$at_least" | put "$3/copy.conf" && echo "local all all trust" | put "$3/hba.conf" && echo "$bin" | put "$3/bin" &&
      as_owner rm -f -- "$to/postgresql.auto.conf" && as_owner touch "$to/postgresql.auto.conf" "$to/standby.signal" || die "the copy's settings cannot be written"
    echo "a copy of $(du -sm -- "$to" | cut -f1) MiB"
    ;;
  open-copy)
    real=${1%/} scratch=$2 most=$3
    data=$scratch/data owner=$(stat -c %U -- "$real")
    [ -f "$data/PG_VERSION" ] || die "there is no copy in $scratch"
    binaries
    within "$most" runs || die "the copy does not run: $(tail -n 5 "/run/${scratch##*/}/pg.log" 2>/dev/null)"
    up() { sql 'select 1' >/dev/null 2>&1; }
    within "$most" up || die "the copy does not answer: $(tail -n 5 "/run/${scratch##*/}/pg.log" 2>/dev/null)"
    [ "$(sql 'select count(*) from pg_stat_wal_receiver')" = 0 ] || die "the copy follows somebody"
    ! recovers || [ "$(sql "select pg_promote(true, $most)")" = t ] || die "the copy was told to take writes and does not within $most s"
    takes_writes || die "the copy takes no writes"
    echo "the copy takes writes on timeline $(sql checkpoint; sql 'select timeline_id from pg_control_checkpoint()')"
    ;;
  *) die "postgres-pair.sh does not know $what" ;;
esac
