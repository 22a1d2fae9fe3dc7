//! Duties of infrastructure teams on whole machines: who can come in, what hosts are, evidence before a host is isolated.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pitstop::id::Digest;

use crate::machines::{Machines, Ran};

/// Keys where real hosts have them. In the lab one file opens every account.
const OWN_KEYS: &str = "
for user in root ops deploy; do
  home=$(getent passwd $user | cut -d: -f6)
  mkdir -p $home/.ssh; sed 's/ [^ ]*$/ lab@controller/' /etc/ssh/authorized_keys >$home/.ssh/authorized_keys
  chown -R $user $home/.ssh; chmod 700 $home/.ssh
done
sed -i 's/^AuthorizedKeysFile.*/AuthorizedKeysFile .ssh\\/authorized_keys/' /etc/ssh/sshd_config.d/lab.conf
systemctl reload ssh";

/// Everything that must not be.
const BAD: &str = r#"
add() { useradd -m -s /bin/bash "$@"; }
key() { # USER KIND BITS COMMENT [OPTIONS]
  ssh-keygen -q -t "$2" -b "$3" -N '' -C "$4" -f /root/k; install -d -o "$1" -m 700 /home/$1/.ssh
  { [ -z "${5-}" ] || printf '%s ' "$5"; cat /root/k.pub; } >>/home/$1/.ssh/authorized_keys
  chown "$1" /home/$1/.ssh/authorized_keys; rm /root/k /root/k.pub
}
useradd -o -u 0 -g 0 -M -d /root -s /bin/bash toor
add -e 2020-01-01 carl; key carl rsa 1024 carl@old
add dora; passwd -qd dora
groupadd docker; add -G docker emil; echo emil:some-long-words | chpasswd; passwd -ql emil
key emil ed25519 256 'emil 2020-05-01' 'from="10.0.0.0/8",command="/bin/echo \"a b\" ssh-rsa"'
groupadd deployers; add -G deployers frida; echo '%deployers ALL=(root) NOPASSWD: /usr/bin/apt-get' >/etc/sudoers.d/deployers; chmod 440 /etc/sudoers.d/deployers
key frida dsa 1024 frida@lab
add gina; install -d -o gina -m 700 /home/gina/.ssh; ln -s /etc/shadow /home/gina/.ssh/authorized_keys
add hugo; install -d -o hugo -m 700 /home/hugo/.ssh; mkfifo /home/hugo/.ssh/authorized_keys
echo 'daemon:more-long-words' | chpasswd; usermod -s /bin/bash daemon
echo 'irma:x:1999:100:Irma, "the" <b>=1+1</b>:/home/irma:/bin/bash' >>/etc/passwd; echo 'irma:$1$abcdefgh$ZwxJ1tLSTBaoOVbVPcVaN1:20000:0:99999:7:::' >>/etc/shadow
printf 'PermitRootLogin yes\nPasswordAuthentication yes\n' >/etc/ssh/sshd_config.d/a.conf; systemctl reload ssh"#;

/// A CSV file as rows of cells by the name of their column.
fn table(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows: Vec<Vec<String>> = vec![vec![String::new()]];
    let (mut quoted, mut chars) = (false, text.chars().peekable());
    while let Some(c) = chars.next() {
        let row = rows.last_mut().unwrap();
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => row.last_mut().unwrap().extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\r' if !quoted => {}
            '\n' if !quoted => rows.push(vec![String::new()]),
            c => row.last_mut().unwrap().push(c),
        }
    }
    rows.pop();
    let mut rows = rows.into_iter();
    let head = rows.next().unwrap();
    rows.map(|row| {
        assert_eq!(row.len(), head.len(), "{row:?}");
        head.iter().cloned().zip(row).collect()
    })
    .collect()
}

impl Machines {
    fn rows(&self, step: &str) -> Vec<BTreeMap<String, String>> {
        let ran = self.types(&format!(
            "pitstop report last --format rows-csv --step {step} 2>/dev/null"
        ));
        assert_eq!(ran.code, 0, "{}", ran.said);
        table(&ran.said)
    }

