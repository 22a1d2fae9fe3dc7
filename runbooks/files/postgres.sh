#!/bin/sh
# PostgreSQL in restore tests: what the backup job notes beside a backup, and what a restore host makes of the backup.
#
# Where the database lives, as a user who may read all of it (as root: $PG_USER, else postgres). PGHOST, PGPORT and the like hold.
#   postgres.sh dump DATABASE FILE                pg_dump into FILE, its FILE.manifest of the same moment, and FILE.roles. FILE ends in
#                                                 .sql (plain), .sql.gz (plain, packed) or anything else (pg_dump -Fc)
#   postgres.sh manifest DATABASE                 prints a manifest of now
#   postgres.sh counts DATABASE                   prints the rows of each table
#   postgres.sh moment                            prints the time of its clock
#   postgres.sh frozen DATABASE BEFORE TABLE.COLUMN...   count and digest of the rows of TABLE (those of $FROZEN)
#                                                 whose COLUMN is before that time
#
# On the restore host, as root. FOLDER and RUN are those of scratch.sh, which has to be there; the server belongs to USER.
#   postgres.sh look FILE DATABASE                FILE and its manifest can be read, and are of DATABASE; prints what they are
#   postgres.sh room FOLDER FILE                  FOLDER has room for the restored database
#   postgres.sh intact FILE                       the file is whole, as far as that can be said without restoring it
#   postgres.sh cluster FOLDER RUN USER FILE      an empty server with the roles of FILE.roles
#   postgres.sh load FOLDER RUN USER FILE         restores FILE into its database
#   postgres.sh same FOLDER RUN USER FILE         what is there now is what FILE.manifest says: schema, constraints, rows, digests
#   postgres.sh near FOLDER RUN USER FILE PERCENT PERCENT more or fewer rows than standard input says (of `counts`), or 100, are borne
#   postgres.sh ask FOLDER RUN USER DATABASE ROLE QUERY      QUERY as ROLE succeeds and says something
#   postgres.sh thaw FOLDER RUN USER DATABASE BEFORE TABLE.COLUMN...    as `frozen`, of what was restored
#
# A manifest is text: lines with `#` say when and of what, the others are sorted, one for each thing of the schema and each table with its
# rows and a digest of them. The digest does not depend on the order of rows; it does on every byte that PostgreSQL prints of them.
set -u
LC_ALL=C; export LC_ALL
umask 077
what=${1:-}
[ $# = 0 ] || shift

# In one line, whatever a tool said.
die() { printf '%s' "$*" | tr -s '\n' ' ' >&2; echo >&2; exit 1; }

# ---- what is asked of a database, wherever it is

# What a value looks like must not depend on who asks.
settings="set search_path = pg_catalog; set datestyle = 'ISO, YMD'; set intervalstyle = postgres; set timezone = 'UTC';
set extra_float_digits = 3; set bytea_output = hex; set xmloption = content; set row_security = off; set statement_timeout = 0;
set lock_timeout = 0; set idle_in_transaction_session_timeout = 0; set client_min_messages = warning;"

# Of FROM: rows, and a digest that does not depend on their order.
digest_of() { # FROM as an SQL expression of type text
  printf '%s' "'select ' || quote_literal('table ' || t || ' ') || ' || count(*) || '' '' || md5(coalesce(sum((''x'' || left(m, 16))::bit(64)::bigint::numeric), 0) || '':'' || coalesce(sum((''x'' || right(m, 16))::bit(64)::bigint::numeric), 0)) from (select md5(pitstop_row::text) as m from ' || $1 || ' pitstop_row) pitstop_rows'"
}

# Names of tables whose rows are asked for: all that hold rows themselves, no part of an extension.
tables="select format('%I.%I', n.nspname, c.relname) as t, c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')"

rows_sql() { printf '%s\n' "select $(digest_of "'only ' || t") from ($tables order by c.oid) x \\gexec"; }

# One line for each thing. An object that belongs to an extension comes with it. Nothing is made for it, not even for a moment: the
# database may be a standby. So these stand for what a view and a function would be.
own_ns="(select oid, nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema')"
own_rel="(select c.*, n.nspname, format('%I.%I', n.nspname, c.relname) as t from pg_class c join $own_ns n on n.oid = c.relnamespace
  where not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'))"
one() { printf "%s" "regexp_replace($1, '\\s+', ' ', 'g')"; }
acl() { # ACLITEMS
  printf "%s" "(select coalesce(string_agg(g, ',' order by g), '-') from (select coalesce(nullif(grantee, 0)::regrole::text, 'public') || '=' || privilege_type ||
  case when is_grantable then '*' else '' end as g from aclexplode($1)) x)"
}
no_part() { printf "%s" "not exists (select from pg_depend d where d.classid = '$1'::regclass and d.objid = $2 and d.deptype = 'e')"; }
schema_sql() {
  cat <<END
select 'encoding ' || pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || datctype from pg_database where datname = current_database();
select 'extension ' || quote_ident(extname) from pg_extension;
select 'schema ' || quote_ident(n.nspname) || ' ' || nspowner::regrole || ' ' || $(acl "coalesce(nspacl, acldefault('n', nspowner))")
  from pg_namespace n join $own_ns o on o.oid = n.oid where $(no_part pg_namespace n.oid) and n.nspname <> 'public';
select 'relation ' || t || ' ' || relkind::text || relpersistence::text || ' ' || relowner::regrole || ' ' ||
  $(acl "coalesce(relacl, acldefault((case relkind when 'S' then 's' else 'r' end)::\"char\", relowner))") || ' ' || coalesce(array_to_string(reloptions, ','), '-') ||
  case when relrowsecurity then ' row-security' else '' end || case when relispopulated then '' else ' empty' end ||
  coalesce(' partition ' || pg_get_expr(relpartbound, oid), '') || coalesce(' by ' || pg_get_partkeydef(oid), '') from $own_rel c where relkind in ('r', 'p', 'v', 'm', 'S', 'f');
select 'column ' || t || ' ' || row_number() over (partition by t order by a.attnum) || ' ' || quote_ident(attname) || ' ' || format_type(atttypid, atttypmod) ||
  case when attnotnull then ' not null' else '' end || coalesce(' default ' || $(one "pg_get_expr(d.adbin, d.adrelid)"), '') ||
  case when attidentity <> '' then ' identity ' || attidentity::text else '' end || case when attgenerated <> '' then ' generated' else '' end || coalesce(' ' || nullif($(acl attacl), '-'), '')
  from $own_rel c join pg_attribute a on a.attrelid = c.oid and attnum > 0 and not attisdropped left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
  where relkind in ('r', 'p', 'v', 'm', 'f', 'c');
select 'constraint ' || coalesce(c.t, contypid::regtype::text) || ' ' || quote_ident(conname) || ' ' || $(one "pg_get_constraintdef(k.oid)")
  from pg_constraint k join $own_ns n on n.oid = k.connamespace left join $own_rel c on c.oid = conrelid where c.oid is not null or contypid <> 0;
select 'index ' || c.t || ' ' || $(one "pg_get_indexdef(indexrelid)") || case when indisvalid then '' else ' invalid' end from pg_index i join $own_rel c on c.oid = i.indrelid;
select 'view ' || t || ' ' || md5(pg_get_viewdef(oid)) from $own_rel c where relkind in ('v', 'm');
select 'function ' || p.oid::regprocedure || ' ' || proowner::regrole || ' ' || case when prokind = 'a' then 'aggregate' else md5(pg_get_functiondef(p.oid)) end || ' ' ||
  $(acl "coalesce(proacl, acldefault('f', proowner))") from pg_proc p join $own_ns n on n.oid = p.pronamespace where $(no_part pg_proc p.oid);
select 'trigger ' || c.t || ' ' || tgenabled::text || ' ' || $(one "pg_get_triggerdef(g.oid)") from pg_trigger g join $own_rel c on c.oid = g.tgrelid where not tgisinternal;
select 'policy ' || c.t || ' ' || quote_ident(polname) || ' ' || polcmd::text || polpermissive::text || ' ' || $(one "coalesce(pg_get_expr(polqual, polrelid), '-') || ' / ' || coalesce(pg_get_expr(polwithcheck, polrelid), '-')")
  from pg_policy p join $own_rel c on c.oid = p.polrelid;
select 'rule ' || c.t || ' ' || $(one "pg_get_ruledef(r.oid)") from pg_rewrite r join $own_rel c on c.oid = r.ev_class where rulename <> '_RETURN';
select 'type ' || y.oid::regtype || ' ' || typtype::text || ' ' || coalesce((select string_agg(quote_literal(enumlabel), ',' order by enumsortorder) from pg_enum where enumtypid = y.oid),
  format_type(nullif(typbasetype, 0), typtypmod), '-') from pg_type y join $own_ns n on n.oid = y.typnamespace where typtype in ('e', 'd', 'r') and $(no_part pg_type y.oid);
select 'large-objects ' || count(*) from pg_largeobject_metadata;
select format('select %L || last_value || '' '' || is_called from %s', 'sequence ' || t || ' ', t) from $own_rel c where relkind = 'S' \\gexec
END
}

