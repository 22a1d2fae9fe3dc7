//! `restore-mariadb.yml` with a real MariaDB: dumps that are good, and every way in which a dump can be bad while its tool says 0.
//!
//! Owns: also what the tests of the other restores need: the names of the hosts, the way of a backup to them, and what must not be left.

use std::process::Stdio;

use crate::figures;
use crate::machines::{Machines, Ran, lab_command};

/// A folder for what tests try.
const TRY: &str = "mkdir -p /try; cd /try; rm -rf /try/*; ";

/// Machines with the shipped runbooks: `h01` is the source, `NAME` in the inventory; `h02` is `lab1`, where restores are meant to be.
pub fn lab(source: &str) -> Machines {
    let machines = Machines::start_with_backups(2);
    machines.library();
    let lab = machines.lab();
    let (address, other) = (&machines.hosts["h01"], &machines.hosts["h02"]);
    machines.file(
        "inventory.yml",
        &format!(
            "schema: 1\ndefaults: {{ user: deploy, identity: \"{id}\", known_hosts: \"{known}\" }}\n\
             hosts:\n  {source}: {{ address: {address} }}\n  lab1: {{ address: {other} }}\n",
            id = lab.join("id").display(),
            known = lab.join("known_hosts").display(),
        ),
    );
    machines.at(
        "h02",
        &format!("touch /etc/pitstop-restore-target; echo '{address} {source}' >>/etc/hosts"),
    );
    machines
}

/// Brings a folder of h01 to h02, as backups come to where they are kept.
pub fn carry(machines: &Machines, folder: &str) {
    let lab = machines.lab();
    let tar = |host: &str, how: &str| {
        let mut tar = lab_command(&["at", lab.to_str().unwrap(), host, "tar", "-C", "/", how, "-"]);
        if how == "-cf" {
            tar.arg(folder.trim_start_matches('/'));
        }
        tar
    };
    machines.at("h02", &format!("rm -rf {folder}"));
    let mut from = tar("h01", "-cf").stdout(Stdio::piped()).spawn().unwrap();
    let to = tar("h02", "-xpf").stdin(from.stdout.take().unwrap()).status().unwrap();
    assert!(to.success() && from.wait().unwrap().success());
}

/// Nothing of a restore test is on the host: no folder, file, unit, process or mount.
pub fn nothing_is_left(machines: &Machines, what: &str) {
    let left = machines.at(
        "h02",
        "ls -Ad /var/tmp/*[p]itstop-restore* /small/*[p]itstop-restore* /run/[p]itstop-restore* /etc/tmpfiles.d/[p]itstop-restore* \
         2>/dev/null; systemctl list-units --all --no-legend '[p]itstop-restore*'; ps -eo args | grep '[p]itstop-restore'; \
         grep '[p]itstop-restore' /proc/mounts; true",
    );
    assert_eq!(left, "", "{what}");
}

/// The verdict about a backup: what it exits with, a word of why, and that nothing is left. Told beside what the tool said.
pub fn judged(machines: &Machines, what: &str, tool: &str, ran: &Ran, code: i32, why: &str) {
    assert!(
        ran.code == code && ran.said.contains(why),
        "{what}: wanted {code} and `{why}`: {} {}",
        ran.code,
        ran.said
    );
    nothing_is_left(machines, what);
    let line = ran.said.lines().find(|line| line.contains(why)).unwrap_or_default();
    println!("{what}: {tool}; pitstop: exit code {code}: {}", line.trim());
}

/// A shop with everything in it that a dump may lose.
const SHOP: &str = r#"CREATE DATABASE shop; USE shop;
CREATE TABLE items (id INT PRIMARY KEY, name VARCHAR(60) NOT NULL, picture BLOB, price DECIMAL(9,2) NOT NULL CHECK (price > 0));
INSERT INTO items SELECT seq, IF(seq % 7, CONCAT('it''s item\n', seq), 'näme; -- ünd'), UNHEX(SHA2(seq, 256)), seq + 0.5 FROM seq_1_to_500;
CREATE TABLE orders (id INT AUTO_INCREMENT PRIMARY KEY, item INT NOT NULL, note TEXT, placed TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  KEY by_item (item), CONSTRAINT of_item FOREIGN KEY (item) REFERENCES items (id));
INSERT INTO orders (item, note, placed) SELECT 1 + seq % 500, IF(seq % 3, CONCAT('note ', seq), NULL),
  UTC_TIMESTAMP() - INTERVAL (20000 - seq) SECOND FROM seq_1_to_20000;