    fn newest_run(&self) -> PathBuf {
        let runs = std::fs::read_dir(self.path(".pitstop/runs")).unwrap();
        let made = |run: &PathBuf| std::fs::metadata(run.join("plan.json")).unwrap().modified().unwrap();
        runs.map(|run| run.unwrap().path()).max_by_key(made).unwrap()
    }
}

#[test]
fn who_can_come_in_is_told_and_no_trap_of_accounts_is_passed_over() {
    let machines = Machines::start(2);
    machines.log_in(|_| "user: root, labels: { env: prod }".to_owned());
    machines.library();
    for host in ["h01", "h02"] {
        machines.at(host, OWN_KEYS);
    }
    machines.at("h01", BAD);
    machines.follow("docs/runbooks/access-review.md");
    assert_eq!(machines.states()["h01"], "failed");
    // `deploy` needs no password for sudo: that only warns.
    assert_eq!(machines.states()["h02"], "warned");

    let findings = machines.rows("findings");
    let of = |host: &str| -> Vec<String> {
        let mine = findings.iter().filter(|f| f["host"] == host);
        let mut words: Vec<String> = mine
            .map(|f| format!("{} {} {}", f["severity"], f["finding"], f["account"]))
            .collect();
        words.sort();
        words
    };
    assert_eq!(of("h02"), ["warn sudo-without-password deploy"]);
    assert_eq!(
        of("h01"),
        [
            "fail empty-password dora",
            "fail root-login root",
            "fail uid-0 toor",
            // Keys that cannot be read: a link to shadow, a pipe.
            "fail unknown gina",
            "fail unknown hugo",
            "fail weak-key carl",
            "fail weak-key frida",
            "fail weak-password irma",
            "warn left-over carl",
            "warn locked-with-keys emil",
            "warn old-key emil",
            "warn root-by-group emil",
            "warn sudo-without-password deploy",
            "warn sudo-without-password frida",
            "warn system-account daemon",
        ]
    );

    let accounts = machines.rows("accounts");
    let account = |name: &str| {
        accounts
            .iter()
            .find(|a| a["host"] == "h01" && a["account"] == name)
            .unwrap()
    };
    let says = |name: &str, columns: [&str; 4]| columns.map(|c| account(name)[c].clone());
    let opens = ["can_log_in", "with", "password", "over"];
    assert_eq!(says("root", opens), ["true", "key", "none", ""]);
    assert_eq!(says("toor", opens), ["true", "key", "none", ""]);
    assert_eq!(says("ops", opens), ["true", "password, key", "usable", ""]);
    assert_eq!(says("carl", opens), ["false", "", "none", "expired"]);
    assert_eq!(says("dora", opens), ["true", "password", "empty", ""]);
    assert_eq!(says("emil", opens), ["true", "key", "locked", ""]);
    assert_eq!(says("irma", opens), ["true", "password", "usable, MD5", ""]);
    assert_eq!(account("emil")["groups"], "[\"docker\"]");
    assert_eq!(account("frida")["sudo"], "(root) NOPASSWD: /usr/bin/apt-get");
    assert_eq!(account("frida")["sudo_without_password"], "true");
    assert_eq!(account("ops")["sudo"], "(ALL : ALL) ALL");
    assert_eq!(account("ops")["sudo_without_password"], "false");
    assert_eq!(account("irma")["person"], "Irma, \"the\" <b>=1+1</b>");

    let keys = machines.rows("keys");
    let key = keys.iter().find(|k| k["account"] == "emil").unwrap();
    assert_eq!(
        key["options"],
        "from=\"10.0.0.0/8\",command=\"/bin/echo \\\"a b\\\" ssh-rsa\""
    );
    assert_eq!(
        [&key["type"], &key["bits"], &key["comment"], &key["days_from"]],
        ["ssh-ed25519", "256", "emil 2020-05-01", "comment"]
    );
    let print = machines.at("h01", "ssh-keygen -lf /home/emil/.ssh/authorized_keys | cut -d' ' -f2");
    assert_eq!(key["fingerprint"], print);

    // No hash left the host, in no form.
    let run = machines.newest_run();
    for hash in machines
        .at("h01", "cut -d: -f2 /etc/shadow | grep '[$]' | sed 's/^!//'")
        .lines()
    {
        let found = machines.types(&format!(
            "grep -r -l -F -e '{}' {}",
            hash.rsplit('$').next().unwrap(),
            run.display()
        ));
        assert_eq!(found.code, 1, "a hash is in {}", found.said);
    }

    // Who may be there is a list; root by no way; a finding that fails by wish.
    let strict = "pitstop run runbooks/access-review.yml --set select=host=h02 --set people=root,ops --set root_login=no \
                  --set keys='lab@controller' --set fail=not-allowed,root-login,stranger-key";
    let ran = machines.types(strict);
    assert_eq!(ran.code, 3, "{}", ran.said);
    let found: Vec<String> = machines
        .rows("findings")
        .iter()
        .map(|f| format!("{} {}", f["finding"], f["account"]))
        .collect();
    assert_eq!(
        found,
        ["root-login root", "sudo-without-password deploy", "not-allowed deploy"]
    );
    assert!(
        ran.said
            .contains("2 findings: root-login root: sshd lets root log in with a key; not-allowed deploy"),
        "{}",
        ran.said
    );
}

