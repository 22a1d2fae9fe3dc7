//! `drill-postgres.yml` and `rejoin-postgres.yml` on a real primary, its standby and a host of the application, whose client writes the
//! whole time.

use std::process::{Child, Stdio};

use serde_json::Value;

use crate::figures;
use crate::machines::{Machines, Ran};

const PAGE: &str = "docs/runbooks/drill-postgres.md";
const SETTINGS: &str =
    "listen_addresses = '*'\nwal_log_hints = on\nwal_keep_size = 64MB\nwal_receiver_timeout = 3s\nfsync = off\n";
const POINT: &str =
    r#"sed "s/^.* orders-db$/$SERVES orders-db/" /etc/hosts >/etc/hosts.new; cat /etc/hosts.new >/etc/hosts"#;
const SERVICE: &str = "host=orders-db port=5432 dbname=orders";

/// `db1` streams to `db2`, over a slot; `app1` finds the service by a name in its `/etc/hosts`.
fn pair() -> Machines {
    let machines = Machines::start_with_backups(3);
    machines.library();
    let names = [("db1", "h01"), ("db2", "h02"), ("app1", "h03")];
    let lab = machines.lab();
    let hosts: String = names
        .iter()
        .map(|(name, host)| format!("  {name}: {{ address: {} }}\n", machines.hosts[*host]))
        .collect();
    machines.file(
        "inventory.yml",
        &format!(
            "schema: 1\ndefaults: {{ identity: \"{}\", known_hosts: \"{}\", user: deploy }}\nhosts:\n{hosts}",
            lab.join("id").display(),
            lab.join("known_hosts").display()
        ),
    );
    let login = "host all,replication all 10.98.0.0/16 scram-sha-256";
    let passwords = "umask 077; echo '*:*:*:replicator:replicate-17' >/var/lib/postgresql/.pgpass; chown postgres: /var/lib/postgresql/.pgpass";
    let configure = format!(
        "cat >>/etc/postgresql/15/main/postgresql.conf <<E\n{SETTINGS}E\necho '{login}' >>/etc/postgresql/15/main/pg_hba.conf"
    );
    let up = "systemctl -q enable postgresql@15-main; systemctl start postgresql@15-main";
    machines.at(
        "h01",
        &format!(
            "{passwords}\npg_createcluster 15 main >/dev/null\n{configure}\n{up}\nrunuser -u postgres -- psql -Xq <<E\n\
             create role replicator login replication password 'replicate-17';\n\
             grant execute on function pg_ls_dir(text, boolean, boolean), pg_stat_file(text, boolean), pg_read_binary_file(text), \
             pg_read_binary_file(text, bigint, bigint, boolean) to replicator;\n\
             create role orders login password 'orders-17';\ncreate database orders owner orders;\n\\c orders\n\
             create table pitstop_drill (run text, word text, at timestamptz default now());\n\
             grant select, insert on pitstop_drill to orders;\n\
             create table sales (n int primary key);\nalter table sales owner to orders;\n\
             select pg_create_physical_replication_slot('b_slot', true);\nE"
        ),
    );
    machines.at(
        "h02",
        &format!(
            "{passwords}\npg_createcluster 15 main >/dev/null\nrm -rf /var/lib/postgresql/15/main\n\
             runuser -u postgres -- pg_basebackup -D /var/lib/postgresql/15/main -d 'host={} user=replicator' -X stream -c fast -R -S b_slot\n\
             {configure}\n{up}",
            machines.hosts["h01"]
        ),
    );
    machines.at(
        "h03",
        &format!(
            "umask 077; echo '*:*:orders:orders:orders-17' >/root/.pgpass; echo '{} orders-db' >>/etc/hosts",
            machines.hosts["h01"]
        ),
    );
    machines.until("the standby streams", || streams(&machines, "h02"));
    machines
}

fn sql(machines: &Machines, host: &str, query: &str) -> String {
    machines.at(
        host,
        &format!("cd /; runuser -u postgres -- psql -XAtq -d orders -c \"{query}\""),
    )
}