CREATE TABLE marks (word VARCHAR(20));
INSERT INTO marks VALUES ('a'), ('a'), (NULL), ('NULL');
CREATE TABLE counters (one INT, two INT) ENGINE=InnoDB;
INSERT INTO counters VALUES (0, 0);
CREATE SQL SECURITY INVOKER VIEW dear AS SELECT id, name FROM items WHERE price > 400;
CREATE TRIGGER no_empty BEFORE INSERT ON items FOR EACH ROW SET NEW.name = IF(NEW.name = '', 'unnamed', NEW.name);
CREATE FUNCTION twice(n INT) RETURNS INT DETERMINISTIC RETURN 2 * n;"#;

/// The shop on h01, its dump of a moment in which others write, and a server of h02's own that has nothing to do with it.
fn shop() -> Machines {
    let machines = lab("db1");
    for host in ["h01", "h02"] {
        machines.at(host, "printf '[mariadbd]\\nbind-address=0.0.0.0\\n' >/etc/mysql/mariadb.conf.d/99-lab.cnf; systemctl start mariadb");
    }
    let script = std::fs::read_to_string(machines.path("files/mariadb.sh")).unwrap();
    machines.put("h01", "/root/mariadb.sh", &script);
    machines.put("h01", "/root/shop.sql", SHOP);
    // Somebody writes without a pause: always both counters together.
    machines.at(
        "h01",
        "mariadb --default-character-set=utf8mb4 </root/shop.sql; rm /root/shop.sql; mkdir -p /backup/shop; touch /root/busy; \
         (while [ -e /root/busy ]; do echo 'UPDATE counters SET one = one + 1, two = two + 1;'; done | \
         mariadb shop) >/dev/null 2>&1 & \
         until [ \"$(mariadb -N shop -e 'SELECT one > 50 FROM counters')\" = 1 ]; do :; done; \
         sh /root/mariadb.sh dump shop /backup/shop/shop.sql.gz && rm /root/busy; wait",
    );
    carry(&machines, "/backup");
    machines
}

const BINARY: &str = env!("CARGO_BIN_EXE_pitstop");

const RUN: &str = "pitstop run runbooks/restore-mariadb.yml --yes --set source=db1 --set lab=lab1 --set database=shop \
                   --set query='select id from dear limit 1'";