#[test]
fn what_hosts_are_is_a_table_and_a_host_that_is_not_in_it_is_named() {
    let machines = Machines::start(2);
    machines.log_in(|_| "user: deploy, labels: { env: prod }, connect_timeout: 3s".to_owned());
    machines.library();
    // A program that listens, and whose file was replaced since.
    let listens = "#!/bin/sh\nexec /usr/local/bin/shop -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => \"127.0.0.1\", LocalPort => 8099); print \"up\\n\"; sleep 600'";
    machines.at("h01", "cp /usr/bin/perl /usr/local/bin/shop");
    machines.put("h01", "/usr/local/bin/serve", listens);
    machines.put("h01", "/etc/systemd/system/shop.service", "[Unit]\nDescription=The \"shop\", =1+1\n[Service]\nExecStart=/usr/local/bin/serve\n[Install]\nWantedBy=multi-user.target");
    machines.at(
        "h01",
        "chmod 755 /usr/local/bin/serve; systemctl daemon-reload; systemctl -q enable --now shop",
    );
    machines.until("the shop listens", || machines.at("h01", "ss -Hltn").contains(":8099"));
    machines.at(
        "h01",
        "cp /usr/bin/perl /usr/local/bin/new; mv /usr/local/bin/new /usr/local/bin/shop",
    );
    machines.follow("docs/runbooks/inventory-export.md");

    let hosts = machines.rows("host");
    assert_eq!(hosts.len(), 2);
    assert_eq!(hosts[0]["host"], "h01");
    assert_eq!(hosts[0]["machine_id"], machines.at("h01", "cat /etc/machine-id"));
    assert_eq!(hosts[0]["kernel"], machines.at("h01", "uname -r"));
    assert_eq!(hosts[0]["addresses"], format!("[\"{}\"]", machines.hosts["h01"]));
    let listening = machines.rows("listening");
    let on = |port: &str| {
        listening
            .iter()
            .find(|l| l["host"] == "h01" && l["port"] == port)
            .unwrap()
    };
    let version = machines.at("h01", "dpkg-query -W -f '${Version}' openssh-server");
    assert_eq!(
        ["process", "unit", "package", "version", "replaced"].map(|c| on("22")[c].as_str()),
        ["sshd", "ssh.service", "openssh-server", &version, "false"]
    );
    assert_eq!(
        ["unit", "program", "package", "replaced"].map(|c| on("8099")[c].as_str()),
        ["shop.service", "/usr/local/bin/shop", "", "true"]
    );
    let units = machines.rows("units");
    let shop = units.iter().find(|u| u["unit"] == "shop.service").unwrap();
    assert_eq!(
        [&shop["description"], &shop["active"], &shop["state"]],
        ["The \"shop\", =1+1", "active", "running"]
    );
    assert!(!machines.rows("networks").is_empty());

    // One host does not answer: it is in no table, and that is said.
    machines.power("off", "h02");
    let ran = machines.types("pitstop run runbooks/inventory-export.yml --set select=env=prod --set packages=true");
    assert_eq!(ran.code, 3, "{}", ran.said);
    let report =
        |format: &str| -> Ran { machines.types(&format!("pitstop report last --format {format} --step packages")) };
    let csv = report("rows-csv");
    assert!(
        csv.code == 1 && csv.said.contains("missing: h02 is not in the table: "),
        "{}",
        csv.said
    );
    let shown = table(csv.said.split("missing: ").next().unwrap());
    let count = machines.at("h01", "dpkg-query -W | wc -l");
    assert_eq!(shown.len().to_string(), count);
    let record = machines.newest_run().join("report/record.json");
    let again = machines.types(&format!(
        "pitstop report {} --format rows-csv --step packages",
        record.display()
    ));
    assert_eq!((again.code, again.said), (1, csv.said));
    assert_eq!(report("rows-json").code, 1);
}

