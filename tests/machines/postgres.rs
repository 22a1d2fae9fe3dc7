//! A PostgreSQL with a shop in it on `db1`, a host for restore tests `lab1`, and what every restore test of it owes.
//!
//! Owns: the source, the marker, moving backups to the restore host, looking for what is left there. Must not: know a runbook.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::machines::{Machines, Ran, ran};

/// 20,000 orders of 200 customers: a role that owns and one that reads, a sequence, an enum, a view, a function, a foreign key.
const SHOP: &str = "\
create role shop login; create role reader;
create database shop owner shop template template0 encoding 'UTF8' lc_collate 'C.UTF-8' lc_ctype 'C.UTF-8';
\\c shop
set role shop;
create schema sales;
create type sales.state as enum ('open', 'paid');
create table sales.customers (id int generated always as identity primary key, name text not null unique);
create table sales.orders (id bigserial primary key, customer int not null references sales.customers,
  state sales.state not null default 'open', amount numeric(10,2) check (amount >= 0), note jsonb, placed timestamptz not null default clock_timestamp());
create index on sales.orders (placed);
create view sales.open as select * from sales.orders where state = 'open';
create function sales.total(int) returns numeric language sql as $$ select sum(amount) from sales.orders where customer = $1 $$;
grant usage on schema sales to reader; grant select on sales.orders to reader;
insert into sales.customers (name) select 'c' || i from generate_series(1, 200) i;
insert into sales.orders (customer, amount, note, placed) select 1 + i % 200, i / 7.0, jsonb_build_object('n', i, 't', md5(i::text)),
  now() - make_interval(secs => 80000 - i) from generate_series(1, 20000) i;
";

/// `h01` as `db1` with the shop, `h02` as `lab1` that may be restored on; the shipped runbooks over them.
pub fn shop() -> Machines {
    let machines = Machines::start_with_backups(2);
    machines.library();
    let lab = machines.lab();
    machines.file(
        "inventory.yml",
        &format!(
            "schema: 1\ndefaults: {{ user: deploy, identity: \"{}\", known_hosts: \"{}\" }}\nhosts:\n  db1: {{ address: {} }}\n  lab1: {{ address: {} }}\n",
            lab.join("id").display(),
            lab.join("known_hosts").display(),
            machines.hosts["h01"],
            machines.hosts["h02"]
        ),
    );
    let script = std::fs::read_to_string(machines.path("files/postgres.sh")).unwrap();
    machines.put("h01", "/usr/local/sbin/postgres.sh", &script);
    machines.put("h01", "/root/shop.sql", SHOP);
    machines.at(
        "h01",
        "chmod 755 /usr/local/sbin/postgres.sh; mkdir -p /backup/wal; chown -R postgres /backup; \
         pg_createcluster 15 main -o fsync=off -o archive_mode=on -o \"archive_command=test ! -f /backup/wal/%f && cp %p /backup/wal/%f\" -- --no-sync -A trust >/dev/null; \
         pg_ctlcluster 15 main start && cd / && runuser -u postgres -- psql -Xq -v ON_ERROR_STOP=1 -f - </root/shop.sql",
    );
    machines.at("h02", "touch /etc/pitstop-restore-target");
    // By name, as operators write it.
    for host in ["h01", "h02"] {
        machines.at(host, &format!("echo '{} db1' >>/etc/hosts", machines.hosts["h01"]));
    }
    machines
}

/// A question to the source.
pub fn asks(machines: &Machines, sql: &str) -> String {
    machines.at(
        "h01",
        &format!("cd / && runuser -u postgres -- psql -XAtq -d shop -c \"{sql}\""),
    )
}

/// Brings a folder from the source to the restore host, owners and all.
pub fn brings(machines: &Machines, folder: &str) {
    let script = "bash \"$0\" at \"$1\" h01 tar -C / -cf - \"$2\" | bash \"$0\" at \"$1\" h02 tar -C / -xf -";
    let lab = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/machine.sh");
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("set -o pipefail; {script}")])
        .arg(lab)
        .arg(machines.lab())
        .arg(folder.trim_start_matches('/'))
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::null());
    let copied = ran(command);
    assert_eq!(copied.code, 0, "{}", copied.said);
}

/// What of a restore test is on the restore host: nothing, that is.
pub fn left(machines: &Machines) -> String {
    machines.at(
        "h02",
        "ls -d /var/tmp/pitstop-restore* /run/pitstop-restore* /etc/tmpfiles.d/pitstop-restore* /tmp/pitstop* 2>/dev/null; \
         systemctl list-units --all --plain --no-legend 'pitstop-restore*'; \
         for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -a '[p]itstop-restore-2'; done; \
         find /proc/[0-9]*/cwd /proc/[0-9]*/fd -maxdepth 1 -lname '*/pitstop-restore*' 2>/dev/null; \
         grep pitstop-restore /proc/self/mounts; true",
    )
}

/// Types it and holds it to its exit code and words. Nothing of it may be left on the restore host.
pub fn comes_to(machines: &Machines, line: &str, exit: i32, says: &[&str]) -> Ran {
    let ran = machines.types(line);
    assert_eq!(ran.code, exit, "{line}: {}", ran.said);
    for says in says {
        assert!(ran.said.contains(says), "{line}: {says}: {}", ran.said);
    }
    assert_eq!(left(machines), "", "{line}: {}", ran.said);
    ran
}

/// Begins it, and returns once this step of it is under way.
pub fn begins(machines: &Machines, line: &[&str], step: &str) -> Child {
    let runs = || -> BTreeSet<PathBuf> {
        let runs = std::fs::read_dir(machines.path(".pitstop/runs"));
        runs.into_iter().flatten().flatten().map(|run| run.path()).collect()
    };
    let before = runs();
    let child = machines
        .pitstop(line)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // Of an earlier run the step was under way too.
    machines.until(&format!("{step} is under way"), || {
        let journals = runs()
            .difference(&before)
            .map(|run| run.join("journal.jsonl"))
            .collect::<Vec<_>>();
        let text: String = journals
            .iter()
            .filter_map(|j| std::fs::read_to_string(j).ok())
            .collect();
        let events = text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        events
            .map(|record| record["event"].clone())
            .any(|e| e["type"] == "intended" && e["key"]["step"] == step)
    });
    child
}

/// The seconds between two marks, as the record of the last run has them.
pub fn objective(machines: &Machines, name: &str) -> f64 {
    let record = machines.types("pitstop report last --format json");
    let record: serde_json::Value = serde_json::from_str(&record.said).unwrap();
    let objectives = record["objectives"].as_array().unwrap();
    let found = objectives.iter().find(|o| o["name"] == name).unwrap();
    found["actual_ms"].as_f64().unwrap_or(-1.0) / 1000.0
}