#[test]
fn a_database_comes_back_as_it_was_and_no_bad_dump_passes() {
    let machines = shop();
    let said = machines.follow("docs/runbooks/restore-mariadb.md");
    nothing_is_left(&machines, "the page");
    assert!(
        said.contains("Objective rto") && said.contains("Objective rpo"),
        "{said}"
    );

    // What is wrong with a dump, how it is made of the good one, and what is said of it. The tool reads each into a server of its own.
    machines.at(
        "h02",
        &format!("{TRY} gunzip -c /backup/shop/shop.sql.gz >/root/good.sql"),
    );
    let dumps: &[(&str, &str, i32, &str)] = &[
        (
            "cut between two statements",
            "n=$(grep -n '^(10000,' /root/good.sql | cut -d: -f1); head -n $n /root/good.sql | sed '$s/,$/;/' >a.sql",
            1,
            "its end marker (-- Dump completed) is missing",
        ),
        (
            "cut before its marker, with all rows",
            "n=$(grep -n '^-- Dumping routines' /root/good.sql | cut -d: -f1); head -n $n /root/good.sql >a.sql",
            1,
            "its end marker (-- Dump completed) is missing",
        ),
        (
            "only the marker is cut off",
            "grep -v '^-- Dump completed' /root/good.sql >a.sql",
            1,
            "its end marker (-- Dump completed) is missing",
        ),
        (
            "packed and cut",
            "head -c 90000 /backup/shop/shop.sql.gz >a.sql.gz",
            1,
            "the dump is cut or damaged: gzip: /try/a.sql.gz: unexpected end of file",
        ),
        (
            "a packed byte is another",
            "cp /backup/shop/shop.sql.gz a.sql.gz; printf '\\000\\000' | dd of=a.sql.gz bs=1 seek=60000 conv=notrunc 2>/dev/null",
            1,
            "the dump is cut or damaged: gzip:",
        ),
        (
            "half of the rows are missing, the marker is there",
            "grep -v '^(1[0-9][0-9][0-9][0-9],' /root/good.sql >a.sql",
            1,
            "orders: 20000 rows at the backup, 10000 came back",
        ),
        (
            "one letter of one row is another",
            "sed 's/note 12346/note 12345/' /root/good.sql >a.sql",
            1,
            "orders: 20000 rows as at the backup, but not their content",
        ),
        (
            "all rows, without a constraint",
            "sed -e '/CONSTRAINT `of_item`/d' -e 's/KEY `by_item` (`item`),/KEY `by_item` (`item`)/' /root/good.sql >a.sql",
            1,
            "the schema lacks: CONSTRAINT `of_item`",
        ),
        (
            "without its trigger",
            "sed '/TRIGGER no_empty/,/;;$/d' /root/good.sql >a.sql",
            1,
            "the schema lacks: ",
        ),
        ("nothing in it", ": >a.sql", 1, "the dump /try/a.sql is empty"),
        (
            "of an empty database",
            "mariadb -e 'create database hollow'; mariadb-dump hollow >a.sql",
            1,
            "the query failed",
        ),
    ];
    for (what, make, code, why) in dumps {
        let tool = machines.at(
            "h02",
            &format!(
                "{TRY} {make}; mv a.sql.gz b.gz 2>/dev/null && ln b.gz a.sql.gz; \
                 for f in a.sql a.sql.gz; do [ ! -e $f ] || cp /backup/shop/shop.sql.gz.manifest $f.manifest; done; \
                 mariadb -e 'drop database if exists probe; create database probe'; \
                 {{ if [ -e a.sql ]; then cat a.sql; else gunzip -c a.sql.gz; fi; }} 2>/dev/null | mariadb probe >/dev/null 2>&1; echo $?"
            ),
        );
        let ran = machines.types(&format!("{RUN} --set dump=/try"));
        judged(&machines, what, &format!("mariadb ends with {tool}"), &ran, *code, why);
        let of_the_tool = if what.contains("packed") {
            &["0", "1"][..]
        } else {
            &["0"][..]
        };
        assert!(of_the_tool.contains(&tool.as_str()), "{what}: {tool}");
    }
    figures::print(
        "machines: dumps of MariaDB that must not pass",
        format!("{} of {} found", dumps.len(), dumps.len()),
        None,
    );
}