/// Everything below these folders, with times of contents and entries. In /root pitstop's own folder comes and goes.
const TREE: &str = "find /etc /opt /root /srv /usr/local /home /tmp /var/tmp /var/lib /boot -xdev ! -path '/var/lib/systemd/*' ! -path /root \
                    -printf '%p %m %s %T@ %C@\\n' 2>/dev/null | sort";

#[test]
fn evidence_is_collected_without_a_trace_and_what_is_cut_says_so() {
    let machines = Machines::start(2);
    machines.log_in(|_| "user: root".to_owned());
    machines.library();
    // An intruder: a file without a name, a program without a file, a module's worth of log, a home with a history.
    machines.at("h01", "cp /bin/sleep /opt/implant; printf 'echo booty\\n' >/root/.bash_history; mkdir -p /etc/ssl/private; echo secret-key >/etc/ssl/private/x.key; \
                        head -c 3M /dev/urandom >/var/log/big.bin; echo 'sshd: odd words' >/var/log/odd.log");
    machines.at("h01", "systemd-run -q --unit=ghost sh -c 'exec 3>/var/lib/ghost.bin; echo booty >&3; rm /var/lib/ghost.bin; exec /opt/implant 600'");
    machines.until("the ghost runs", || {
        machines.try_at("h01", "! ls /var/lib/ghost.bin && pgrep implant").code == 0
    });
    machines.at("h01", "rm /opt/implant");
    // No room where programs put what they need for a while.
    machines.at("h01", "for at in /tmp /var/tmp; do mount -t tmpfs -o size=64k,mode=1777 tmpfs $at; head -c 1M /dev/zero >$at/full 2>/dev/null; done; true");
    let before = machines.at("h01", TREE);
    machines.follow("docs/runbooks/collect-evidence.md");
    assert_eq!(machines.at("h01", TREE), before, "the host is as it was");
    assert_eq!(machines.states()["h01"], "ok");

    let run = machines.newest_run();
    let piece = |step: &str| {
        let list = table(&std::fs::read_to_string(machines.path("evidence.csv")).unwrap());
        let row = list
            .iter()
            .find(|r| r["step"] == step && r["what"] == "stdout")
            .unwrap()
            .clone();
        assert_eq!(
            (row["host"].as_str(), row["state"].as_str()),
            ("h01", "whole"),
            "{row:?}"
        );
        let bytes = std::fs::read(run.join(&row["kept"])).unwrap();
        assert_eq!(Digest::of(&bytes).hex(), row["sha256"]);
        assert_eq!(bytes.len().to_string(), row["bytes"]);
        run.join(&row["kept"])
    };
    // What is short stands in the journal itself.
    let text = |step: &str| machines.types(&format!("pitstop logs last h01 {step}")).said;
    let deleted = text("deleted");
    assert!(
        deleted.contains("/var/lib/ghost.bin (deleted) 6") && deleted.contains("/opt/implant (deleted)"),
        "{deleted}"
    );
    assert!(text("processes").contains("/opt/implant"));
    assert!(text("sockets").contains(":22"));
    let unpacked = |step: &str, file: &str| {
        let ran = machines.types(&format!("tar xzOf {} {file} | head -c 100", piece(step).display()));
        ran.said
    };
    assert_eq!(unpacked("logs", "var/log/odd.log"), "sshd: odd words\n");
    assert_eq!(unpacked("configs", "root/.bash_history"), "echo booty\n");
    let names = machines.types(&format!("tar tzf {}", piece("configs").display())).said;
    assert!(
        names.contains("etc/ssh/sshd_config\n") && names.contains("etc/passwd\n"),
        "{names}"
    );
    for secret in ["shadow", "ssh_host_ed25519_key\n", "x.key"] {
        assert!(!names.contains(secret), "{secret}: {names}");
    }
    let journal = machines.types(&format!("zcat {} | grep -a -c ^MESSAGE=", piece("journal").display()));
    assert!(journal.said.trim().parse::<u32>().unwrap() > 10, "{}", journal.said);

    // One byte of one piece is another: it is found.
    let logs = piece("logs");
    let good = std::fs::read(&logs).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    std::fs::write(&logs, bad).unwrap();
    let verified = machines.types("pitstop verify last");
    assert_eq!(verified.code, 1, "{}", verified.said);
    std::fs::write(&logs, good).unwrap();

    // What is cut, what is missing, and what fails in a pipe that ends with 0.
    machines.put("h01", "/usr/local/bin/journalctl", "#!/bin/sh\necho half; kill -9 $$");
    machines.at("h01", "chmod 755 /usr/local/bin/journalctl");
    let ran = machines.types(
        "pitstop run runbooks/collect-evidence.yml --mode collect --set select=host=h01 --set since=2024-01-01T00:00:00Z --set mib=1 \
         --set files=/var/log/big.bin,/var/log/odd.log,/srv/gone --set folders=/etc",
    );
    assert_eq!(
        (ran.code, machines.states()["h01"].as_str()),
        (0, "warned"),
        "{}",
        ran.said
    );
    let list = machines.types("pitstop report last --format evidence-csv");
    let list = table(&list.said);
    let row = |step: &str, what: &str| list.iter().find(|r| r["step"] == step && r["what"] == what).unwrap();
    assert_eq!(
        (
            row("logs", "stdout")["state"].as_str(),
            row("logs", "stdout")["bytes"].as_str()
        ),
        ("part", "1048576")
    );
    assert!(
        row("logs", "stdout")["why"].contains("CUT: there is more than 1 MiB"),
        "{list:?}"
    );
    assert_eq!(row("journal", "stdout")["state"], "part", "{list:?}");
    assert!(row("journal", "stdout")["why"].contains("INCOMPLETE"), "{list:?}");
    let taken = row("files", "/var/log/odd.log");
    assert_eq!(
        std::fs::read_to_string(machines.newest_run().join(&taken["kept"])).unwrap(),
        "sshd: odd words\n"
    );
    let fits = machines.types("pitstop logs last h01 fits").said;
    assert!(
        fits.contains("/var/log/big.bin is larger than 1 MiB") && fits.contains("/srv/gone is no file here"),
        "{fits}"
    );

    // No room at all: named, and nothing is left there.
    machines.at("h01", "mount --bind /root /root && mount -o remount,ro,bind /root");
    let ran = machines.types("pitstop run runbooks/collect-evidence.yml --mode collect --set select=host=h01 --set since=2024-01-01T00:00:00Z");
    assert!(
        ran.code == 3 && ran.said.contains("No space left on device"),
        "{}",
        ran.said
    );
    assert!(ran.said.contains("Left behind: nothing"), "{}", ran.said);
    assert_eq!(machines.at("h01", "ls -A /var/tmp"), "full");

    // Isolation waits for a person, and is proven.
    let other = &machines.hosts["h01"];
    let isolate = format!(
        "pitstop run runbooks/collect-evidence.yml --mode isolate --yes --set select=host=h02 --set since=2024-01-01T00:00:00Z \
         --set isolate='ip route add blackhole {other}' --set proof='! ip route get {other} >/dev/null 2>&1' --set folders=/etc"
    );
    let waits = machines.types(&isolate);
    assert_eq!(waits.code, 5, "{}", waits.said);
    assert_eq!(
        machines.try_at("h02", &format!("ip route get {other}")).code,
        0,
        "nothing is cut off before somebody said yes"
    );
    let yes = machines.types("pitstop approve last --key ~/.ssh/id_ed25519 --operator anna@example.com");
    assert_eq!(yes.code, 0, "{}", yes.said);
    let ends = machines.types("pitstop resume last");
    assert_eq!(ends.code, 0, "{}", ends.said);
    assert_ne!(machines.try_at("h02", &format!("ip route get {other}")).code, 0);
}
