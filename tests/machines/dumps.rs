//! `restore-postgres-dump.yml` on real dumps of a real PostgreSQL: good, cut, damaged, stale, empty; and hosts on which things go wrong.

use crate::figures;
use crate::machines::Machines;
use crate::postgres::{begins, brings, comes_to, left, objective, shop};

const PAGE: &str = "docs/runbooks/restore-postgres-dump.md";
const RUN: &str = "pitstop run runbooks/restore-postgres-dump.yml --yes --set lab=lab1 --set database=shop --set role=shop \
                   --set query='select count(*) from sales.orders'";

/// The shop, dumped in all three forms; the backups are on the restore host.
fn dumped() -> Machines {
    let machines = shop();
    machines.at(
        "h01",
        "cd / && for f in shop.dump shop.sql shop.sql.gz; do sh /usr/local/sbin/postgres.sh dump shop /backup/$f || exit 1; done",
    );
    brings(&machines, "/backup");
    machines.at("h02", "mv /backup /good && cp -a /good /backup");
    machines
}

#[test]
fn a_dump_is_restored_apart_compared_and_erased_and_its_times_are_measured() {
    let machines = dumped();
    machines.follow(PAGE);
    assert_eq!(left(&machines), "");
    let (rto, rpo) = (objective(&machines, "rto"), objective(&machines, "rpo"));
    assert!(rto > 0.0 && rpo > 0.0, "{rto} {rpo}");
    figures::print(
        "machines: a dump of 20,200 rows restored, compared and erased",
        format!("RTO {rto:.1} s, RPO {rpo:.0} s"),
        None,
    );
    // Who writes to the source meanwhile is borne, a table that is half empty is not.
    for (form, rows, exit, says) in [
        (
            "shop.sql",
            "insert into sales.customers (name) select 'n' || i from generate_series(1, 90) i",
            0,
            "verify/bounded  ok",
        ),
        (
            "shop.sql.gz",
            "insert into sales.orders (customer, amount) select 1, 1 from generate_series(1, 9000)",
            1,
            "more than 20 percent from the source: sales.orders: 20000 rows came back, the source has 29000",
        ),
    ] {
        machines.at(
            "h01",
            &format!("cd / && runuser -u postgres -- psql -Xq -d shop -c \"{rows}\""),
        );
        comes_to(
            &machines,
            &format!("{RUN} --set dump=/backup/{form} --set source=db1"),
            exit,
            &[says],
        );
    }
}