head_sql() {
  cat <<'END'
select '# manifest of PostgreSQL 1';
select '# database ' || current_database();
select '# taken ' || to_char(transaction_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
select '# server ' || current_setting('server_version_num');
select '# bytes ' || pg_database_size(current_database());
END
}

manifest_sql() {
  head_sql
  schema_sql
  rows_sql
}
begin="begin isolation level repeatable read read only;"
now_sql="select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"');"

# `table NAME COUNT` of every table.
counts_sql() { printf '%s\n' "select format('select %L || count(*) from only %s', 'table ' || t || ' ', t) from ($tables) x \\gexec"; }

frozen_sql() { # BEFORE TABLE.COLUMN...
  before=$1
  shift
  # shellcheck disable=SC2086 # words
  [ $# -gt 0 ] || set -- ${FROZEN:-}
  case $before in [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*[!0-9T:.Z-]*) die "$before is no time" ;; [0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*Z) ;; *) die "$before is no time" ;; esac
  [ $# -gt 0 ] || die "no table with a column that says when a row was written"
  for each; do
    case $each in *[!a-zA-Z0-9_.]* | .* | *. | *..*) die "$each: write SCHEMA.TABLE.COLUMN in plain letters" ;; *.*.*.*) die "$each: write SCHEMA.TABLE.COLUMN" ;; *.*.*) ;; *) die "$each: write SCHEMA.TABLE.COLUMN" ;; esac
    t=${each%.*} c=${each##*.}
    printf '%s\n' "select $(digest_of "'(select * from $t where \"$c\" < ''$before''::timestamptz)'") from (values ('$t')) x (t) \\gexec"
  done
}

