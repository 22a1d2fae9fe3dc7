//! `backup-age.yml` on repositories of the real restic, borg and pgBackRest, and on dumps of PostgreSQL and MariaDB.

use crate::checks::found;
use crate::figures;
use crate::machines::Machines;

const PASSWORD: &str = "correct-horse-battery";

/// What each command on the machine begins with.
const ENV: &str = "set -e; export HOME=/root RESTIC_PASSWORD=correct-horse-battery BORG_PASSPHRASE=correct-horse-battery RESTIC_REPOSITORY=/backup/restic; \
                   ago() { date -u -d \"$1\" +%FT%T; }; pg() { runuser -u postgres -- \"$@\"; };";

fn at(machines: &Machines, script: &str) -> String {
    machines.at("h01", &format!("{ENV} {script}"))
}

/// Repositories and dumps of yesterday and of now.
fn backups() -> Machines {
    let machines = Machines::start_with_backups(1);
    machines.log_in(|_| "user: deploy, labels: { role: backup }".to_owned());
    machines.library();
    at(
        &machines,
        "mkdir -p /backup/db /srv/data; head -c 300000 /dev/urandom >/srv/data/a; \
         restic -q init; restic -q backup --time \"$(date -d '1 day ago' '+%F %T')\" /srv/data; restic -q backup /srv/data; \
         borg init -e repokey /backup/borg 2>/dev/null; borg create --timestamp \"$(ago '1 day ago')\" /backup/borg::h01-1 /srv/data; borg create /backup/borg::h01-2 /srv/data",
    );
    at(
        &machines,
        "v=$(ls /usr/lib/postgresql); mkdir -p /etc/pgbackrest /backup/pg; chown postgres /backup/pg; \
         printf '[global]\\nrepo1-path=/backup/pg\\nstart-fast=y\\nlog-level-console=warn\\nlog-level-file=off\\n[main]\\npg1-path=/var/lib/postgresql/%s/main\\n' \"$v\" >/etc/pgbackrest.conf; \
         chown postgres /etc/pgbackrest.conf; rmdir /etc/pgbackrest; \
         pg_createcluster \"$v\" main -- --no-sync >/dev/null; \
         printf \"archive_mode = on\\narchive_command = 'pgbackrest --stanza=main archive-push %%p'\\nfsync = off\\n\" >>/etc/postgresql/$v/main/postgresql.conf; \
         pg_ctlcluster \"$v\" main start; pg pgbackrest --stanza=main stanza-create; pg pgbackrest --stanza=main backup; \
         pg psql -qc 'create table t as select generate_series(1,2000) n'; pg pg_dump postgres | gzip >/backup/db/a.sql.gz; \
         touch -d '1 day ago' /backup/db/a.sql.gz; cp -p /backup/db/a.sql.gz /backup/db/b.sql.gz; touch -d '1 hour ago' /backup/db/b.sql.gz; \
         systemctl start mariadb; mariadb-dump mysql >/srv/mysql.sql; systemctl stop mariadb",
    );
    machines
}