/// What a host is: `primary`, `standby` or `down`.
fn role(machines: &Machines, host: &str) -> &'static str {
    let asked = "cd /; runuser -u postgres -- psql -XAtq -c 'select pg_is_in_recovery()' 2>/dev/null";
    match machines.try_at(host, asked).said.trim() {
        "t" => "standby",
        "f" => "primary",
        _ => "down",
    }
}

fn streams(machines: &Machines, host: &str) -> bool {
    let asked = "cd /; runuser -u postgres -- psql -XAtq -c \"select count(*) from pg_stat_wal_receiver where status = 'streaming'\"";
    machines.try_at(host, asked).said.trim() == "1"
}

/// A drill that goes on beside the test; what it says is in `drill.log`.
fn drill(machines: &Machines, mode: &str, more: &[&str]) -> Child {
    let _ = std::fs::remove_file(machines.path("drill.log"));
    let log = std::fs::File::create(machines.path("drill.log")).unwrap();
    let point = format!("point={POINT}");
    let service = format!("service={SERVICE}");
    let mut args = vec!["run", "runbooks/drill-postgres.yml", "--mode", mode, "--yes"];
    let hosts = match more.contains(&"primary=db2") {
        true => vec!["client=app1", "login=orders", &service, &point],
        false => vec![
            "primary=db1",
            "standby=db2",
            "client=app1",
            "login=orders",
            &service,
            &point,
        ],
    };
    for set in hosts.iter().chain(more) {
        args.extend(["--set", set]);
    }
    machines
        .pitstop(&args)
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

fn log(machines: &Machines) -> String {
    std::fs::read_to_string(machines.path("drill.log")).unwrap()
}

fn ends(machines: &Machines, mut drill: Child) -> Ran {
    let code = drill.wait().unwrap().code().unwrap();
    Ran {
        code,
        said: log(machines),
    }
}

fn until_it_waits(machines: &Machines, gate: &str, drill: &mut Child) {
    machines.until("the drill waits at its gate", || {
        assert!(drill.try_wait().unwrap().is_none(), "{}", log(machines));
        log(machines).contains(&format!("gate {gate} waits"))
    });
}

fn says(machines: &Machines, word: &str, gate: &str) {
    let ran = machines.types(&format!(
        "pitstop {word} last --gate {gate} --key ~/.ssh/id_ed25519 --operator anna@example.com"
    ));
    assert_eq!(ran.code, 0, "{}", ran.said);
}

/// A client of the application that writes all the time over connections of its own: NUMBER SECOND, a line for each write that it was told
/// is there.
fn writes(machines: &Machines) {
    machines.unit(
        "h03",
        "writer",
        "Environment=PGPASSFILE=/root/.pgpass PGCONNECT_TIMEOUT=2",
        "n=0\nwhile :; do\n  n=$((n + 1))\n  timeout 3 psql -Xqw -h orders-db -U orders -d orders -c \"insert into sales values ($n)\" 2>/dev/null && \
         echo \"$n $(date +%s.%N)\" >>/root/written\n  sleep 0.02\ndone",
    );
    machines.at("h03", "systemctl start writer");
    machines.until("the client has written", || written(machines).len() > 3);
}

fn written(machines: &Machines) -> Vec<(u64, f64)> {
    let lines = machines.try_at("h03", "cat /root/written 2>/dev/null").said;
    let line = |l: &str| {
        l.split_once(' ')
            .and_then(|(n, at)| Some((n.parse().ok()?, at.parse().ok()?)))
    };
    lines.lines().filter_map(line).collect()
}

/// What the client was told is there and is not.
fn lost(machines: &Machines, primary: &str) -> Vec<u64> {
    let there = sql(machines, primary, "select n from sales");
    let there: std::collections::BTreeSet<u64> = there.lines().filter_map(|n| n.parse().ok()).collect();
    written(machines)
        .into_iter()
        .map(|(n, _)| n)
        .filter(|n| !there.contains(n))
        .collect()
}

fn record(machines: &Machines) -> Value {
    let ran = machines.types("pitstop report last --format json 2>/dev/null");
    serde_json::from_str(&ran.said).unwrap_or_else(|e| panic!("{e}: {}", ran.said))
}

fn objective(record: &Value, name: &str) -> Value {
    let all = record["objectives"].as_array().unwrap();
    all.iter().find(|o| o["name"] == name).unwrap().clone()
}

fn seconds(moment: &Value) -> f64 {
    let at: jiff::Timestamp = moment.as_str().unwrap().parse().unwrap();
    at.as_millisecond() as f64 / 1000.0
}

#[test]
fn a_pair_is_drilled_in_a_copy_and_for_real_and_clients_miss_the_service_as_long_as_the_drill_says() {
    let machines = pair();
    writes(&machines);
    let said = machines.follow(PAGE);
    let written_then = written(&machines).len();
    machines.until("the client writes again", || written(&machines).len() > written_then);
    machines.at("h03", "systemctl stop writer");
    let written = written(&machines);

    // What the client saw of the first outage, beside what the drill measured: with and without the people.
    let record = record(&machines);
    let (rto, rpo) = (objective(&record, "rto"), objective(&record, "rpo"));
    assert_eq!(
        (rto["met"].as_bool(), rpo["met"].as_bool()),
        (Some(true), Some(true)),
        "{said}"
    );
    assert_eq!(rpo["actual_ms"], 0, "{rpo}");
    let (from, to) = (seconds(&rto["from_at"]), seconds(&rto["to_at"]));
    let before = written.iter().filter(|w| w.1 <= to).map(|w| w.1);
    let (mut gap, mut last) = (0.0_f64, f64::NAN);
    for at in before
        .chain(written.iter().map(|w| w.1).find(|at| *at > to))
        .filter(|at| *at > from - 5.0)
    {
        gap = gap.max(if last.is_nan() { 0.0 } else { at - last });
        last = at;
    }
    let (actual, waited) = (
        rto["actual_ms"].as_f64().unwrap() / 1000.0,
        rto["waited_ms"].as_f64().unwrap() / 1000.0,
    );
    let span = to - from;
    assert!(waited > 0.0 && (span - actual - waited).abs() < 0.01, "{rto}");
    // It begins when the fencing begins, a moment before the server is away, and ends when the application's login has written.
    assert!(
        gap < span + 4.0 && gap > span - 4.0 && gap > span / 3.0,
        "the client missed it for {gap} s, the drill says {span} s"
    );
    assert_eq!(
        lost(&machines, "h01"),
        Vec::<u64>::new(),
        "what a client was told is there is there"
    );
    assert_eq!((role(&machines, "h01"), role(&machines, "h02")), ("primary", "standby"));
    assert_eq!(
        sql(&machines, "h01", "select slot_name, active from pg_replication_slots"),
        "b_slot|t"
    );
    assert_eq!(
        sql(&machines, "h02", "select slot_name, active from pg_replication_slots"),
        ""
    );
    for host in ["h01", "h02"] {
        let left = machines.at(host, "ls -d /var/lib/postgresql/15/*pitstop* /var/tmp/pitstop-restore* 2>/dev/null; systemctl list-units --all --no-legend 'pitstop*'; true");
        assert_eq!(left, "", "{host}");
    }
    figures::print(
        "machines: failover of PostgreSQL, what the drill measures and what a client saw",
        format!(
            "rto {actual:.1} s and {waited:.1} s of people, the client's writes failed for {gap:.1} s, {} written, 0 lost",
            written.len()
        ),
        None,
    );
}

#[test]
fn until_the_promotion_everything_is_taken_back_and_the_primary_serves_again() {
    let machines = pair();
    writes(&machines);
    let serves = |what: &str| {
        assert_eq!(
            (role(&machines, "h01"), role(&machines, "h02")),
            ("primary", "standby"),
            "{what}"
        );
        machines.until("the standby streams", || streams(&machines, "h02"));
        assert_eq!(machines.shows("h01", "postgresql@15-main", "UnitFileState"), "enabled");
        assert_eq!(machines.at("h01", "ls /var/lib/postgresql/15"), "main", "{what}");
    };

    // A pair that is none: replay stands still, the hosts are given the wrong way round, the application is led elsewhere.
    sql(&machines, "h02", "select pg_wal_replay_pause()");
    let ended = ends(&machines, drill(&machines, "planned", &[]));
    assert!(
        ended.code == 3 && ended.said.contains("replay is paused on this standby"),
        "{}",
        ended.said
    );
    sql(&machines, "h02", "select pg_wal_replay_resume()");
    let ended = ends(&machines, drill(&machines, "planned", &["primary=db2", "standby=db1"]));
    assert!(
        ended.code == 3 && ended.said.contains("it follows nobody"),
        "{}",
        ended.said
    );
    let ended = ends(&machines, drill(&machines, "planned", &["login=nobody"]));
    assert!(
        ended.code == 3 && ended.said.contains("does not come in"),
        "{}",
        ended.said
    );
    let ended = ends(
        &machines,
        drill(
            &machines,
            "disaster",
            &[
                "fence=true",
                "fenced=true",
                "fence_on=app1",
                "outage=2026-01-01T00:00:00Z",
            ],
        ),
    );
    assert!(
        ended.code == 3 && ended.said.contains("the primary still sends"),
        "{}",
        ended.said
    );
    // The clock of a host is off: its own `date` says so.
    machines.put(
        "h02",
        "/usr/local/bin/date",
        "#!/bin/sh\n[ \"$1\" != +%s.%N ] || { echo \"$(($(/bin/date +%s) + 90)).0\"; exit; }\nexec /bin/date \"$@\"",
    );
    machines.at("h02", "chmod 755 /usr/local/bin/date");
    let ended = ends(&machines, drill(&machines, "test", &[]));
    assert!(
        ended.code == 3 && ended.said.contains("clock is") && ended.said.contains("s off"),
        "{}",
        ended.said
    );
    machines.at("h02", "rm /usr/local/bin/date");
    serves("nothing was touched");

    // The standby has what the primary had, and has not replayed it: it would be promoted without.
    machines.at("h02", "cd /; runuser -u postgres -- psql -Xqc \"alter system set recovery_min_apply_delay = '1h'\" -c 'select pg_reload_conf()'");
    machines.until("the standby is behind", || {
        sql(
            &machines,
            "h02",
            "select pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()",
        ) == "t"
    });
    let ended = ends(&machines, drill(&machines, "planned", &["most_seconds=2"]));
    assert_eq!(ended.code, 4, "{}", ended.said);
    for part in ["bytes behind the last record", "recovery_min_apply_delay is 3600000 ms"] {
        assert!(ended.said.contains(part), "{part}: {}", ended.said);
    }
    machines.at("h02", "cd /; runuser -u postgres -- psql -Xqc 'alter system reset recovery_min_apply_delay' -c 'select pg_reload_conf()'");
    serves("the standby was behind");

    // Somebody says no.
    let mut run = drill(&machines, "planned", &[]);
    until_it_waits(&machines, "go", &mut run);
    assert_eq!(role(&machines, "h01"), "down");
    says(&machines, "reject", "go");
    let ended = ends(&machines, run);
    assert_eq!(ended.code, 4, "{}", ended.said);
    serves("somebody said no");

    // Killed between the fencing and the promotion; meanwhile the old primary comes back, and somebody starts it by hand.
    let mut run = drill(&machines, "planned", &[]);
    until_it_waits(&machines, "go", &mut run);
    run.kill().unwrap();
    run.wait().unwrap();
    machines.power("reboot", "h01");
    machines.until("the old primary's machine is back", || {
        machines.boots("h01").len() == 2
            && machines.try_at("h01", "systemctl is-system-running").said.trim() == "running"
    });
    assert_eq!(role(&machines, "h01"), "down", "it is fenced over a restart");
    let started = machines.try_at("h01", "systemctl start postgresql@15-main");
    assert!(started.code != 0 && started.said.contains("masked"), "{}", started.said);
    machines.at("h01", "pg_ctlcluster --skip-systemctl-redirect 15 main start");
    assert_eq!(
        role(&machines, "h01"),
        "standby",
        "started by hand it is no second primary"
    );
    let another = machines.types("pitstop run runbooks/drill-postgres.yml --mode test --yes --set primary=db1 --set standby=db2 --set client=app1 --set login=orders --set service=dbname=orders");
    assert!(
        another.code == 6 && another.said.contains("PS0760") && another.said.contains("undo:fence/db1/fence"),
        "{another:?}"
    );
    let back = machines.types("pitstop resume last --rollback");
    assert_eq!(back.code, 4, "{}", back.said);
    serves("taken back after a kill");

    // A test that is killed leaves a copy that runs. It is erased, and no other test begins before.
    let mut run = drill(&machines, "test", &[]);
    machines.until("the copy runs", || log(&machines).contains("copy/steps/serve  ok"));
    run.kill().unwrap();
    run.wait().unwrap();
    let another = ends(&machines, drill(&machines, "test", &[]));
    assert!(another.code == 6 && another.said.contains("PS0760"), "{another:?}");
    assert_eq!(machines.types("pitstop resume last --rollback").code, 4);
    assert_eq!(
        machines.at("h02", "ls -d /var/tmp/pitstop-restore* 2>/dev/null; true"),
        ""
    );
    serves("the copy is erased");

    // Killed once more, and gone on with: the standby takes over, and nothing that a client was told of is lost.
    let mut run = drill(&machines, "planned", &[]);
    until_it_waits(&machines, "go", &mut run);
    run.kill().unwrap();
    run.wait().unwrap();
    says(&machines, "approve", "go");
    let on = machines.types("pitstop resume last");
    assert_eq!(on.code, 5, "{}", on.said);
    assert_eq!((role(&machines, "h01"), role(&machines, "h02")), ("standby", "primary"));
    let count = written(&machines).len();
    machines.until("the client writes again", || written(&machines).len() > count);
    machines.at("h03", "systemctl stop writer");
    assert_eq!(lost(&machines, "h02"), Vec::<u64>::new());
}

#[test]
fn in_a_disaster_nothing_is_promoted_beside_a_primary_that_may_live_and_the_old_one_comes_back_as_a_standby() {
    let machines = pair();
    let policy = std::fs::read_to_string(machines.path("policy.yml")).unwrap();
    machines.file("policy.yml", &format!("{policy}allow_local: true\n"));
    let machine = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/machine.sh");
    let lab = machines.lab();
    let off = format!("fence=bash {machine} off {} h01", lab.display());
    let is_off = format!("fenced=grep -qx off {}/h/h01/power", lab.display());
    let outage = format!("outage={:.0}", jiff::Timestamp::now());

    // The cable of the primary is out. It lives, and its own clients go on writing.
    machines.power("cut", "h01");
    machines.until("the standby has noticed", || !streams(&machines, "h02"));
    sql(
        &machines,
        "h01",
        "insert into sales select generate_series(100000, 101000)",
    );

    let ended = ends(
        &machines,
        drill(&machines, "disaster", &["fence=true", &is_off, &outage]),
    );
    assert!(
        ended.code == 1 && ended.said.contains("two primaries (split brain)"),
        "{}",
        ended.said
    );
    assert_eq!((role(&machines, "h01"), role(&machines, "h02")), ("primary", "standby"));
    assert_eq!(machines.types("pitstop resume last --rollback").code, 4);

    // Fenced by its power. The service is led nowhere at first: nothing is taken back, and a person decides.
    let mut run = drill(&machines, "disaster", &[&off, &is_off, &outage, "point=exit 3"]);
    until_it_waits(&machines, "go", &mut run);
    assert!(machines.is_off("h01"));
    says(&machines, "approve", "go");
    let ended = ends(&machines, run);
    assert_eq!(ended.code, 1, "{}", ended.said);
    assert_eq!(role(&machines, "h02"), "primary");
    assert_eq!(machines.states()["db2"], "held");
    let back = machines.types("pitstop resume last --rollback");
    assert_eq!(
        role(&machines, "h02"),
        "primary",
        "nothing takes a promotion back: {}",
        back.said
    );
    machines.at("h03", &format!("export SERVES={}; {POINT}", machines.hosts["h02"]));
    assert_eq!(
        sql(&machines, "h02", "select count(*) from sales where n >= 100000"),
        "0",
        "what was lost is lost"
    );

    // The old primary comes back, and takes writes: a second primary. No drill begins beside it.
    machines.power("heal", "h01");
    machines.power("on", "h01");
    machines.until("the old primary is back", || role(&machines, "h01") == "primary");
    let ran = machines.types("pitstop owed --clean last; for o in $(pitstop owed last --json | sed -n 's/.*\"id\": \"\\(.*\\)\".*/\\1/p'); do pitstop settle last $o done --reason 'by hand'; done; pitstop owed --clean last; pitstop owed last");
    assert!(ran.said.contains("Nothing is owed"), "{}", ran.said);
    let ended = ends(&machines, drill(&machines, "planned", &["primary=db2", "standby=db1"]));
    assert!(
        ended.code == 3 && ended.said.contains("this is a split brain"),
        "{}",
        ended.said
    );

    // It cannot be rewound without hints: told before anything is touched. It is copied.
    machines.at("h01", "cd /; runuser -u postgres -- psql -Xqc 'alter system set wal_log_hints = off'; systemctl restart postgresql@15-main");
    let rejoin = "pitstop run runbooks/rejoin-postgres.yml --yes --set old=db1 --set primary=db2";
    let ran = machines.types(rejoin);
    assert!(
        ran.code == 3 && ran.said.contains("wal_log_hints is off"),
        "{}",
        ran.said
    );
    assert_eq!(role(&machines, "h01"), "primary");
    let joins = |with: &str, did: &str| {
        let ran = machines.types(&format!("{rejoin} {with}"));
        assert_eq!(ran.code, 5, "{}", ran.said);
        says(&machines, "approve", "lose");
        let ran = machines.types("pitstop resume last");
        assert_eq!(ran.code, 0, "{}", ran.said);
        let logs = machines.types("pitstop logs last").said;
        for part in ["bytes of WAL that the new primary has not", did] {
            assert!(logs.contains(part), "{part}: {logs}");
        }
        assert_eq!((role(&machines, "h01"), role(&machines, "h02")), ("standby", "primary"));
        machines.until("it streams", || streams(&machines, "h01"));
    };
    joins("--set rebuild=copy", "copied anew");

    // Somebody promotes it by hand and works there: rewound this time.
    machines.at("h01", "cd /; runuser -u postgres -- psql -Xqc 'alter system set wal_log_hints = on' -c 'select pg_promote()'; systemctl restart postgresql@15-main");
    sql(
        &machines,
        "h01",
        "insert into sales select generate_series(200000, 201000); update sales set n = n + 1000000",
    );
    joins("", "rewound to where timeline");
    assert_eq!(
        sql(&machines, "h01", "select count(*) from sales where n >= 200000"),
        "0"
    );
    let slots = sql(
        &machines,
        "h02",
        "select count(*), bool_and(active) from pg_replication_slots where slot_name like 'pitstop%'",
    );
    assert_eq!(slots, "1|t", "of both times only the slot that is in use is left");

    // And back to where the service was.
    let mut run = drill(&machines, "move", &["primary=db2", "standby=db1"]);
    until_it_waits(&machines, "go", &mut run);
    says(&machines, "approve", "go");
    let ended = ends(&machines, run);
    assert_eq!(ended.code, 0, "{}", ended.said);
    assert_eq!((role(&machines, "h01"), role(&machines, "h02")), ("primary", "standby"));
}