# ---- archived WAL

# Names of the segments in a folder, in the order of what they hold.
segments() {
  find "$1" -maxdepth 1 -type f 2>/dev/null | sed -n 's|.*/\([0-9A-F]\{24\}\)\(\.gz\)\{0,1\}$|\1|p' | sort -u -k1.9
}
# How large one is: that of PostgreSQL's own, where all are packed.
megabytes() {
  one=$(find "$1" -maxdepth 1 -type f -name '????????????????????????' -size +0 2>/dev/null | head -n 1)
  [ -n "$one" ] && echo $(($(wc -c <"$one") / 1048576)) || echo 16
}
not_after() { # SEGMENT SEGMENT
  [ "$(printf '%s\n%s\n' "${1#????????}" "${2#????????}" | sort | head -n 1)" = "${1#????????}" ]
}
# Of sorted names on standard input, from FIRST on: dies with the first one that is missing.
gap() { # FIRST MEGABYTES-OF-A-SEGMENT
  missing=$(awk -v first="$1" -v size="$2" '
    function hex(s, n, i) { n = 0; for (i = 1; i <= length(s); i++) n = n * 16 + index("0123456789ABCDEF", substr(s, i, 1)) - 1; return n }
    function number(s) { return hex(substr(s, 9, 8)) * per + hex(substr(s, 17, 8)) }
    BEGIN { per = 4096 / size; want = number(first); line = substr(first, 1, 8) }
    { n = number($1); if (n < want) next
      if (n > want) { printf "%s%08X%08X", line, int(want / per), want % per; exit }
      want++; line = substr($1, 1, 8); seen = 1 }
    END { if (!seen && n <= want) print first }')
  [ -z "$missing" ] || die "WAL $missing is missing: nothing after it can be restored"
}

# ---- where the database lives

as_owner() {
  if [ "$(id -u)" = 0 ]; then runuser -u "${PG_USER:-postgres}" -- "$@"; else "$@"; fi
}
live() { # DATABASE; SQL on standard input
  as_owner psql -XAtq -v ON_ERROR_STOP=1 -d "$1" -f -
}
body() { grep -v '^#' | sort; }

# ---- where it is restored

scratch_of() { # FOLDER RUN USER
  [ "$(id -u)" = 0 ] || die "this needs root on the restore host: become: true"
  folder=$1 run=$2 user=$3
  scratch=${folder%/}/pitstop-restore-$run tool=/run/pitstop-restore-$run.sh notes=/run/pitstop-restore-$run
  [ -d "$scratch" ] && [ -f "$tool" ] && [ -d "$notes" ] || die "there is no scratch folder of the run $run: scratch.sh open makes it"
  port=5432 super=${SUPERUSER:-postgres}
}
in_unit() { # NAME COMMAND...
  name=$1
  shift
  sh "$tool" do "$folder" "$run" "$name" "$user" -- "$@"
}
as_user() { runuser -u "$user" -- "$@"; }
put() { as_user sh -c 'cat >"$1"' sh "$1"; }
# Nothing of this session's environment: it could name another server.
there() { # ROLE DATABASE OPTIONS...
  role=$1 base=$2
  shift 2
  (cd / && exec runuser -u "$user" -- env -i PATH="$PATH" LC_ALL=C PGCONNECT_TIMEOUT=10 "$bin/psql" -XAtq -v ON_ERROR_STOP=1 \
    -h "$scratch/run" -p "$port" -U "$role" -d "$base" "$@")
}
bins() { ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null; }
major_of() { "$1/postgres" -V | sed 's/[^0-9]*\([0-9]*\).*/\1/'; }
# Sets bin to the oldest that is not older than MAJOR.
binaries() { # MAJOR [exactly]
  bin=
  for each in $(bins) "$(pg_config --bindir 2>/dev/null)"; do
    [ -x "$each/postgres" ] || continue
    has=$(major_of "$each")
    if [ "$has" = "$1" ]; then bin=$each; return; fi
    [ "${2:-}" = exactly ] || [ "$has" -lt "$1" ] || { [ -n "$bin" ] && [ "$(major_of "$bin")" -le "$has" ]; } || bin=$each
  done
  [ -n "$bin" ] || die "the restore host has no PostgreSQL $1 (its server, not only psql)$(bins | sed 's/^/; there is /')"
}
of_file() { # KEY FILE
  sed -n "s/^# $1 //p" "$2.manifest" | head -n 1
}
of_manifest() { # FILE
  database=$(of_file database "$1")
  server=$(of_file server "$1")
  [ -n "$database" ] && [ -n "$server" ] || die "$1.manifest is no manifest of postgres.sh"
  binaries "$((server / 10000))"
}
kind_of() { # FILE
  case $(head -c 5 -- "$1" | od -An -tx1 | tr -d ' \n') in
    5047444d50) echo custom ;;
    1f8b*) echo gz ;;
    2d2d*) echo plain ;;
    '') die "$1 is empty" ;;
    *) die "$1 is neither a dump of pg_dump -Fc, nor plain SQL, nor that packed by gzip" ;;
  esac
}
write_settings() { # further lines on standard input
  { cat <<END
listen_addresses = ''
unix_socket_directories = '$scratch/run'
port = $port
hba_file = '$scratch/hba.conf'
ident_file = '$scratch/ident.conf'
ssl = off
archive_mode = off
logging_collector = off
log_destination = stderr
lc_messages = 'C'
log_timezone = 'UTC'
cluster_name = 'restore test'
END
    cat
  } | put "$scratch/server.conf"
  echo 'local all all trust' | put "$scratch/hba.conf"
  : | put "$scratch/ident.conf"
  as_user mkdir -p -m 700 "$scratch/run"
}
start() {
  sh "$tool" run "$folder" "$run" postgres "$user" -- "$bin/postgres" -D "$scratch/data" -c "config_file=$scratch/server.conf"
}
# A time without letters, as recovery wants it.
numbers_of() { printf '%s' "$1" | sed 's/T/ /; s/Z$/+00/'; }
unpack() { # TAR FOLDER
  case $1 in *.gz | *.tgz) packed=-z ;; *) packed= ;; esac
  # shellcheck disable=SC2086 # an option or none
  as_user tar -C "$2" $packed -xf - <"$1" || die "$1 could not be unpacked: it is cut or damaged"
}
lives() { sh "$tool" lives "$folder" "$run" postgres >/dev/null; }