#[test]
fn a_backup_that_is_old_small_cut_off_or_of_tomorrow_is_found_and_one_that_cannot_be_read_is_no_pass() {
    let machines = backups();
    let began = std::time::Instant::now();
    let state = "find /backup/restic /backup/db /backup/pg -type f -exec sha256sum {} + | sort | sha256sum; restic --no-lock -q list locks; ls -d /tmp/tmp.* 2>/dev/null || true";
    let before = at(&machines, state);
    machines.follow("docs/runbooks/backup-age.md");
    assert_eq!(at(&machines, state), before, "a look changed something");
    let all = found(&machines);
    assert!(all.values().all(|(.., outcome)| outcome == "ok"), "{all:?}");

    // The tool's own exit code, where it has one, and what is made of it.
    let mut lied = 0;
    let mut look = |name: &str, spoil: &str, tool: &str, what: &str, status: &str, why: &str| {
        let said = machines.try_at("h01", &format!("{ENV} {spoil}"));
        assert_eq!(said.code, 0, "{name}: {}", said.said);
        let code = match tool {
            "" => None,
            tool => Some(
                machines
                    .try_at("h01", &format!("{ENV} {{ {tool}; }} >/dev/null 2>&1"))
                    .code,
            ),
        };
        let password = if name == "wrong password" {
            "wrong-wrong-wrong"
        } else {
            PASSWORD
        };
        let ran = machines.types(&format!(
            "BACKUP_PASSWORD={password} pitstop run runbooks/backup-age.yml --set select=role=backup --set '{what}'"
        ));
        let step = what.split('=').next().unwrap();
        let got = found(&machines)[&("h01".to_owned(), step.to_owned())].clone();
        assert!(got.0 == status && got.1.contains(why), "{name}: {got:?} {}", ran.said);
        let passes = matches!(status, "ok" | "warn");
        assert_eq!(ran.code, if passes { 0 } else { 3 }, "{name}: {}", ran.said);
        if let (Some(code), false) = (code, passes) {
            lied += usize::from(code == 0);
            figures::print(
                &format!("backups: {name}: exit code of the tool, our result"),
                format!("{code}, {status}"),
                None,
            );
        }
    };
    look(
        "wrong password",
        "true",
        "",
        "restic=/backup/restic",
        "unknown",
        "wrong password",
    );
    look(
        "wrong password",
        "true",
        "",
        "borg=/backup/borg",
        "unknown",
        "passphrase",
    );
    look(
        "a repository that is not there",
        "true",
        "",
        "restic=/backup/nowhere",
        "unknown",
        "restic ended with",
    );
    look(
        "an empty repository of restic",
        "restic -q -r /backup/empty init",
        "restic -r /backup/empty snapshots",
        "restic=/backup/empty",
        "fail",
        "there is no good backup",
    );
    look(
        "an empty repository of borg",
        "borg init -e repokey /backup/none 2>/dev/null",
        "borg list /backup/none",
        "borg=/backup/none",
        "fail",
        "there is no good backup",
    );
    look(
        "a snapshot of three days ago",
        "restic -q -r /backup/old init; restic -q -r /backup/old backup --time \"$(date -d '3 days ago' '+%F %T')\" /srv/data",
        "restic -r /backup/old snapshots",
        "restic=/backup/old",
        "fail",
        "is 3 d old",
    );
    look(
        "an archive of 30 hours ago",
        "borg init -e repokey /backup/late 2>/dev/null; borg create --timestamp \"$(ago '30 hours ago')\" /backup/late::x /srv/data",
        "",
        "borg=/backup/late",
        "warn",
        "is 30 h old",
    );
    look(
        "a source that is nearly gone",
        "mkdir /srv/less; echo x >/srv/less/a; borg create --timestamp \"$(ago '1 minute ago')\" /backup/late::y /srv/less",
        "borg check /backup/late",
        "borg=/backup/late",
        "fail",
        "% less than the one before it",
    );
    look(
        "a snapshot of tomorrow",
        "restic -q -r /backup/old backup --time \"$(date -d 'tomorrow' '+%F %T')\" /srv/data",
        "restic -r /backup/old check",
        "restic=/backup/old",
        "fail",
        "in the future",
    );
    // The first of the list does not keep the second back.
    let ran = machines.types(&format!("BACKUP_PASSWORD={PASSWORD} pitstop run runbooks/backup-age.yml --set select=role=backup --set restic=/backup/empty,/backup/restic"));
    assert!(
        ran.code == 3 && ran.said.matches("steps/restic").count() >= 2,
        "{}",
        ran.said
    );
    // Locked.
    look(
        "locked by borg",
        "systemd-run -q --unit locks -E HOME=/root -E BORG_PASSPHRASE=correct-horse-battery borg with-lock /backup/borg sleep 1000; until [ -e /backup/borg/lock.exclusive ]; do sleep 0.05; done",
        "",
        "borg=/backup/borg",
        "warn",
        "it is locked",
    );
    look(
        "free again",
        "systemctl stop locks; borg break-lock /backup/borg",
        "",
        "borg=/backup/borg",
        "ok",
        "h01-2",
    );
    // pgBackRest ends with 0 whatever it has to tell.
    look(
        "a stanza that is not there",
        "true",
        "pg pgbackrest --stanza=other info",
        "pgbackrest=other",
        "unknown",
        "stanza other: ",
    );
    look(
        "a stanza without a backup",
        "printf '[fresh]\\npg1-path=/var/lib/postgresql/%s/main\\n' \"$(ls /usr/lib/postgresql)\" >>/etc/pgbackrest.conf; pg pgbackrest --stanza=fresh stanza-create",
        "pg pgbackrest --stanza=fresh info",
        "pgbackrest=fresh",
        "fail",
        "no valid backups",
    );
    // Dumps.
    let files = "files=/backup/db/*.sql.gz";
    look(
        "a dump that was cut off",
        "head -c 3000 /backup/db/b.sql.gz >/backup/db/c.sql.gz; touch -d '30 minutes ago' /backup/db/c.sql.gz",
        "",
        files,
        "fail",
        "c.sql.gz: it is damaged or cut off",
    );
    look(
        "a dump that was cut off before it was packed",
        "zcat /backup/db/b.sql.gz | head -n 300 | gzip >/backup/db/c.sql.gz; touch -d '30 minutes ago' /backup/db/c.sql.gz",
        "gzip -t /backup/db/c.sql.gz",
        files,
        "fail",
        "its last lines do not say",
    );
    look(
        "one that is being written",
        "touch /backup/db/c.sql.gz",
        "",
        files,
        "ok",
        "c.sql.gz is being written",
    );
    look(
        "a dump of tomorrow",
        "cp /backup/db/b.sql.gz /backup/db/c.sql.gz; touch -d tomorrow /backup/db/c.sql.gz",
        "gzip -t /backup/db/c.sql.gz",
        files,
        "fail",
        "in the future",
    );
    look(
        "an empty dump",
        ": >/backup/db/c.sql.gz; touch -d '30 minutes ago' /backup/db/c.sql.gz",
        "",
        files,
        "fail",
        "c.sql.gz",
    );
    look(
        "a dump of MariaDB",
        "rm /backup/db/c.sql.gz; gzip </srv/mysql.sql >/backup/db/m.sql.gz; touch -d '30 minutes ago' /backup/db/m.sql.gz",
        "",
        files,
        "ok",
        "m.sql.gz",
    );
    look(
        "an archive that was cut off",
        "tar -C /srv -cf /srv/x.tar data; head -c 200000 /srv/x.tar >/backup/db/x.tar; touch -d '30 minutes ago' /backup/db/x.tar",
        "",
        "files=/backup/db/*.tar",
        "fail",
        "`tar` cannot read it to its end",
    );
    look(
        "a folder that is not there",
        "true",
        "",
        "files=/mnt/nowhere/*.gz",
        "unknown",
        "/mnt/nowhere cannot be read",
    );
    look(
        "no dump at all",
        "true",
        "",
        "files=/backup/db/*.bak",
        "fail",
        "there is no good backup",
    );
    look(
        "the tool is missing",
        "mv /usr/bin/restic /usr/bin/restic.gone",
        "",
        "restic=/backup/restic",
        "unknown",
        "it has no `restic`",
    );
    assert_eq!(
        machines.at("h01", "ls -d /tmp/tmp.* 2>/dev/null || true"),
        "",
        "left behind"
    );
    figures::print(
        "backups: what a tool's own exit code of 0 hides",
        format!("{lied} found, in {} s with 17 others", began.elapsed().as_secs()),
        None,
    );
}
