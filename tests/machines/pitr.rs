//! `restore-postgres-pitr.yml` on real base backups and archives: good, ending too early, with a gap, damaged; and hosts that fail.

use crate::figures;
use crate::machines::Machines;
use crate::postgres::{asks, begins, brings, comes_to, left, objective, shop};

const PAGE: &str = "docs/runbooks/restore-postgres-pitr.md";
const RUN: &str = "pitstop run runbooks/restore-postgres-pitr.yml --yes --set source=db1 --set lab=lab1 --set database=shop --set role=shop \
                   --set query='select count(*) from sales.orders' --set frozen=sales.orders.placed --set margin=0s \
                   --set base=/backup/base --set wal=/backup/wal";

/// The same in words, for a run that is not waited for; `WHERE` is the base backup.
const WORDS: [&str; 15] = [
    "run",
    "runbooks/restore-postgres-pitr.yml",
    "--yes",
    "--set",
    "source=db1",
    "--set",
    "lab=lab1",
    "--set",
    "database=shop",
    "--set",
    "margin=0s",
    "--set",
    "wal=/backup/wal",
    "--set",
    "base=/backup/base",
];
const WHERE: usize = 14;

/// The shop with a base backup, and three segments of WAL behind it that were archived; all on the restore host too.
fn backed_up() -> Machines {
    let machines = shop();
    machines.at(
        "h01",
        "cd / && runuser -u postgres -- pg_basebackup -D /backup/base -c fast -X none 2>/dev/null",
    );
    for n in 1..=3 {
        asks(
            &machines,
            &format!("insert into sales.orders (customer, amount) select {n}, 1 from generate_series(1, 50)"),
        );
        archives(&machines);
    }
    brings(&machines, "/backup");
    machines
}

/// What was written is in the archive.
fn archives(machines: &Machines) {
    let file = asks(machines, "select pg_walfile_name(pg_switch_wal())");
    machines.until("it is archived", || {
        machines.try_at("h01", &format!("test -s /backup/wal/{file}")).code == 0
    });
}

#[test]
fn a_base_backup_is_brought_to_the_moment_or_as_far_as_its_wal_goes() {
    let machines = backed_up();
    // The archive ends before the moment: that is how far it comes.
    machines.follow(PAGE);
    assert_eq!(left(&machines), "");
    let (rto, rpo) = (objective(&machines, "rto"), objective(&machines, "rpo"));
    assert!(rto > 0.0 && rpo > 0.0, "{rto} {rpo}");
    figures::print(
        "machines: a base backup and its WAL restored, compared and erased",
        format!("RTO {rto:.1} s, RPO {rpo:.1} s"),
        None,
    );
    // The archive goes on beyond the moment: nothing from after it comes back. A lock holds the run between the moment and the restore.
    machines.at(
        "h01",
        "cd / && setsid runuser -u postgres -- psql -Xq -d shop -c 'begin; lock table sales.orders in access exclusive mode; select pg_sleep(300)' \
         >/dev/null 2>&1 </dev/null &",
    );
    machines.until("the table is locked", || {
        asks(
            &machines,
            "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and relation = 'sales.orders'::regclass",
        ) == "1"
    });
    let query = "select 'customers=' || count(*) from sales.customers";
    let mut line = Vec::from(WORDS);
    line.extend(["--set", "role=shop", "--set", "frozen=sales.orders.placed"]);
    let query = format!("query={query}");
    line.extend(["--set", &query]);
    line[WHERE] = "base=/backup/tar/base.tar.gz";
    machines.at(
        "h02",
        "mkdir /backup/tar && cd /backup/tar && cp ../base/backup_manifest . && tar -C ../base --exclude=./backup_manifest -czf base.tar.gz .",
    );
    let mut run = begins(&machines, &line, "frozen");
    asks(
        &machines,
        "insert into sales.customers (name) select 'late' || i from generate_series(1, 7) i",
    );
    archives(&machines);
    brings(&machines, "/backup/wal");
    asks(
        &machines,
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep%' and pid <> pg_backend_pid()",
    );
    let ended = run.wait().unwrap();
    let logs = machines.types("pitstop logs last lab1").said;
    assert_eq!(ended.code(), Some(0), "{logs}");
    assert!(
        logs.contains("replayed up to") && logs.contains("customers=200"),
        "{logs}"
    );
    assert_eq!(left(&machines), "");
    // What the archive does not have yet is missed, and that is said.
    asks(
        &machines,
        "insert into sales.orders (customer, amount) select 9, 1 from generate_series(1, 7)",
    );
    comes_to(&machines, RUN, 1, &["verify/content"]);
}