case $what in
  dump)
    database=$1 file=$2
    here=$(mktemp -d) || exit 1
    session=
    trap 'exec 3>&-; [ -z "$session" ] || kill "$session" 2>/dev/null; rm -rf "$here"; rm -f -- "$file.new" "$file.manifest.new" "$file.roles.new"' EXIT
    trap 'exit 1' HUP INT TERM
    mkfifo "$here/orders"
    # One session holds the snapshot; pg_dump and the manifest both see that.
    as_owner psql -XAtq -v ON_ERROR_STOP=1 -d "$database" <"$here/orders" >"$here/said" &
    session=$!
    exec 3>"$here/orders"
    printf '%s\n' "$settings" "$begin" "select '# snapshot ' || pg_export_snapshot();" >&3
    until grep -q '^# snapshot ' "$here/said"; do
      kill -0 "$session" 2>/dev/null || die "no session with $database"
      sleep 0.1
    done
    snapshot=$(sed -n 's/^# snapshot //p' "$here/said")
    case $file in
      *.sql.gz)
        { as_owner pg_dump --snapshot="$snapshot" -d "$database" || echo "pg_dump ended with $?" >"$here/failed"; } | gzip >"$file.new" || die "gzip failed"
        [ ! -e "$here/failed" ] || die "$(cat "$here/failed")"
        ;;
      *.sql) as_owner pg_dump --snapshot="$snapshot" -d "$database" >"$file.new" || die "pg_dump ended with $?" ;;
      *) as_owner pg_dump -Fc --snapshot="$snapshot" -d "$database" >"$file.new" || die "pg_dump ended with $?" ;;
    esac
    manifest_sql >&3
    echo "select '# end';" >&3
    exec 3>&-
    wait "$session" || die "the manifest could not be made"
    session=
    grep -qx '# end' "$here/said" || die "the manifest is not whole"
    as_owner pg_dumpall --roles-only --no-role-passwords >"$file.roles.new" || die "pg_dumpall ended with $?"
    {
      grep '^#' "$here/said" | grep -v '^# snapshot'
      echo "# dump $(sha256sum <"$file.new" | cut -d' ' -f1) $(wc -c <"$file.new")"
      body <"$here/said"
    } >"$file.manifest.new"
    sync
    mv -f -- "$file.new" "$file" && mv -f -- "$file.roles.new" "$file.roles" && mv -f -- "$file.manifest.new" "$file.manifest" || die "$file could not be written"
    ;;
  manifest)
    said=$({ printf '%s\n' "$settings" "$begin"; manifest_sql; echo "select '# end';"; } | live "$1") || die "the manifest could not be made"
    printf '%s\n' "$said" | grep '^#'
    printf '%s\n' "$said" | body
    ;;
  counts)
    said=$({ printf '%s\n' "$settings" "$begin"; counts_sql; } | live "$1") || die "the database $1 could not be asked"
    [ -n "$said" ] || die "the database $1 has no table"
    printf '%s\n' "$said" | sort
    ;;
  moment) echo "$now_sql" | live "${1:-postgres}" ;;
  frozen)
    database=$1
    shift
    sql=$(frozen_sql "$@") || exit 1
    printf '%s\n' "$settings" "$begin" "$sql" | live "$database"
    ;;

  look)
    file=$1
    [ -f "$file" ] && [ -r "$file" ] || die "there is no file $file"
    [ -s "$file" ] || die "$file is empty"
    [ -s "$file.manifest" ] || die "there is no $file.manifest: without what the backup job noted nobody can say what must come back (postgres.sh dump)"
    kind=$(kind_of "$file") || exit 1
    of_manifest "$file"
    [ "$database" = "$2" ] || die "$file is a dump of $database, not of $2"
    [ "$(grep -cx '# end' "$file.manifest")" = 1 ] || die "$file.manifest is not whole"
    grep -q '^table ' "$file.manifest" || die "$file.manifest has no table: a backup of nothing proves nothing"
    echo "$kind, $(wc -c <"$file") bytes, of $database, taken $(of_file taken "$file")"
    ;;
  taken) of_file taken "$1" | grep . || die "$1.manifest does not say when it was taken" ;;
  room)
    bytes=$(of_file bytes "$2")
    [ -n "$bytes" ] || die "$2.manifest does not say how large the database is"
    # Half as much again for WAL and what sorting takes, and what an empty server has.
    need=$((bytes / 1048576 * 3 / 2 + 128))
    free=$(df -Pm -- "$1" | awk 'NR == 2 { print $4 }')
    [ -n "$free" ] || die "no room can be measured at $1"
    [ "$free" -ge "$need" ] || die "$1 has $free MiB free, the restored database wants $need MiB"
    echo "$free MiB free, $need MiB wanted"
    ;;
  intact)
    file=$1
    kind=$(kind_of "$file") || exit 1
    noted=$(of_file dump "$file")
    if [ -n "$noted" ]; then
      size=$(wc -c <"$file")
      [ "$size" = "${noted#* }" ] || die "$file has $size bytes, ${noted#* } were written: it was cut, or is another one"
      [ "$(sha256sum <"$file" | cut -d' ' -f1)" = "${noted% *}" ] || die "$file has other bytes than were written: it is damaged, or another one"
    fi
    case $kind in
      gz)
        said=$(gzip -t -- "$file" 2>&1) || die "$file is cut or damaged: $said"
        end=$(gzip -dc -- "$file" | tail -n 8)
        ;;
      plain) end=$(tail -n 8 -- "$file") ;;
      custom) end='dump complete' ;; # it has no such line; pg_restore reads it to its end
    esac
    case $end in *'dump complete'*) ;; *) die "$file does not end with \"PostgreSQL database dump complete\": it was cut" ;; esac
    echo "${noted:+size and digest are those that were written; }$kind"
    ;;
  cluster)
    scratch_of "$1" "$2" "$3"
    file=$4
    of_manifest "$file"
    # Its first user has a name that no dump has.
    said=$(in_unit initdb "$bin/initdb" -D "$scratch/data" -E UTF8 --locale=C -U pitstop_restore --auth=trust --no-sync 2>&1) || die "initdb: $said"
    write_settings </dev/null
    start || die "the server could not be started"
    until there pitstop_restore postgres -c 'select 1' >/dev/null 2>&1; do
      lives || exit 1
      sleep 0.1
    done
    if [ -f "$file.roles" ]; then
      there pitstop_restore postgres -f - <"$file.roles" >/dev/null || die "the roles of $file.roles could not be made"
    fi
    set -- $(sed -n 's/^encoding //p' "$file.manifest")
    there pitstop_restore postgres -v name="$database" -v encoding="$1" -v collate="$2" -v ctype="$3" >/dev/null <<'END' ||