#[test]
fn no_trap_of_dumps_is_taken_for_a_restore() {
    let machines = dumped();
    // What tools say of the same files, into a server that nobody needs.
    machines.at(
        "h02",
        "pg_createcluster 15 bare -- --no-sync -A trust >/dev/null; pg_ctlcluster 15 bare start; cd /; \
         runuser -u postgres -- psql -Xq -c 'create role shop' -c 'create role reader'; \
         printf '#!/bin/sh\\ncd /; dropdb --if-exists t 2>/dev/null; createdb t; \"$@\" >/dev/null 2>&1; rc=$?; \
         rows=$(psql -XAtq -d t -c \"select count(*) from sales.orders\" 2>/dev/null); echo \"$rc ${rows:-no}\"\\n' >/usr/local/bin/tool; chmod 755 /usr/local/bin/tool",
    );
    let undigested = "sed -i '/^# dump /d' *.manifest";
    let sql = "psql -Xq -v ON_ERROR_STOP=1 -1 -d t -f /backup/shop.sql";
    let gz = "sh -c 'gunzip -c /backup/shop.sql.gz | psql -Xq -d t'";
    let dump = "pg_restore -d t /backup/shop.dump";
    // The file, what was done to it, what a tool does with it, its exit code and rows, and what we say.
    let traps: &[(&str, String, &str, &str, i32, &str)] = &[
        (
            "shop.sql",
            "head -n 9000 /good/shop.sql >shop.sql".to_owned(),
            sql,
            "0 ",
            1,
            "bytes, 2",
        ),
        (
            "shop.sql",
            format!("head -n 9000 /good/shop.sql >shop.sql; {undigested}"),
            sql,
            "0 ",
            1,
            "does not end with \"PostgreSQL database dump complete\"",
        ),
        (
            "shop.sql",
            format!(
                "(head -n 9000 /good/shop.sql; printf '\\\\.\\n--\\n-- PostgreSQL database dump complete\\n--\\n') >shop.sql; {undigested}"
            ),
            sql,
            "0 ",
            1,
            "missing: table sales.orders 20000",
        ),
        (
            "shop.sql",
            format!(
                "(sed '/^-- Name: .*; Type: CONSTRAINT/,$d' /good/shop.sql; printf '\\n-- PostgreSQL database dump complete\\n') >shop.sql; {undigested}"
            ),
            sql,
            "0 20000",
            1,
            "missing: constraint sales.customers customers_name_key UNIQUE (name)",
        ),
        (
            "shop.sql.gz",
            format!("head -c 400000 /good/shop.sql.gz >shop.sql.gz; {undigested}"),
            gz,
            "0 ",
            1,
            "is cut or damaged: ",
        ),
        (
            "shop.dump",
            format!("head -c 400000 /good/shop.dump >shop.dump; {undigested}"),
            "pg_restore -l /backup/shop.dump",
            "0 no",
            1,
            "pg_restore ended with 1",
        ),
        (
            "shop.dump",
            format!("printf '\\125\\252' | dd of=shop.dump bs=1 seek=300000 conv=notrunc status=none; {undigested}"),
            "pg_restore -l /backup/shop.dump",
            "0 no",
            1,
            "pg_restore ended with 1",
        ),
        (
            "shop.dump",
            "printf '\\125\\252' | dd of=shop.dump bs=1 seek=300000 conv=notrunc status=none".to_owned(),
            "pg_restore -l /backup/shop.dump",
            "0 no",
            1,
            "has other bytes than were written",
        ),
        (
            "shop.sql",
            format!(
                "sed -i '12000s/, \"t\": \"./, \"t\": \"z/' shop.sql; ! cmp -s shop.sql /good/shop.sql && {undigested}"
            ),
            sql,
            "0 20000",
            1,
            "2 lines differ from what the backup job noted: missing: table sales.orders 20000",
        ),
        (
            "shop.dump",
            "rm shop.dump.roles".to_owned(),
            "pg_restore --no-owner --no-privileges -d t /backup/shop.dump",
            "0 20000",
            1,
            "role \"shop\" does not exist",
        ),
        ("shop.sql", ": >shop.sql".to_owned(), sql, "0 no", 3, "is empty"),
        (
            "shop.dump",
            "sed -i 's/^# taken .*/# taken 2026-01-05T03:00:00Z/' *.manifest".to_owned(),
            dump,
            "0 20000",
            8,
            "rpo",
        ),
        (
            "shop.dump",
            "sed -i \"s/^# taken .*/# taken $(date -u -d '+2 hours' +%FT%TZ)/\" *.manifest".to_owned(),
            dump,
            "0 20000",
            8,
            "rpo",
        ),
        (
            "shop.dump",
            "rm shop.dump.manifest".to_owned(),
            dump,
            "0 20000",
            3,
            "there is no /backup/shop.dump.manifest",
        ),
        (
            "shop.dump",
            "sed -i 's/^# database .*/# database till/' *.manifest".to_owned(),
            dump,
            "0 20000",
            3,
            "is a dump of till, not of shop",
        ),
    ];
    for (file, spoil, tool, says, exit, ours) in traps {
        machines.at(
            "h02",
            &format!("rm -rf /backup; cp -a /good /backup; chmod -R a+rX /backup; cd /backup; {spoil}"),
        );
        let said = machines.at("h02", &format!("runuser -u postgres -- /usr/local/bin/tool {tool}"));
        assert!(said.starts_with(says), "{spoil}: {tool}: {said}");
        comes_to(&machines, &format!("{RUN} --set dump=/backup/{file}"), *exit, &[ours]);
        println!(
            "trap: {tool} ended with {}, {} rows; pitstop with {exit}: {ours}",
            &said[..1],
            &said[2..]
        );
    }
    figures::print(
        "machines: traps of dumps",
        format!("{} of {} found, nothing left behind", traps.len(), traps.len()),
        None,
    );
}

