//! `restore-postgres-pgbackrest.yml` on a real, encrypted repository of pgBackRest: good, damaged, with a gap, with a wrong passphrase.

use crate::figures;
use crate::machines::Machines;
use crate::postgres::{asks, brings, comes_to, left, objective, shop};

const PAGE: &str = "docs/runbooks/restore-postgres-pgbackrest.md";
const PASSPHRASE: &str = "a-long-passphrase-17";
const RUN: &str = "pitstop run runbooks/restore-postgres-pgbackrest.yml --yes --set source=db1 --set lab=lab1 --set database=shop --set role=shop \
                   --set query='select count(*) from sales.orders' --set frozen=sales.orders.placed --set margin=0s \
                   --set stanza=main --set repository=/backup/repo";

/// The shop with an encrypted repository, and two segments of WAL behind its backup; on the restore host too.
fn in_repository() -> Machines {
    let machines = shop();
    machines.put(
        "h01",
        "/etc/pgbackrest.conf",
        &format!(
            "[global]\nrepo1-path=/backup/repo\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={PASSPHRASE}\nrepo1-retention-full=2\n\
             start-fast=y\nlog-level-file=off\n[main]\npg1-path=/var/lib/postgresql/15/main"
        ),
    );
    machines.at(
        "h01",
        "chown postgres /etc/pgbackrest.conf; chmod 600 /etc/pgbackrest.conf; mkdir /backup/repo; chown postgres /backup/repo; \
         sed -i '/^archive_command/d' /etc/postgresql/15/main/postgresql.conf; \
         echo \"archive_command = 'pgbackrest --stanza=main archive-push %p'\" >>/etc/postgresql/15/main/postgresql.conf; \
         pg_ctlcluster 15 main reload; cd /; runuser -u postgres -- pgbackrest --stanza=main stanza-create; \
         runuser -u postgres -- pgbackrest --stanza=main backup",
    );
    for n in 1..=2 {
        asks(
            &machines,
            &format!("insert into sales.orders (customer, amount) select {n}, 1 from generate_series(1, 50)"),
        );
        let file = asks(&machines, "select pg_walfile_name(pg_switch_wal())");
        machines.until("it is archived", || {
            asks(
                &machines,
                "select coalesce(last_archived_wal, '') from pg_stat_archiver",
            ) >= file
        });
    }
    brings(&machines, "/backup");
    machines
}

#[test]
fn a_repository_is_restored_to_the_moment_and_no_trap_of_it_is_taken_for_a_restore() {
    let machines = in_repository();
    machines.follow(PAGE);
    assert_eq!(left(&machines), "");
    let (rto, rpo) = (objective(&machines, "rto"), objective(&machines, "rpo"));
    assert!(rto > 0.0 && rpo > 0.0, "{rto} {rpo}");
    // The passphrase is nowhere: not on the restore host, not in what pitstop keeps.
    machines.at(
        "h02",
        &format!("! grep -rslF {PASSPHRASE} /var /run /tmp /root /home /etc"),
    );
    let mut grep = std::process::Command::new("grep");
    grep.args(["-raF", PASSPHRASE]).arg(machines.path(".pitstop"));
    assert_eq!(crate::machines::ran(grep).code, 1, "the passphrase was kept");

    // What pgBackRest itself says: its exit code.
    machines.put(
        "h02",
        "/usr/local/bin/bare",
        "#!/bin/sh\nexport PGBACKREST_REPO1_CIPHER_PASS=$1; shift; cd /; pgbackrest --no-config --stanza=main --repo1-path=/backup/repo \
         --repo1-cipher-type=aes-256-cbc --log-level-file=off \"$@\" >/dev/null 2>&1; echo $?",
    );
    machines.at("h02", "chmod 755 /usr/local/bin/bare; mv /backup /good");
    let flip = |file: &str| format!("printf '\\252\\125\\252' | dd of={file} bs=1 seek=5000 conv=notrunc status=none");
    let wal = "repo/archive/main/15-1/*";
    let traps: &[(String, &str, &str, i32, &str)] = &[
        (String::new(), "another-passphrase", "info", 3, "precheck/backups"),
        (
            "rm -r repo/backup/main; mkdir repo/backup/main".to_owned(),
            PASSPHRASE,
            "info",
            3,
            "can read no repository",
        ),
        (
            format!("rm $(ls {wal}/* | grep -v backup | sort | tail -n 2 | head -n 1)"),
            PASSPHRASE,
            "verify",
            1,
            "is missing in the archive, which goes on to",
        ),
        (
            // Of the WAL that is not needed: only who looks at all of it finds that.
            flip(&format!("$(ls {wal}/* | grep -v backup | sort | head -n 1)")),
            PASSPHRASE,
            "verify",
            1,
            "pgbackrest verify ended with 0 and found",
        ),
    ];
    for (spoil, passphrase, tool, exit, ours) in traps {
        machines.at(
            "h02",
            &format!("rm -rf /backup; cp -a /good /backup; cd /backup; {spoil}"),
        );
        let said = machines.at(
            "h02",
            &format!("runuser -u postgres -- /usr/local/bin/bare {passphrase} {tool}"),
        );
        assert_eq!(said, "0", "{spoil}");
        comes_to(
            &machines,
            &format!("PGBACKREST_REPO1_CIPHER_PASS={passphrase} {RUN}"),
            *exit,
            &[ours],
        );
        println!("trap: pgbackrest {tool} ended with {said}; pitstop with {exit}: {ours}");
    }
    // A file of the backup is damaged: pgBackRest tries it three times.
    machines.at(
        "h02",
        &format!(
            "rm -rf /backup; cp -a /good /backup; cd /backup; {}",
            flip("$(find repo/backup/main/*F/pg_data/base -size +20k | sort | head -n 1)")
        ),
    );
    comes_to(
        &machines,
        &format!("PGBACKREST_REPO1_CIPHER_PASS={PASSPHRASE} {RUN}"),
        1,
        &["pgbackrest restore ended with 29"],
    );
    // It is not installed.
    machines.at("h02", "mv /usr/bin/pgbackrest /usr/bin/elsewhere");
    comes_to(
        &machines,
        &format!("PGBACKREST_REPO1_CIPHER_PASS={PASSPHRASE} {RUN}"),
        3,
        &["pgbackrest is not installed on the restore host"],
    );
    figures::print(
        "machines: a repository of pgBackRest restored, compared and erased",
        format!(
            "RTO {rto:.1} s, RPO {rpo:.1} s; {} of {} traps found",
            traps.len() + 2,
            traps.len() + 2
        ),
        None,
    );
}