create database :"name" template template0 encoding :'encoding' lc_collate :'collate' lc_ctype :'ctype';
END
      die "the database could not be made as $database was: encoding $1, collation $2"
    ;;
  load)
    scratch_of "$1" "$2" "$3"
    file=$4
    of_manifest "$file"
    to="-h $scratch/run -p $port -U pitstop_restore"
    # What is in the file is run inside of the unit, as psql and pg_restore are: a line of a plain dump may be a command for a shell.
    # shellcheck disable=SC2086 # options
    case $(kind_of "$file") in
      custom)
        said=$(in_unit load "$bin/pg_restore" $to -d "$database" --exit-on-error --single-transaction <"$file" 2>&1) ||
          die "pg_restore ended with $?: $(printf '%s\n' "$said" | head -n 3)"
        ;;
      plain)
        said=$(in_unit load "$bin/psql" -Xq -v ON_ERROR_STOP=1 -1 $to -d "$database" -f - <"$file" 2>&1 >/dev/null) ||
          die "psql ended with $?: $(printf '%s\n' "$said" | head -n 3)"
        ;;
      gz)
        said=$({ as_user gzip -dc <"$file" || : >"$notes/cut"; } |
          in_unit load "$bin/psql" -Xq -v ON_ERROR_STOP=1 -1 $to -d "$database" -f - 2>&1 >/dev/null) ||
          die "psql ended with $?: $(printf '%s\n' "$said" | head -n 3)"
        [ ! -e "$notes/cut" ] || die "gzip did not come to the end of $file"
        ;;
      *) exit 1 ;;
    esac
    there pitstop_restore "$database" -c 'analyze' || die "the restored database does not answer"
    ;;
  same)
    scratch_of "$1" "$2" "$3"
    of_manifest "$4"
    { printf '%s\n' "$settings" "$begin"; manifest_sql; echo "select '# end';"; } | there pitstop_restore "$database" -f - >"$notes/said" &&
      grep -qx '# end' "$notes/said" || die "the restored database could not be looked at"
    body <"$notes/said" >"$notes/found"
    body <"$4.manifest" >"$notes/noted"
    { comm -23 "$notes/noted" "$notes/found" | sed 's/^/missing: /'; comm -13 "$notes/noted" "$notes/found" | sed 's/^/instead: /'; } |
      awk '{ print index("table constraint index", $2) ? index("table constraint index", $2) : 99, $0 }' | sort -k1,1n -k4,4 -k2,2r | cut -d' ' -f2- | cut -c1-300 >"$notes/difference"
    n=$(wc -l <"$notes/difference")
    [ "$n" = 0 ] || {
      head -n 40 "$notes/difference"
      die "$n lines differ from what the backup job noted: $(head -n 1 "$notes/difference")"
    }
    awk '/^table / { n++; rows += $(NF - 1) } /^constraint / { c++ } END { print n + 0 " tables, " rows + 0 " rows, " c + 0 " constraints: as they were noted" }' "$notes/found"
    ;;
  near)
    scratch_of "$1" "$2" "$3"
    of_manifest "$4"
    cat >"$notes/live"
    grep -q '^table ' "$notes/live" || die "the source said of no table how many rows it has"
    { printf '%s\n' "$settings" "$begin"; counts_sql; } | there pitstop_restore "$database" -f - >"$notes/counts" || die "the restored database could not be looked at"
    awk -v percent="$5" '
      { name = $0; sub(/ [0-9]+$/, "", name); sub(/^table /, "", name) }
      NR == FNR { live[name] = $NF; next }
      { back[name] = $NF }
      END {
        for (name in live) {
          b = (name in back) ? back[name] : 0; d = live[name] - b; if (d < 0) d = -d
          if (!(name in back)) print name " is not in the backup, and has " live[name] " rows on the source"
          if (d > 100 && d > live[name] * percent / 100) { print name ": " b " rows came back, the source has " live[name]; bad++ }
        }
        exit bad > 0
      }' "$notes/live" "$notes/counts" | sort >"$notes/near"
    cat "$notes/near"
    ! grep -q ' rows came back, ' "$notes/near" || die "more than $5 percent from the source: $(grep ' rows came back, ' "$notes/near" | head -n 1)"
    ;;
  ask)
    scratch_of "$1" "$2" "$3"
    database=$4 role=$5 query=$6
    binaries "$(as_user cat "$scratch/data/PG_VERSION")" exactly
    said=$(there "$role" "$database" -c "$query") || die "as $role: the query failed"
    [ -n "$said" ] || die "as $role: the query says nothing"
    printf '%s\n' "$said" | head -n 5
    ;;
  thaw)
    scratch_of "$1" "$2" "$3"
    database=$4
    shift 4
    binaries "$(as_user cat "$scratch/data/PG_VERSION")" exactly
    sql=$(frozen_sql "$@") || exit 1
    printf '%s\n' "$settings" "$begin" "$sql" | there "$super" "$database" -f -
    ;;
  base-look)
    base=$1 wal=${2#wal:} user=$3
    if [ -d "$base" ]; then
      [ -r "$base/backup_label" ] || die "$base has no backup_label: it is no base backup, or is not whole"
      label=$(cat "$base/backup_label")
      version=$(cat "$base/PG_VERSION") || exit 1
    else
      [ -s "$base" ] || die "there is no base backup $base, or it is empty"
      label=$(tar -xOf "$base" backup_label 2>/dev/null || tar -xOf "$base" ./backup_label 2>/dev/null) || die "$base holds no backup_label: it is no base backup, or was cut"
      version=$(tar -xOf "$base" PG_VERSION 2>/dev/null || tar -xOf "$base" ./PG_VERSION 2>/dev/null) || die "$base holds no PG_VERSION: it was cut"
    fi
    binaries "$version" exactly
    [ -d "$wal" ] && [ -r "$wal" ] || die "there is no folder $wal with archived WAL"
    first=$(printf '%s\n' "$label" | sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p')
    [ -n "$first" ] || die "the backup_label of $base does not say with which WAL it begins"
    # What came with the backup need not be in the archive.
    if [ -d "$base" ]; then
      own=$(segments "$base/pg_wal")
    else
      own=$(for each in "$base" "${base%/*}"/pg_wal.tar "${base%/*}"/pg_wal.tar.gz; do [ ! -e "$each" ] || tar -tf "$each"; done |
        sed -n 's|^\(.*/\)\{0,1\}\([0-9A-F]\{24\}\)$|\2|p')
    fi
    { printf '%s\n' "$own"; segments "$wal"; } | grep . | sort -u -k1.9 | gap "$first" "$(megabytes "$wal")" || exit 1
    echo "PostgreSQL $version, $(printf '%s\n' "$label" | grep '^START TIME'), WAL from $first to $(segments "$wal" | tail -n 1)"
    ;;
  base-room)
    if [ -d "$2" ]; then size=$(du -sm -- "$2" | cut -f1); else size=$(($(wc -c <"$2") / 1048576 * 4)); fi
    need=$((size * 5 / 4 + 128))
    free=$(df -Pm -- "$1" | awk 'NR == 2 { print $4 }')
    [ -n "$free" ] || die "no room can be measured at $1"
    [ "$free" -ge "$need" ] || die "$1 has $free MiB free, the restored server wants $need MiB"
    echo "$free MiB free, $need MiB wanted"
    ;;
  base)
    scratch_of "$1" "$2" "$3"
    base=$4
    as_user mkdir -m 700 "$scratch/data"
    # Read by root, unpacked by USER: whatever is in it, it is his.
    if [ -d "$base" ]; then
      { tar -C "$base" -cf - . || : >"$notes/cut"; } | as_user tar -C "$scratch/data" -xf - || die "$base could not be copied"
      [ ! -e "$notes/cut" ] || die "$base could not be read"
    else
      unpack "$base" "$scratch/data"
      for each in "${base%/*}/pg_wal.tar" "${base%/*}/pg_wal.tar.gz"; do
        [ ! -e "$each" ] || unpack "$each" "$scratch/data/pg_wal"
      done
      [ ! -e "${base%/*}/backup_manifest" ] || put "$scratch/data/backup_manifest" <"${base%/*}/backup_manifest"
    fi
    as_user chmod 700 "$scratch/data"
    [ -z "$(as_user ls -A "$scratch/data/pg_tblspc" 2>/dev/null)" ] || die "the backup has tablespaces of its own: this runbook restores none"
    ;;
  verify)
    scratch_of "$1" "$2" "$3"
    binaries "$(as_user cat "$scratch/data/PG_VERSION")" exactly
    as_user test -s "$scratch/data/backup_manifest" || die "the base backup has no backup_manifest: nobody can say whether its files are those that were taken"
    # WAL that came with the backup is looked at too.
    [ -n "$(as_user find "$scratch/data/pg_wal" -maxdepth 1 -type f -name '????????????????????????')" ] && parse= || parse=-n
    # shellcheck disable=SC2086 # an option or none
    said=$(in_unit verify "$bin/pg_verifybackup" $parse "$scratch/data" 2>&1) || die "pg_verifybackup: $(printf '%s' "$said" | head -n 5)"
    echo "$said${parse:+; without WAL, which is not in the backup}"
    ;;
  recover)
    scratch_of "$1" "$2" "$3"
    wal=$4 moment=$5
    binaries "$(as_user cat "$scratch/data/PG_VERSION")" exactly
    case $moment in *[!0-9T:.Z-]* | '') die "$moment is no time" ;; esac
    case $wal in
      wal:*)
        wal=${wal#wal:}
        newest=$(segments "$wal" | tail -n 1)
        get="if [ -r '$wal'/\"\$1\" ]; then cp '$wal'/\"\$1\" \"\$2\"; elif [ -r '$wal'/\"\$1\".gz ]; then gzip -dc '$wal'/\"\$1\".gz >\"\$2\"; else false; fi"
        ;;
      pgbackrest:*)
        # It refuses where another server's settings are in the way; these are its own.
        newest=$(in_unit newest pgbackrest --config="$scratch/pgbackrest.conf" --stanza="${wal#*:}" info |
          sed -n 's/.*wal archive min.max.*\/\([0-9A-F]\{24\}\).*/\1/p' | tail -n 1)
        get="pgbackrest --config='$scratch/pgbackrest.conf' --stanza='${wal#*:}' archive-get \"\$1\" \"\$2\""
        ;;
      *) die "$wal: write wal:FOLDER or pgbackrest:STANZA" ;;
    esac
    [ -n "$newest" ] || die "the archive has no WAL"
    # What it is asked for is noted: that says where the archive ends, and where it has a gap.
    put "$scratch/fetch.sh" <<END