#[test]
fn what_was_restored_is_erased_whoever_dies_and_nothing_is_restored_where_it_must_not() {
    let machines = dumped();
    let run = |more: &str| format!("{RUN} --set dump=/backup/shop.dump {more}");

    // Refused, and not touched.
    machines.at("h02", "rm /etc/pitstop-restore-target");
    comes_to(&machines, &run(""), 3, &["nobody meant it for restore tests"]);
    machines.at(
        "h02",
        "touch /etc/pitstop-restore-target; mkdir -p /mnt/small; mount -t tmpfs -o size=60m tmpfs /mnt/small",
    );
    comes_to(
        &machines,
        &run("--set scratch=/mnt/small"),
        3,
        &["MiB free, the restored database wants"],
    );
    comes_to(
        &machines,
        &run("--set source=lab1"),
        3,
        &["the database shop could not be asked"],
    );
    machines.at(
        "h01",
        "touch /etc/pitstop-restore-target; cp -a /backup/shop.dump* /root/",
    );
    comes_to(
        &machines,
        &run("--set source=db1 --set lab=db1"),
        3,
        &["this host is the source"],
    );
    machines.at("h02", "ln -s /var/tmp /srv/elsewhere");
    comes_to(
        &machines,
        &run("--set scratch=/srv/elsewhere"),
        1,
        &["there is a link on the way to it"],
    );

    // It starts and then crashes.
    let crash = run("").replace("role=shop", "role=postgres").replace(
        "'select count(*) from sales.orders'",
        "\"copy (select 1) to program 'kill -9 \\$(head -n 1 postmaster.pid)'\"",
    );
    comes_to(&machines, &crash, 1, &["as postgres: the query"]);

    // pitstop dies in the middle: the rest is done by a word.
    let sleeps = [
        "run",
        "runbooks/restore-postgres-dump.yml",
        "--yes",
        "--set",
        "lab=lab1",
        "--set",
        "database=shop",
        "--set",
        "dump=/backup/shop.dump",
        "--set",
        "role=shop",
        "--set",
        "query=select pg_sleep(300)",
    ];
    let mut killed = begins(&machines, &sleeps, "function");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(left(&machines).contains("pitstop-restore"), "it was not restored");
    comes_to(&machines, "pitstop resume last --rollback", 4, &["rolled_back"]);

    // Nobody comes back: the timer does it alone.
    let mut timed = sleeps.to_vec();
    timed.extend(["--set", "erase_after=20s"]);
    let mut killed = begins(&machines, &timed, "function");
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert!(left(&machines).contains("pitstop-restore"), "it was not restored");
    machines.until("the timer erases it", || left(&machines).is_empty());
    // Who goes on with it afterwards is told, and nothing is owed any more.
    comes_to(
        &machines,
        "pitstop resume last",
        1,
        &["there is no scratch folder of the run", "Left behind: nothing."],
    );

    // The restore host restarts, and with it the timer is gone.
    let mut killed = begins(&machines, &sleeps, "function");
    killed.kill().unwrap();
    killed.wait().unwrap();
    machines.power("crash", "h02");
    machines.until("it boots", || {
        machines.try_at("h02", "systemctl is-system-running --wait").said == "running\n"
    });
    assert_eq!(left(&machines), "", "the boot erases it");
}