#[test]
fn no_trap_of_base_backups_and_archives_is_taken_for_a_restore() {
    let machines = backed_up();
    machines.at("h02", "mv /backup /good");
    // What PostgreSQL itself makes of it, told to replay all that is there: its exit code, and the rows.
    machines.put(
        "h02",
        "/usr/local/bin/bare",
        "#!/bin/sh\nrm -rf /var/tmp/bare; cp -a /backup/base /var/tmp/bare; chmod 700 /var/tmp/bare; cd /var/tmp/bare; : >postgresql.auto.conf; touch recovery.signal\n\
         b=/usr/lib/postgresql/15/bin; printf \"restore_command = 'cp /backup/wal/%%f %%p'\\nunix_socket_directories = '/var/tmp/bare'\\nlisten_addresses = ''\\nhot_standby = off\\n\" >postgresql.conf\n\
         cp /dev/null pg_ident.conf; echo 'local all all trust' >pg_hba.conf\n\
         $b/pg_ctl -w -t 30 -D . -l log start >/dev/null 2>&1; rc=$?; n=0; until [ $rc != 0 ] || [ $n = 99 ] || psql -h /var/tmp/bare -XAtq -d shop -c ';' 2>/dev/null; do n=$((n + 1)); sleep 0.1; done\n\
         rows=$(psql -h /var/tmp/bare -XAtq -d shop -c 'select count(*) from sales.orders' 2>/dev/null); echo \"$rc ${rows:-no}\"\n\
         $b/pg_ctl -m immediate -D . stop >/dev/null 2>&1; rm -rf /var/tmp/bare",
    );
    machines.at("h02", "chmod 755 /usr/local/bin/bare");
    let second = "$(ls wal | grep -x '[0-9A-F]*' | sort | sed -n 3p)";
    let first = "$(sed -n 's/^START WAL LOCATION.*file \\(.*\\))$/\\1/p' base/backup_label)";
    let flip = |file: &str, at: u32| {
        format!("printf '\\252\\125\\252' | dd of={file} bs=1 seek={at} conv=notrunc status=none")
    };
    let traps: &[(String, &str, i32, &str)] = &[
        (
            "rm wal/$(ls wal | grep -x '[0-9A-F]*' | sort | tail -n 2 | head -n 1)".to_owned(),
            "0 20",
            3,
            "is missing: nothing after it can be restored",
        ),
        (
            flip(&format!("wal/{second}"), 200),
            "0 20",
            1,
            "is in the archive and cannot be replayed",
        ),
        (
            flip("$(find base/base -size +100k -type f | sort | tail -n 1)", 9000),
            "0 20150",
            1,
            "pg_verifybackup: ",
        ),
        ("rm base/base/1/2619".to_owned(), "0 20150", 1, "pg_verifybackup: "),
        (
            "rm base/backup_manifest".to_owned(),
            "0 20150",
            1,
            "has no backup_manifest",
        ),
        ("rm base/backup_label".to_owned(), "", 3, "has no backup_label"),
        // The manifest is right, and it does not start.
        (
            format!("head -c 16777216 /dev/zero >wal/{first}; chown postgres wal/*"),
            "1 no",
            1,
            "cannot be replayed",
        ),
        (
            "rm -rf wal/*".to_owned(),
            "1 no",
            3,
            "is missing: nothing after it can be restored",
        ),
    ];
    for (spoil, says, exit, ours) in traps {
        machines.at(
            "h02",
            &format!("rm -rf /backup; cp -a /good /backup; cd /backup; {spoil}"),
        );
        let said = machines.at("h02", "runuser -u postgres -- /usr/local/bin/bare");
        assert!(said.starts_with(says), "{spoil}: {said}");
        comes_to(&machines, RUN, *exit, &[ours]);
        println!(
            "trap: PostgreSQL started with {}, {} rows; pitstop with {exit}: {ours}",
            &said[..1],
            &said[2..]
        );
    }
    machines.at("h02", "rm -rf /backup; cp -a /good /backup");

    // It starts and then crashes.
    let crash = RUN.replace("role=shop", "role=postgres").replace(
        "'select count(*) from sales.orders'",
        "\"copy (select 1) to program 'kill -9 \\$(head -n 1 postmaster.pid)'\"",
    );
    comes_to(&machines, &crash, 1, &["as postgres: the query"]);

    // pitstop dies; a word closes what it left.
    let mut line = Vec::from(WORDS);
    line.extend([
        "--set",
        "role=shop",
        "--set",
        "frozen=sales.orders.placed",
        "--set",
        "query=select pg_sleep(300)",
    ]);
    let mut killed = begins(&machines, &line, "function");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(left(&machines).contains("pitstop-restore"), "it was not restored");
    comes_to(&machines, "pitstop resume last --rollback", 4, &["rolled_back"]);

    // An index of the source lacks rows: every copy of it does.
    asks(
        &machines,
        "update pg_index set indisready = false where indexrelid = 'sales.orders_placed_idx'::regclass",
    );
    asks(
        &machines,
        "insert into sales.orders (customer, amount) select 1, 1 from generate_series(1, 9)",
    );
    asks(
        &machines,
        "update pg_index set indisready = true where indexrelid = 'sales.orders_placed_idx'::regclass",
    );
    archives(&machines);
    brings(&machines, "/backup/wal");
    comes_to(&machines, RUN, 1, &["pg_amcheck: ", "lacks matching index tuple"]);

    // The source goes away in the middle: it is waited for as long as the step may take, and the restore host is not touched.
    let runbook = std::fs::read_to_string(machines.path("runbooks/restore-postgres-pitr.yml")).unwrap();
    machines.file(
        "runbooks/restore-postgres-pitr.yml",
        &runbook.replace("timeout: 1h", "timeout: 10s"),
    );
    machines.at(
        "h01",
        "cd / && setsid runuser -u postgres -- psql -Xq -d shop -c 'begin; lock table sales.orders in access exclusive mode; select pg_sleep(300)' \
         >/dev/null 2>&1 </dev/null &",
    );
    let mut line = Vec::from(WORDS);
    line.extend(["--set", "role=shop", "--set", "frozen=sales.orders.placed"]);
    let mut run = begins(&machines, &line, "frozen");
    machines.power("off", "h01");
    let ended = run.wait().unwrap();
    let states = machines.states();
    assert!(
        ended.code() != Some(0) && states["db1"] != "ok" && states.get("lab1").is_none_or(|s| s == "not_started"),
        "{ended}: {states:?}"
    );
    assert_eq!(left(&machines), "");
    figures::print(
        "machines: traps of base backups and archived WAL",
        format!("{} of {} found, nothing left behind", traps.len() + 3, traps.len() + 3),
        None,
    );
}