if $get; then echo "found \$1" >>'$scratch/asked'; else echo "missing \$1" >>'$scratch/asked'; exit 1; fi
END
    : | put "$scratch/asked"
    # Nothing that the backup says of archiving, replication or preloaded libraries holds; what the source allowed must be allowed.
    as_user rm -f "$scratch/data/recovery.signal" "$scratch/data/standby.signal" "$scratch/data/postmaster.pid"
    : | put "$scratch/data/postgresql.auto.conf"
    { as_user "$bin/pg_controldata" "$scratch/data" | sed -n -e 's/^max_connections setting: */max_connections = /p' \
      -e 's/^max_worker_processes setting: */max_worker_processes = /p' -e 's/^max_wal_senders setting: */max_wal_senders = /p' \
      -e 's/^max_prepared_xacts setting: */max_prepared_transactions = /p' -e 's/^max_locks_per_xact setting: */max_locks_per_transaction = /p'
      cat <<END
hot_standby = on
restore_command = 'sh $scratch/fetch.sh %f %p'
recovery_target_time = '$(numbers_of "$moment")'
recovery_target_action = promote
recovery_target_timeline = latest
wal_retrieve_retry_interval = 200ms
shared_preload_libraries = '${PRELOAD:-}'
END
    } | write_settings
    : | put "$scratch/data/standby.signal"
    start || die "the server could not be started"
    while :; do
      lives || exit 1
      state=$(there "$super" postgres -c 'select pg_is_in_recovery()' 2>/dev/null)
      [ "$state" != f ] || break
      # How often in a row it asked for the same segment, and what it got.
      turn=$(as_user tail -n 200 "$scratch/asked" | awk 'length($2) == 24 { if ($0 == last) n++; else n = 1; last = $0 } END { print n + 0, last }')
      n=${turn%% *} ends=${turn##* }
      case $turn in
        *' missing '*)
          if [ "$n" -ge 4 ]; then
            ! not_after "$ends" "$newest" || die "WAL $ends is missing in the archive, which goes on to $newest: nothing after it can be restored"
            [ "$state" != t ] || break
            [ "$n" -lt 30 ] || {
              tail -n 5 "$notes/postgres.log" >&2
              die "the archive ends before WAL $ends, and the backup is not consistent without it"
            }
          fi
          ;;
        *' found '*)
          [ "$n" -lt 8 ] || {
            tail -n 5 "$notes/postgres.log" >&2
            die "WAL $ends is in the archive and cannot be replayed: it is damaged, or not written to its end"
          }
          ;;
      esac
      sleep 0.2
    done
    if [ "$state" = f ]; then
      echo "replayed up to $moment: $(grep -c '^found .\{24\}$' "$scratch/asked") segments of WAL"
    else
      # PostgreSQL refuses to end before the moment it was told. All that is there was replayed: it is started anew and not told any.
      sh "$tool" stop "$folder" "$run" postgres INT || exit 1
      as_user rm -f "$scratch/data/standby.signal"
      : | put "$scratch/data/recovery.signal"
      as_user sed -i '/^recovery_target_time/d' "$scratch/server.conf"
      start || die "the server could not be started again"
      until [ "$(there "$super" postgres -c 'select pg_is_in_recovery()' 2>/dev/null)" = f ]; do
        lives || exit 1
        sleep 0.2
      done
      echo "the archive ends before $moment, with $newest: all of it was replayed"
    fi
    ;;
  last)
    scratch_of "$1" "$2" "$3"
    binaries "$(as_user cat "$scratch/data/PG_VERSION")" exactly
    at=$(there "$super" postgres -c "select to_char(pg_last_xact_replay_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')") || die "the restored server does not answer"
    if [ -z "$at" ]; then
      # No transaction was replayed: what is there is as old as the backup.
      at=$(as_user cat "$scratch/data/backup_label.old" | sed -n 's/^START TIME: //p')
      at=$(date -u -d "$at" +%Y-%m-%dT%H:%M:%SZ) || die "nobody can say how old the restored data is"
    fi
    echo "$at"
    ;;
  sound)
    scratch_of "$1" "$2" "$3"
    binaries "$(as_user cat "$scratch/data/PG_VERSION")" exactly
    [ -x "$bin/pg_amcheck" ] || die "there is no pg_amcheck in $bin"
    said=$(cd / && runuser -u "$user" -- env -i PATH="$PATH" LC_ALL=C "$bin/pg_amcheck" -h "$scratch/run" -p "$port" -U "$super" --all --install-missing --heapallindexed 2>&1) ||
      die "pg_amcheck: $(printf '%s' "$said" | head -n 5)"
    ;;
  repository-info)
    [ "$4" = none ] || export PGBACKREST_REPO1_CIPHER_PASS="$REPO_PASS"
    # Nothing of /etc/pgbackrest.conf: that may lead to production.
    cd / && exec runuser -u "$1" -- pgbackrest --no-config --stanza="$2" --repo1-path="$3" --repo1-cipher-type="$4" --log-level-file=off \
      --lock-path="/tmp/pitstop-pgbackrest-$1" info --output=json
    ;;
  repository-verify)
    scratch_of "$1" "$2" "$3"
    # It ends with 0 whatever it finds, and says what it found only if it is asked to.
    said=$(in_unit verify pgbackrest --config="$scratch/pgbackrest.conf" --stanza="$4" verify --output=text --verbose 2>&1) ||
      die "pgbackrest verify: $(printf '%s' "$said" | head -n 10)"
    printf '%s\n' "$said"
    printf '%s\n' "$said" | grep -qx 'status: ok' && ! printf '%s\n' "$said" | grep -E 'status: invalid|(missing|invalid|other): [1-9]' >/dev/null ||
      die "pgbackrest verify ended with 0 and found: $(printf '%s\n' "$said" | grep -E 'status: (error|invalid)|(missing|invalid|other): [1-9]' | head -n 5 | paste -sd' ' -)"
    ;;
  repository)
    scratch_of "$1" "$2" "$3"
    case $4$6 in *[!A-Za-z0-9_.-]* | '') die "$4, $6: no name of a stanza or of a cipher" ;; esac
    case $5 in *[!A-Za-z0-9/._-]*) die "$5: a folder with a plain name is needed" ;; esac
    command -v pgbackrest >/dev/null || die "pgbackrest is not installed on the restore host"
    {
      printf '[global]\nrepo1-path=%s\nrepo1-cipher-type=%s\n' "$5" "$6"
      [ "$6" = none ] || printf 'repo1-cipher-pass=%s\n' "$REPO_PASS"
      printf 'log-level-file=off\nlog-level-console=warn\nlock-path=/tmp/pgbackrest\nspool-path=%s/spool\n' "$scratch"
      printf '[%s]\npg1-path=%s/data\n' "$4" "$scratch"
    } | put "$scratch/pgbackrest.conf"
    ;;
  pgbackrest)
    scratch_of "$1" "$2" "$3"
    case $5 in *[!0-9T:.Z-]* | '') die "$5 is no time" ;; esac
    as_user mkdir -m 700 "$scratch/data"
    in_unit restore pgbackrest --config="$scratch/pgbackrest.conf" --stanza="$4" restore --type=time \
      --target="$(numbers_of "$5")" --target-action=promote --tablespace-map-all="$scratch/tablespaces" ||
      die "pgbackrest restore ended with $?"
    ;;
  *) die "postgres.sh does not know $what" ;;
esac