#[test]
fn a_restore_test_of_mariadb_tells_what_is_wrong_around_the_dump_and_leaves_nothing() {
    let machines = shop();
    let good = format!("{RUN} --set dump=/backup/shop");
    let manifest = "/backup/shop/shop.sql.gz.manifest";
    // What is wrong, what makes it so and what puts it right again, and what is said.
    let around: &[(&str, &str, &str, &str, i32, &str)] = &[
        (
            "of last week",
            &format!(
                "cp {manifest} /root/m; sed -i \"s/^# taken .*/# taken $(date -u -d '-8 days' +%FT%TZ)/\" {manifest}"
            ),
            &format!("cp /root/m {manifest}"),
            "",
            8,
            "Objective rpo",
        ),
        (
            "the source's clock is ahead",
            &format!("sed -i \"s/^# taken .*/# taken $(date -u -d '+2 hours' +%FT%TZ)/\" {manifest}"),
            &format!("cp /root/m {manifest}"),
            "",
            8,
            "Objective rpo",
        ),
        (
            "the newest row is old",
            "true",
            "true",
            "--set newest='select min(placed) - interval 9 day from orders'",
            8,
            "Objective rpo",
        ),
        (
            "nobody meant the host for it",
            "mv /etc/pitstop-restore-target /root/",
            "mv /root/pitstop-restore-target /etc/",
            "",
            3,
            "this host has no /etc/pitstop-restore-target",
        ),
        (
            "a tool is missing",
            "mv /usr/bin/mariadb-install-db /root/",
            "mv /root/mariadb-install-db /usr/bin/",
            "",
            3,
            "mariadb-install-db is not installed on the restore host",
        ),
        (
            "too little room",
            "mkdir /small; mount -t tmpfs -o size=64M,mode=755 tmpfs /small",
            "umount /small",
            "--set scratch=/small",
            3,
            "/small has 64 MiB free, 200 MiB are wanted",
        ),
        (
            "the disk is full in the middle",
            "mount -t tmpfs -o size=204M,mode=755 tmpfs /small; mkdir -p /try; \
             { echo 'create table big (t longtext);'; for n in $(seq 150); do echo \"insert into big values (repeat('x', 1000000));\"; done; \
             echo '-- Dump completed'; } | gzip >/try/big.sql.gz; cp /backup/shop/shop.sql.gz.manifest /try/big.sql.gz.manifest",
            "umount /small; rm -rf /try",
            "--set scratch=/small --set dump=/try",
            1,
            "the scratch folder is full, ",
        ),
        (
            "the server starts and dies",
            "mv /usr/sbin/mariadbd /usr/sbin/mariadbd.real; printf '#!/bin/sh\\n(while ! [ -e \"$PWD/data/shop/items.frm\" ]; do :; done; kill -9 $$) &\\n\
             exec /usr/sbin/mariadbd.real \"$@\"\\n' >/usr/sbin/mariadbd; chmod 755 /usr/sbin/mariadbd",
            "mv /usr/sbin/mariadbd.real /usr/sbin/mariadbd",
            "",
            1,
            "mariadbd does not live",
        ),
        (
            "the dump is gone between two looks at it",
            "mkdir /gone; mount -t tmpfs tmpfs /gone; cp /backup/shop/* /gone; \
             systemd-run -q --unit=thief sh -c 'while ! ls -d /var/tmp/pitstop-restore-*/data 2>/dev/null; do :; done; umount -l /gone'",
            "rmdir /gone",
            "--set dump=/gone",
            1,
            "the dump could not be read",
        ),
    ];
    for (what, wrong, right, with, code, why) in around {
        machines.at("h02", wrong);
        let ran = machines.types(&format!("{good} {with}"));
        judged(&machines, what, "the dump is good", &ran, *code, why);
        machines.at("h02", right);
    }
    // pitstop is killed while the dump is read: the run goes on to its good end, or is taken back, and nothing is left either way.
    machines.at(
        "h02",
        &format!(
            "mkdir /slow; {{ echo 'DO SLEEP(4);'; gunzip -c /backup/shop/shop.sql.gz; }} >/slow/a.sql; cp {manifest} /slow/a.sql.manifest"
        ),
    );
    for (how, code, why) in [("", 0, "verify/content  ok"), (" --rollback", 4, "ended rolled_back")] {
        let mut run = machines.there("sh");
        let mut run = run
            .args([
                "-c",
                &format!(
                    "exec {} --set dump=/slow >/dev/null 2>&1",
                    RUN.replacen("pitstop", BINARY, 1)
                ),
            ])
            .spawn()
            .unwrap();
        machines.until("the dump is read", || {
            machines
                .try_at("h02", "ls -d /var/tmp/pitstop-restore-*/data/shop")
                .code
                == 0
        });
        run.kill().unwrap();
        run.wait().unwrap();
        let ran = machines.types(&format!("pitstop resume last{how}"));
        judged(&machines, &format!("killed, resume{how}"), "", &ran, code, why);
        assert!(ran.said.contains("Left behind: nothing"), "{}", ran.said);
    }
    // On the source itself, marked or not.
    machines.at("h01", "touch /etc/pitstop-restore-target");
    let ran = machines.types(&format!("{good} --set lab=db1"));
    judged(
        &machines,
        "the source itself",
        "the dump is good",
        &ran,
        3,
        "this host is the source",
    );
    // The source has what the dump does not: dump and manifest agree, and both are wrong.
    machines.at("h01", "mariadb shop -e 'create table later (n int)'");
    let ran = machines.types(&good);
    judged(
        &machines,
        "a table is not in it",
        "the dump is good",
        &ran,
        1,
        "later: the source has this table, the backup does not",
    );
    figures::print(
        "machines: what is wrong around a dump",
        format!("{0} of {0} found", around.len() + 2),
        None,
    );
}
